"""The exported graph says what the trained network says, carries its contract and no trace of the machine."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

import export.export
from edge import cli
from edge.contract.bundle import open_bundle
from edge.contract.spec import METADATA_KEY, decode_spec
from edge.engines.golden import check_golden
from edge.engines.onnx import onnx_engine
from edge.errors import CannotCreateError, InternalError, NoInputError
from edge.exam.spread import UNMEASURED, read_spread
from export.deployed import Deployed
from export.familiarity import read_familiarity
from export.parity import torch_outputs
from export.run_folder import read_run


@pytest.fixture
def opened(bundle):
    return open_bundle(bundle)


def test_the_graph_takes_uint8_casts_first_and_has_its_batch_norm_folded(opened):
    model = onnx.load_from_string(opened.model("fp32"))
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert model.graph.node[0].op_type == "Cast"
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert 18 <= model.opset_import[0].version <= 20


def test_the_layers_that_risk_and_ood_share_are_in_the_graph_once(opened):
    model = onnx.load_from_string(opened.model("fp32"))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 1 + 4 * 2 + 3 + 1  # stem, blocks, shortcuts, activation map
    assert [output.name for output in model.graph.output] == ["risk", "heatmap", "ood"]


def test_the_graph_carries_the_contract_and_no_path(opened):
    data = opened.model("fp32")
    (entry,) = onnx.load_from_string(data).metadata_props
    assert entry.key == METADATA_KEY
    assert decode_spec(entry.value.encode()) == opened.spec
    assert b".py" not in data
    assert b"stack_trace" not in data


def test_golden_frames_hold_on_this_machine(opened):
    assert check_golden(opened, onnx_engine(opened, "fp32", threads=1), "fp32") < 1e-5


def test_onnx_runtime_says_what_torch_says_also_off_the_golden_frames(opened, run):
    record, network, _ = read_run(run)
    tensors = np.random.default_rng(0).integers(0, 256, (3, *opened.spec.input.shape[1:]), np.uint8)
    expected = torch_outputs(Deployed(network, record.temperature, read_familiarity(run).distance), tensors)
    engine = onnx_engine(opened, "fp32", threads=1)
    for index in range(3):
        found = engine.infer(tensors[index : index + 1])
        assert found.risk == pytest.approx(expected.risk[index], abs=1e-5)
        assert np.abs(found.heatmap - expected.heatmap[index]).max() < 1e-5
        assert found.ood == pytest.approx(expected.ood[index], rel=1e-4)
        assert found.heatmap.min() >= 0
        assert found.heatmap.max() <= 1


def test_a_graph_that_differs_from_torch_is_not_exported(run, tmp_path, monkeypatch):
    def off(model, tensors):
        outputs = torch_outputs(model, tensors)
        return replace(outputs, risk=outputs.risk + np.float32(0.01))

    monkeypatch.setattr(export.export, "torch_outputs", off)
    with pytest.raises(InternalError, match=r"differ by 0\.01") as raised:
        cli.run(["export", str(run), "--out", str(tmp_path / "bundle")])
    assert raised.value.exit_code == 70
    assert list(tmp_path.iterdir()) == []


def test_no_patient_or_file_name_is_in_the_bundle(opened, learnable):
    text = b"".join(
        opened.read(name) for name in opened.manifest.files if not name.endswith((".onnx", ".npy"))
    )
    assert not any(path.name.encode() in text for path in learnable.glob("*.png"))
    assert b"p12" not in text


def test_the_card_tells_use_limits_data_and_thresholds(opened):
    card = opened.read("MODEL_CARD.md").decode()
    for words in (
        "Intended use",
        "Limitations",
        "Regulatory status: **research only**",
        "Risk management",
        "Lifecycle",
        "Not judged yet",
        "Not a medical device",
        "| train | 56 | 28 |",
        "high-sensitivity",
    ):
        assert words in card


def test_what_is_no_run_is_refused(tmp_path, run):
    with pytest.raises(NoInputError, match="sonocart train"):
        cli.run(["export", str(tmp_path), "--out", str(tmp_path / "bundle")])
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "state.safetensors").write_bytes(b"")
    (tmp_path / "run.json").unlink()
    with pytest.raises(NoInputError, match="--resume"):
        cli.run(["export", str(tmp_path), "--out", str(tmp_path / "bundle")])
    assert not (tmp_path / "bundle").exists()


def test_a_taken_output_is_refused(run, bundle):
    with pytest.raises(CannotCreateError, match="exists"):
        cli.run(["export", str(run), "--out", str(bundle)])


def test_interval_is_measured_unless_it_is_told_not_to(run, opened, tmp_path, monkeypatch):
    monkeypatch.setattr("edge.exam.fitting.FIT_SWEEPS", 2)
    monkeypatch.setattr("edge.exam.sweeps.SLICES", 20)
    assert read_spread(opened) == UNMEASURED
    assert cli.run(["export", str(run), "--out", str(tmp_path / "bundle")]) == 0
    measured = read_spread(open_bundle(tmp_path / "bundle"))
    assert measured.sweeps == 2
    assert cli.run(["coverage", str(tmp_path / "bundle"), "--fit"]) == 0
    assert read_spread(open_bundle(tmp_path / "bundle")) == measured
