"""A damaged or foreign model gives one clear error before anything of it runs."""

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edge.contract.bundle import NewFile, amend_bundle, open_bundle
from edge.contract.spec import METADATA_KEY, encode_spec
from edge.engines.onnx import OnnxEngine
from edge.engines.tensorrt_key import EngineKey, Sidecar, plan_file, sidecar_file
from edge.errors import DataError, RefusedError
from tests.networks import residual_network, residual_spec, write_bundle, write_study

SAMPLES = 24


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A bundle with a plan and its sidecar."""
    folder = tmp_path_factory.mktemp("built")
    bundle = write_bundle(folder / "bundle", write_study(folder / "study", 3))
    key = EngineKey(
        onnx_sha256=bundle.sha256("model.onnx"),
        precision="fp32",
        tensorrt="10.3.0",
        cuda="12.6",
        gpu="Orin",
        sm=87,
        l4t="36.4.3",
    )
    sidecar = Sidecar(key=key, calibration_sha256=None, golden_difference=0, device_memory=0, layers=[])
    plan = np.random.default_rng(0).integers(0, 256, 4096, np.uint8).tobytes()
    files = {
        plan_file(key): NewFile(plan, "model.onnx"),
        sidecar_file(key): NewFile(msgspec.json.encode(sidecar), "model.onnx"),
    }
    return amend_bundle(bundle, files), ("model.onnx", plan_file(key), sidecar_file(key))


@pytest.mark.parametrize("which", [0, 1, 2], ids=["graph", "plan", "sidecar"])
@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_damage_at_sampled_offsets_is_refused_before_any_parser(built, which, damage):
    bundle, names = built
    file = bundle.path / names[which]
    whole = file.read_bytes()
    rng = np.random.default_rng(which)
    try:
        for offset in (0, len(whole) - 1, *rng.integers(0, len(whole), SAMPLES).tolist()):
            changed = bytearray(whole)
            changed[offset] ^= 1 << int(rng.integers(8))
            file.write_bytes(whole[:offset] if damage == "truncated" else bytes(changed))
            with pytest.raises(RefusedError, match="altered"):
                open_bundle(bundle.path)
            with pytest.raises(RefusedError, match="altered"):
                bundle.read(names[which])
    finally:
        file.write_bytes(whole)


def load(change):
    model = residual_network()
    change(model)
    return OnnxEngine(model.SerializeToString(), residual_spec(), "fp32", threads=1)


def rename_input(model):
    model.graph.input[0].name = "image"
    for node in model.graph.node:
        node.input[:] = ["image" if name == "frame" else name for name in node.input]


def rename_output(model):
    model.graph.output[0].name = "score"
    for node in model.graph.node:
        node.output[:] = ["score" if name == "risk" else name for name in node.output]


def reshape_input(model):
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 64
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")


def retype_input(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT8


def raise_opset(model):
    model.opset_import[0].version = 99


def keep_weights_elsewhere(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename_input, "reads 'image', expected 'frame'"),
        (rename_output, "no tensor 'risk'"),
        (reshape_input, r"'frame' of the fp32 graph is tensor\(uint8\) \(1, 1, 64, 32\)"),
        (retype_input, r"'frame' of the fp32 graph is tensor\(int8\)"),
        (raise_opset, "cannot load the fp32 graph"),
        (keep_weights_elsewhere, "cannot load the fp32 graph"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_graph_that_is_not_the_contracts_is_refused_at_loading(change, message):
    with pytest.raises(DataError, match=message):
        load(change)


def test_graph_of_another_contract_is_refused():
    def change(model):
        other = msgspec.structs.replace(residual_spec(), name="another")
        onnx.helper.set_model_props(model, {METADATA_KEY: encode_spec(other).decode()})

    with pytest.raises(RefusedError, match="export the bundle again"):
        load(change)
