"""Agreement on new images and over folds: pooled, held to aims, and never on an image that a model knows."""

import json
from dataclasses import replace

import numpy as np
import pytest

from calibration.agree import AIMS, Compared, pool
from calibration.agreement import compare
from edge.cli import run
from edge.contract.bundle import open_bundle
from edge.engines.golden import Outputs
from edge.errors import NoInputError, UsageError
from tests.fakes import spec
from tests.networks import write_study


def compared(reference, lowered, malignant):
    maps = [np.repeat(np.array(r, np.float32)[:, None, None], 2, axis=2) for r in (reference, lowered)]
    outputs = [
        Outputs(np.array(r, np.float32), heat, np.ones(len(r), np.float32))
        for r, heat in zip((reference, lowered), maps, strict=True)
    ]
    return Compared(*outputs, compare(*outputs, np.array(malignant), spec(), "test"), size=0.29)


def test_folds_are_pooled_by_their_images():
    good = compared([0.1, 0.2, 0.8, 0.9] * 3, [0.1, 0.2, 0.8, 0.9] * 3, [False, False, True, True] * 3)
    bad = compared([0.2, 0.4, 0.6, 0.9], [0.2, 0.61, 0.6, 0.9], [False, False, True, True])
    pooled = pool([good, bad], AIMS["int8"])
    assert (pooled.images, pooled.decisions, pooled.flips, pooled.size) == (16, 16, 1, 0.29)
    assert pooled.auc_lost == pytest.approx(0.25 * 4 / 16)
    noise, signal = 0.21**2, 3 * (0.01 + 0.04 + 0.64 + 0.81) + (0.04 + 0.16 + 0.36 + 0.81)
    assert pooled.sqnr_risk_db == pytest.approx(10 * np.log10(signal / noise), abs=0.01)
    assert [text.split()[0] for text in pooled.missed] == ["AUC", "1", "SQNR", "SQNR"]
    assert pool([good], AIMS["fp16"]).missed == ()
    large = pool([replace(good, size=0.31), good], AIMS["int8"])
    assert large.missed == ("file 0.310 of FP32's, at most 0.3 is aimed at",)


@pytest.fixture
def lowered(bundle, study):
    run(["calibrate", str(bundle.path), "--frames", str(study), "--precision", "fp16"])
    return open_bundle(bundle.path)


def agree(*arguments):
    return run(["agree", *map(str, arguments), "--precision", "fp16"])


def test_own_study_is_judged_on_held_out_images_and_a_new_one_whole(lowered, study, tmp_path, capsys):
    capsys.readouterr()
    assert agree(lowered.path, "--frames", study, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pooled"]["images"] == found["bundles"][0]["images"] == 8
    new = write_study(tmp_path / "new", per_class=5, seed=31)
    agree(lowered.path, "--frames", new, "--kernels")
    out = capsys.readouterr().out
    assert "against FP32 on 10 held-out images, fused" in out
    assert "together: 10 images" in out


def test_missed_aim_is_told_and_is_the_exit_code(lowered, study, capsys, monkeypatch):
    monkeypatch.setitem(AIMS, "fp16", type(AIMS["fp16"])(-1.0, 0.0, 500.0, 1.0))
    assert agree(lowered.path, "--frames", study) == 70
    out = capsys.readouterr().out
    assert "missed: AUC lost" in out
    assert "missed: SQNR of the heat map" in out


def test_a_bundle_twice_and_a_missing_precision_are_refused(lowered, study):
    with pytest.raises(UsageError, match="twice"):
        agree(lowered.path, lowered.path, "--frames", study)
    with pytest.raises(NoInputError, match="sonocart calibrate"):
        run(["agree", str(lowered.path), "--frames", str(study)])
