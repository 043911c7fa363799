"""A passport names what was qualified and by what figures; it leaves the bundle as it was."""

import json

import pytest

from edge.cli import run
from edge.contract.bundle import open_bundle
from edge.contract.passport import read_passport_id
from edge.daemon import _running
from edge.errors import CannotCreateError, RefusedError


@pytest.fixture
def qualified(bundle, study):
    run(["calibrate", str(bundle.path), "--frames", str(study), "--method", "max"])
    return open_bundle(bundle.path)


def test_passport_holds_hashes_gate_and_latency(qualified, tmp_path, capsys):
    out = tmp_path / "passport"
    assert run(["passport", str(qualified.path), "--out", str(out), "--queries", "20"]) == 0
    found = json.loads((out / "passport.json").read_text())
    assert found["bundle"] == qualified.id
    assert found["files"]["model.int8.onnx"] == qualified.sha256("model.int8.onnx")
    report = json.loads(qualified.read("reports/agreement.int8.json"))
    assert found["precisions"]["int8"] == report
    assert found["latency"]["int8"]["wall"]["p50"] > 0
    assert found["environment"]["packages"]["onnxruntime"]
    assert found["signed_by"] is None
    engine = found["measured"]["int8"]
    assert len(read_passport_id(out / "passport.json", _running(qualified, "int8", engine))) == 12
    page = (out / "passport.html").read_text()
    for text in (
        qualified.id,
        report["calibration_sha256"],
        qualified.sha256("model.onnx"),
        "72 malignant groups",
        "<td>not signed</td>",
    ):
        assert text in page
    assert open_bundle(qualified.path).id == qualified.id


def test_signature_is_checked_and_named(qualified, tmp_path, capsys):
    key, store = tmp_path / "k.key", tmp_path / "store"
    store.mkdir()
    arguments = ["passport", str(qualified.path), "--trust", str(store), "--queries", "5"]
    run(["sign", "--new-key", str(key)])
    key.with_name("k.pub").rename(store / "k.pub")
    with pytest.raises(RefusedError, match="not signed"):
        run([*arguments, "--out", str(tmp_path / "refused")])
    assert not (tmp_path / "refused").exists()
    run(["sign", str(qualified.path), "--key", str(key), "--version", "9"])
    run([*arguments, "--out", str(tmp_path / "good")])
    found = json.loads((tmp_path / "good/passport.json").read_text())
    assert found["version"] == 9
    assert f"signed with key {found['signed_by']}, version 9" in (tmp_path / "good/passport.html").read_text()
    run(["passport", str(qualified.path), "--queries", "5", "--out", str(tmp_path / "unchecked")])
    assert "as version 9, which nobody has checked" in (tmp_path / "unchecked/passport.html").read_text()


def test_existing_passport_is_not_overwritten_and_nothing_is_measured(
    qualified, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("calibration.passport.measure", lambda *_: pytest.fail("measured in vain"))
    out = tmp_path / "passport"
    out.mkdir()
    (out / "passport.json").write_text("filed")
    with pytest.raises(CannotCreateError, match=r"choose another --out$"):
        run(["passport", str(qualified.path), "--out", str(out), "--queries", "5"])
    assert (out / "passport.json").read_text() == "filed"


def test_text_from_the_model_cannot_write_html(bundle, tmp_path, capsys):
    """The model's name comes from whoever made it; in the page it is text."""
    import msgspec

    from calibration.latency import measure
    from calibration.passport import issue
    from calibration.passport_page import passport_page
    from edge.bench.rule import Rule

    result = measure(
        bundle, ["fp32"], Rule(min_queries=2, min_seconds=0.0, warm_up_seconds=0.0), lambda t, n: lambda: None
    )
    passport = issue(bundle, result)
    named = msgspec.structs.replace(passport.spec, name="<script>x</script>")
    page = passport_page(msgspec.structs.replace(passport, spec=named), "not signed")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
