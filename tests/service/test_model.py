"""The service never runs what is not sound, and goes back by itself to what was."""

import shutil

import msgspec
import numpy as np
import pytest

from edge.contract.audit import verify
from edge.contract.bundle import NewFile, amend_bundle, open_bundle, sign_bundle
from edge.contract.passport import Running
from edge.contract.qualification import report_file
from edge.contract.signing import load_key, make_key
from edge.contract.spec import OperatingPoint
from edge.engines.choose import open_checked
from edge.engines.golden import Outputs, golden_outputs
from edge.engines.worker import EngineWorker
from edge.errors import DataError, InternalError, RefusedError
from edge.exam.baseline import BINS, Baseline
from edge.exam.spread import SPREAD
from edge.service.model import baseline_of, passport_of, ready_model
from edge.settings import ModelSettings
from edge.timing import Timing
from tests.networks import residual_spec, write_bundle, write_study


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "bundle", write_study(tmp_path / "study", 3))


@pytest.fixture
def settings(tmp_path):
    return ModelSettings(last_good=tmp_path / "state/good", audit=tmp_path / "state/audit.jsonl")


def ready(settings, path, told=None):
    found, worker = ready_model(
        settings,
        path,
        lambda b: EngineWorker(lambda: open_checked(b, "fp32", threads=1), Timing()),
        pytest.fail if told is None else told.append,
    )
    worker.close()
    return found


def events(settings):
    return [entry.event for entry in verify(settings.audit)]


def broken(bundle):
    """The same bundle with golden outputs that its network does not give."""
    wrong = Outputs(np.full(4, 0.999, np.float32), np.zeros((4, 8, 8), np.float32), np.ones(4, np.float32))
    return amend_bundle(bundle, golden_outputs("fp32", wrong))


def gate(verdict):
    return {report_file("int8"): NewFile(msgspec.json.encode({"gate": {"verdict": verdict}}))}


def test_bundle_that_passes_is_kept_once(bundle, settings):
    assert ready(settings, bundle.path).id == bundle.id
    assert open_bundle(settings.last_good).id == bundle.id
    inode = settings.last_good.stat().st_ino
    ready(settings, bundle.path)
    assert settings.last_good.stat().st_ino == inode
    assert events(settings) == ["running", "running"]


@pytest.mark.parametrize("damage", ["altered", "self-test"])
def test_last_good_bundle_comes_back_and_the_audit_says_why(bundle, settings, damage):
    ready(settings, bundle.path)
    if damage == "altered":
        (bundle.path / "model.onnx").write_bytes(b"something else")
    else:
        broken(bundle)
    found = ready(settings, bundle.path)
    assert found.id == bundle.id
    assert found.path == settings.last_good
    entries = verify(settings.audit)
    assert [entry.event for entry in entries] == ["running", "refused", "restored"]
    assert ("altered" if damage == "altered" else "golden frames") in entries[1].detail


@pytest.mark.parametrize("fault", ["gate", "spread", "operating point"])
def test_what_the_service_could_not_run_with_never_becomes_the_last_good_bundle(
    bundle, settings, tmp_path, monkeypatch, fault
):
    settings = msgspec.structs.replace(settings, precision="int8", operating_point="balanced")
    bundle = amend_bundle(bundle, {"model.int8.onnx": NewFile(bundle.read("model.onnx")), **gate("passes")})
    good = ready(settings, bundle.path).id
    if fault == "gate":
        amend_bundle(bundle, gate("fails"))
    elif fault == "spread":
        amend_bundle(bundle, {SPREAD: NewFile(b'{"deviation": -1.0, "reach": 1.0, "sweeps": 3}')})
    else:
        points = (OperatingPoint(name="another", threshold=0.4),)
        other = msgspec.structs.replace(residual_spec(), operating_points=points, operating_point="another")
        monkeypatch.setattr("tests.networks.residual_spec", lambda: other)
        shutil.rmtree(bundle.path)
        other = write_bundle(bundle.path, tmp_path / "study")
        amend_bundle(other, {"model.int8.onnx": NewFile(other.read("model.onnx")), **gate("passes")})
    found = ready(settings, bundle.path)
    assert (found.id, found.path) == (good, settings.last_good)
    assert open_bundle(settings.last_good).id == good
    assert events(settings) == ["running", "refused", "restored"]


@pytest.mark.parametrize("damaged", [False, True])
def test_audit_log_that_takes_no_line_is_told_and_keeps_nothing_from_running(
    bundle, settings, tmp_path, damaged, caplog
):
    ready(settings, bundle.path)
    (tmp_path / "full").write_text("")  # as a full or read-only disk: nothing can be written below it
    unwritable = msgspec.structs.replace(settings, audit=tmp_path / "full/audit.jsonl")
    if damaged:
        (bundle.path / "model.onnx").write_bytes(b"something else")
    told: list[str] = []
    found = ready(unwritable, bundle.path, told)
    assert found.path == (settings.last_good if damaged else bundle.path)
    missing = ["refused", "restored"] if damaged else ["running"]
    for words, event in zip(told, missing, strict=True):
        assert "cannot write the audit log" in words
        assert f"it lacks: {event}, " in words
        assert words in caplog.text


def test_without_a_good_one_the_error_is_the_bundles_own_and_audited(bundle, settings):
    broken(bundle)
    with pytest.raises(InternalError, match="golden frames"):
        ready(settings, bundle.path)
    assert events(settings) == ["refused"]
    assert not settings.last_good.exists()


def test_good_bundle_must_be_trusted_too(bundle, settings, tmp_path):
    trust = tmp_path / "trust"
    trust.mkdir()
    make_key(tmp_path / "maker.key")
    (tmp_path / "maker.pub").rename(trust / "maker.pub")
    ready(settings, bundle.path)  # as yet nobody asks for a signature
    strict = ModelSettings(trust=trust, last_good=settings.last_good, audit=settings.audit)
    with pytest.raises(RefusedError, match="not signed"):
        ready(strict, bundle.path)
    signed = sign_bundle(bundle.path, load_key(tmp_path / "maker.key"), 3)
    assert ready(strict, bundle.path).signed == signed
    amend_bundle(open_bundle(bundle.path), {"notes.txt": NewFile(b"rolled back")})
    assert ready(strict, bundle.path).signed == signed
    (trust / "minimum-version").write_text("4")
    with pytest.raises(RefusedError, match="older than the minimum 4"):
        ready(strict, settings.last_good)
    assert events(settings) == ["running", "refused", "running", "refused", "restored", "refused"]


def test_passport_is_held_to_what_runs_and_a_last_good_bundle_runs_without(
    bundle, settings, tmp_path, caplog
):
    (tmp_path / "passport.json").write_text(
        '{"bundle": "other", "measured": {"fp32": "ONNX Runtime 1, CPU"}, '
        '"environment": {"board": null, "cpu": "x"}}'
    )
    strict = msgspec.structs.replace(settings, bundle=bundle.path, passport=tmp_path / "passport.json")
    running = Running(bundle.id, "fp32", "ONNX Runtime 2, CPU", None, "x")
    assert passport_of(settings, bundle, pytest.fail) is None
    with pytest.raises(DataError, match="is of bundle other"):
        passport_of(strict, bundle, lambda: running)
    restored = msgspec.structs.replace(strict, bundle=tmp_path / "refused")
    assert passport_of(restored, bundle, lambda: running) is None
    assert "no passport is shown" in caplog.text


def test_baseline_of_the_bundle_that_was_refused_does_not_keep_the_good_one_from_running(
    bundle, settings, tmp_path, caplog
):
    other = Baseline("other", "fp32", 9, (0.0,) * (BINS + 1), (0.1,) * BINS, 0.0)
    (tmp_path / "baseline.json").write_bytes(msgspec.json.encode(other))
    strict = msgspec.structs.replace(settings, bundle=bundle.path, baseline=tmp_path / "baseline.json")
    with pytest.raises(DataError, match="is of bundle other"):
        baseline_of(strict, bundle)
    restored = msgspec.structs.replace(strict, bundle=tmp_path / "refused")
    assert baseline_of(restored, bundle) is None
    assert "drift is not watched" in caplog.text
