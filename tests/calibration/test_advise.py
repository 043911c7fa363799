"""The advisor makes, judges and measures every precision, and takes the fastest that passes."""

import json
import sys

import pytest

from calibration.advise import Advice, fastest
from edge.cli import run
from edge.contract.bundle import open_bundle, sign_bundle
from edge.contract.signing import load_key, make_key
from edge.engines.onnx import reference_engine
from edge.errors import DataError, InternalError, UsageError
from tests.engines.fake_gpu import Gpu
from tests.networks import residual_spec, write_study

ALL = {"fp32", "fp16", "int8", "int8+fp16"}


def row(precision, p50, *, passes=True):
    return Advice(
        precision=precision,
        passes=passes,
        verdict="",
        engine=None if p50 is None else "x",
        p50_ms=p50,
        p99_ms=p50,
        bytes=1,
        joules={},
    )


def test_fastest_of_those_that_pass():
    rows = [
        row("fp32", 5.0),
        row("fp16", 2.0),
        row("int8", 1.0, passes=False),
        row("int8+fp16", None, passes=False),
    ]
    assert fastest(rows).precision == "fp16"


def advise(bundle, study, capsys):
    assert run(["advise", str(bundle.path), "--frames", str(study), "--queries", "20", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_precision_is_made_judged_and_measured(bundle, study, capsys):
    found = advise(bundle, study, capsys)
    assert {r["precision"] for r in found["rows"]} == ALL
    assert all(r["p50_ms"] > 0 and "ONNX Runtime" in r["engine"] for r in found["rows"])
    # Four malignant images show nothing, so FP32 is advised however fast the others are.
    assert {r["precision"] for r in found["rows"] if r["passes"]} == {"fp32"}
    assert found["advice"] == "fp32"
    assert all("too few" in r["verdict"] for r in found["rows"] if r["precision"] != "fp32")
    made = open_bundle(bundle.path)
    assert set(made.precisions()) == ALL
    again = advise(bundle, study, capsys)
    assert open_bundle(bundle.path).id == made.id  # nothing is made twice
    assert len(again["rows"]) == 4


@pytest.mark.parametrize("verb", [["advise", "--queries", "20"], ["calibrate", "--precision", "fp16"]])
def test_a_signature_that_is_dropped_is_told(bundle, study, tmp_path, capsys, verb):
    make_key(tmp_path / "maker.key")
    sign_bundle(bundle.path, load_key(tmp_path / "maker.key"), 9)
    assert run([*verb, str(bundle.path), "--frames", str(study)]) == 0
    assert "the signature of version 9 is gone with the change: sign again" in capsys.readouterr().err


def test_refused_precision_stays_in_the_table_and_is_never_advised(bundle, study, capsys, monkeypatch):
    import calibration.advise as verb

    real = verb.lower

    def only_fp16(bundle, study, request, track):
        if request.precision != "fp16":
            raise InternalError("int8 is refused, the bundle was not changed\nfigures")
        return real(bundle, study, request, track)

    monkeypatch.setattr(verb, "lower", only_fp16)
    found = advise(bundle, study, capsys)
    refused = [r for r in found["rows"] if not r["passes"]]
    assert {r["precision"] for r in refused} == {"fp16", "int8", "int8+fp16"}
    assert all(
        ("refused" in r["verdict"]) == (r["precision"] != "fp16") == (r["p50_ms"] is None) for r in refused
    )
    assert found["advice"] in ("fp32", "fp16")


@pytest.fixture
def gpu(bundle, monkeypatch):
    reference = reference_engine(bundle, "fp32", threads=1)
    fake = Gpu(residual_spec(), lambda frame: reference.infer(frame.copy()).risk)
    fake.heatmap = lambda frame: reference.infer(frame.copy()).heatmap
    fake.ood = lambda frame: reference.infer(frame.copy()).ood
    fake.install(monkeypatch)
    return fake


@pytest.mark.parametrize("failing", ["int8", "fp32"])
def test_an_engine_that_cannot_be_built_is_a_row_and_not_the_end(
    bundle, study, gpu, capsys, monkeypatch, failing
):
    import calibration.advise as verb

    def build(bundle, precision, *rest):
        if precision == failing:
            raise DataError("TensorRT 10.3.0 cannot read the graph:\n  node 3")
        return real(bundle, precision, *rest)

    real = verb.build
    monkeypatch.setattr(verb, "build", build)
    rows = {r["precision"]: r for r in advise(bundle, study, capsys)["rows"]}
    assert set(rows) == ALL
    failed = rows.pop(failing)
    assert failed["verdict"].endswith("TensorRT 10.3.0 cannot read the graph:")
    assert failed["passes"] == (failed["p50_ms"] is not None) == (failing == "fp32")
    assert all("TensorRT" in row["engine"] for row in rows.values())


def test_without_pycuda_the_cpu_is_measured_and_the_package_named(
    bundle, study, gpu, capsys, monkeypatch, caplog
):
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    assert all("ONNX Runtime" in r["engine"] for r in advise(bundle, study, capsys)["rows"])
    assert caplog.text.count("pip install 'sonocart[tensorrt]'") == 1


def test_with_a_gpu_engines_are_built_and_measured(bundle, study, gpu, capsys):
    found = advise(bundle, study, capsys)
    assert all("TensorRT" in r["engine"] for r in found["rows"])
    plans = [name for name in open_bundle(bundle.path).names("engines") if name.endswith(".plan")]
    assert len(plans) == 4


def test_a_study_of_another_model_is_refused_also_where_nothing_is_made(bundle, study, tmp_path, capsys):
    advise(bundle, study, capsys)
    with pytest.raises(DataError, match="not the one that bundle"):
        run(["advise", str(bundle.path), "--frames", str(write_study(tmp_path / "other", seed=99))])


def test_no_queries_is_a_usage_error(bundle, study):
    with pytest.raises(UsageError, match="queries"):
        run(["advise", str(bundle.path), "--frames", str(study), "--queries", "0"])
