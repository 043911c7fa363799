"""The verb: a bundle gains INT8 with its report, or stays exactly as it was."""

import json
import re

import msgspec
import numpy as np
import pytest

from edge.cli import run
from edge.contract.bundle import NewFile, amend_bundle, open_bundle
from edge.contract.preprocess import tensor_hash
from edge.contract.qualification import Verdict, read_verdict, shown_precision
from edge.engines.golden import TOLERANCE, check_golden
from edge.engines.onnx import onnx_engine, reference_engine
from edge.errors import DataError, InternalError, RefusedError, UsageError
from edge.study.parts import held_out, used_in_making
from edge.study.read import read_study
from edge.study.tensors import case_tensor
from tests.networks import write_study


def calibrate(bundle, study, *more):
    return run(["calibrate", str(bundle.path), "--frames", str(study), *more])


def test_bundle_gains_int8_with_golden_outputs_and_report(bundle, study, capsys):
    assert calibrate(bundle, study, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    made = open_bundle(bundle.path)
    assert made.precisions() == ["fp32", "int8"]
    assert json.loads(made.read("reports/agreement.int8.json")) == printed
    assert printed["model_sha256"] == made.sha256("model.int8.onnx")
    assert printed["agreement"]["images"] == 8
    assert printed["agreement"]["max_difference"] < 0.03
    assert printed["calibration_images"] == 16
    assert made.manifest.files["model.int8.onnx"].parent == made.sha256("model.onnx")
    assert made.manifest.files["golden/int8.risk.npy"].parent == made.sha256("model.int8.onnx")
    for engine in (onnx_engine(made, "int8", threads=1), reference_engine(made, "int8", threads=1)):
        assert check_golden(made, engine, "int8") < 0.06


def test_report_is_printed_in_words(bundle, study, capsys):
    calibrate(bundle, study, "--method", "max")
    out = capsys.readouterr().out
    assert "ranges by max" in out
    assert "flipped at 0.500" in out
    assert "of its bytes: INT8" in out
    assert "feature images, measures and head" in out


def test_only_training_and_validation_images_give_ranges(bundle, study, monkeypatch):
    import calibration.lower as verb

    seen = []
    real = verb.calibration_set

    def spy(tensors):
        seen.append(tensors.copy())
        return real(tensors)

    monkeypatch.setattr(verb, "calibration_set", spy)
    calibrate(bundle, study, "--method", "max")
    whole = read_study(study)
    size = bundle.spec.preprocessing

    def hashes(cases):
        return {tensor_hash(case_tensor(case, size)) for case in cases}

    found = {tensor_hash(tensor[None]) for tensor in np.concatenate(seen)}
    assert found == hashes(used_in_making(bundle, whole))
    assert not found & hashes(held_out(bundle, whole))


def test_frames_of_another_study_are_refused_and_the_bundle_kept(bundle, tmp_path):
    other = write_study(tmp_path / "other", seed=77)
    with pytest.raises(DataError, match="is not the one"):
        calibrate(bundle, other)
    assert open_bundle(bundle.path).id == bundle.id


def test_kernels_that_compute_something_else_leave_the_bundle_as_it_was(bundle, study, monkeypatch):
    monkeypatch.setitem(TOLERANCE, "int8", -1.0)
    with pytest.raises(InternalError, match="bundle was not changed"):
        calibrate(bundle, study, "--method", "max")
    assert open_bundle(bundle.path).id == bundle.id


def test_second_calibration_replaces_the_first_whole(bundle, study):
    calibrate(bundle, study, "--method", "max")
    first = open_bundle(bundle.path)
    calibrate(bundle, study, "--method", "max", "--keep", "a1_Conv")
    second = open_bundle(bundle.path)
    assert second.sha256("model.int8.onnx") != first.sha256("model.int8.onnx")
    report = json.loads(second.read("reports/agreement.int8.json"))
    assert report["kept_layers"]["a1_Conv"] == "on request"


def test_unknown_method_is_a_usage_error(bundle, study):
    with pytest.raises(UsageError, match="invalid choice"):
        calibrate(bundle, study, "--method", "guess")


@pytest.mark.parametrize(("precision", "size"), [("fp16", 0.85), ("int8+fp16", 0.65)])
def test_half_precisions_are_made_and_judged(bundle, study, capsys, precision, size):
    assert calibrate(bundle, study, "--precision", precision, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    made = open_bundle(bundle.path)
    assert made.precisions() == ["fp32", precision]
    assert printed["bytes"] < size * printed["fp32_bytes"]
    assert printed["gate"]["verdict"] == "too few to tell"  # four malignant images
    assert (printed["calibration_sha256"] is None) == (precision == "fp16")
    for engine in (onnx_engine(made, precision, threads=1), reference_engine(made, precision, threads=1)):
        assert check_golden(made, engine, precision) < 0.01


def test_failed_gate_leaves_the_bundle_and_names_sensitive_layers(bundle, study, monkeypatch):
    import calibration.lower as verb

    real = verb.judge
    monkeypatch.setattr(verb, "judge", lambda *a: msgspec.structs.replace(real(*a), verdict=Verdict.FAILS))
    with pytest.raises(InternalError, match=r"(?s)--keep \w+_Conv,\w+_Conv,\w+_Conv.*gate: FAILS"):
        calibrate(bundle, study, "--method", "max", "--rank-layers", "--min-sqnr", "0")
    assert open_bundle(bundle.path).id == bundle.id


def test_an_arrangement_for_the_cpu_that_calls_nothing_malignant_is_refused(bundle, study, monkeypatch):
    import calibration.lower as verb

    real = verb.judge
    calls = []

    def second_fails(reference, risk, *rest):
        calls.append(risk)
        return real(reference, risk if len(calls) == 1 else np.zeros_like(risk), *rest)

    monkeypatch.setattr(verb, "judge", second_fails)
    with pytest.raises(InternalError, match="gate: FAILS"):
        calibrate(bundle, study, "--method", "max")
    assert len(calls) == 2
    assert not np.array_equal(*calls)
    assert open_bundle(bundle.path).id == bundle.id


def test_too_few_cases_do_not_refuse_a_precision_but_are_told_wherever_it_runs(bundle, study, capsys):
    calibrate(bundle, study, "--method", "max")
    out = capsys.readouterr().out
    assert "TOO FEW TO TELL" in out
    assert "72 malignant groups are needed to tell" in out
    made = open_bundle(bundle.path)
    assert read_verdict(made, "int8") is Verdict.TOO_FEW
    assert shown_precision(made, "int8") == "int8 (gate: too few to tell)"
    assert shown_precision(made, "fp32") == "fp32"


def test_a_graph_without_a_verdict_does_not_run(bundle):
    unjudged = amend_bundle(bundle, {"model.int8.onnx": NewFile(bundle.model("fp32"), "model.onnx")})
    with pytest.raises(DataError, match="calibrate it again"):
        shown_precision(unjudged, "int8")


def test_a_graph_that_failed_the_gate_does_not_run(bundle):
    report = NewFile(b'{"gate": {"verdict": "fails"}}', "model.int8.onnx")
    graph = NewFile(bundle.model("fp32"), "model.onnx")
    failed = amend_bundle(bundle, {"model.int8.onnx": graph, "reports/agreement.int8.json": report})
    with pytest.raises(RefusedError, match="fails the clinical gate"):
        shown_precision(failed, "int8")


def test_ranking_covers_each_int8_layer_lowest_first(bundle, study, capsys):
    calibrate(bundle, study, "--method", "max", "--rank-layers", "--min-sqnr", "0", "--json")
    report = json.loads(capsys.readouterr().out)
    ranked = report["ranking_db"]
    assert set(ranked) == set(report["lowered_layers"])
    assert list(ranked.values()) == sorted(ranked.values())
    assert all(value > report["agreement"]["sqnr_heatmap_db"] - 5 for value in ranked.values())


def test_int8_options_with_fp16_are_a_usage_error(bundle, study):
    with pytest.raises(UsageError, match="leave them out"):
        calibrate(bundle, study, "--precision", "fp16", "--method", "mse")


def test_missed_aim_names_layers_with_gain_and_cost_and_keeps_none(bundle, study, capsys):
    calibrate(bundle, study, "--method", "max", "--min-sqnr", "500")
    out = capsys.readouterr().out
    assert "missed: 500 aimed at" in out
    assert out.count("  --keep ") == 3
    assert "on request" not in out
    calibrate(bundle, study, "--method", "max", "--keep", "2")
    out = capsys.readouterr().out
    assert re.search(r"  on request: \w+_Conv, \w+_Conv\n", out)
    assert "  shortcut: down_Conv\n" in out


@pytest.mark.parametrize("keep", ["2", "auto"])
def test_sensitivity_is_not_ranked_with_fp16(bundle, study, keep):
    with pytest.raises(UsageError, match="give names"):
        calibrate(bundle, study, "--precision", "fp16", "--keep", keep)
