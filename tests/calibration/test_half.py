"""Half precision in the trunk alone, with INT8 pairs of the same type inside it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from calibration.audit import audit
from calibration.graph import Graph, finish, parse
from calibration.half import halve, halve_rest
from calibration.layers import trunk_nodes
from edge.engines.onnx import OnnxEngine
from tests.networks import SIZE, residual_network, residual_spec, speckle


def types(model):
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    return {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.output)}


def half_bytes(model):
    """All of the trunk of an INT8 graph in FP16."""
    return finish(halve_rest(model), residual_network())


def test_branches_are_half_and_shortcuts_and_sums_are_not():
    found = types(halve(residual_network()))
    inside = {name for name, kind in found.items() if kind == TensorProto.FLOAT16}
    assert {"a1", "a1.relu", "a2", "b1", "b1.relu", "b2"} <= inside
    for name in ("gradients", "stem", "stem.relu", "pool", "a.add", "a.relu", "down", "b.add", "b.relu", "z"):
        assert found[name] == TensorProto.FLOAT


def test_rest_of_an_int8_trunk_is_half_and_feature_images_and_head_are_not(made):
    found = types(parse(half_bytes(parse(made.engine))))
    inside = {name for name, kind in found.items() if kind == TensorProto.FLOAT16}
    assert {"stem", "pool", "a1", "a.add", "b2", "down", "b.relu"} <= inside
    for name in ("unit", "gradients", "features", "embedding", "logit", "cam", "risk", "heatmap", "z", "ood"):
        assert found[name] == TensorProto.FLOAT


def test_no_cast_stands_between_a_pair_and_its_layer(made):
    model = parse(half_bytes(parse(made.engine)))
    assert audit(model) == []
    graph = Graph(model)
    casts = [node for node in graph.nodes if node.op_type == "Cast" and node.name != "float_Cast"]
    for node in casts:
        kinds = {reader.op_type for reader in graph.consumers[node.output[0]]}
        assert not kinds & {"QuantizeLinear", "DequantizeLinear"}
        assert graph.producer[node.input[0]].op_type not in ("QuantizeLinear", "DequantizeLinear")
    found = types(model)
    assert found["pool_dequantized"] == found["b2.weight_dequantized"] == TensorProto.FLOAT16


def test_half_scales_are_exactly_those_of_int8(made):
    plain, half = Graph(parse(made.engine)), Graph(parse(half_bytes(parse(made.engine))))
    scales = [name for name in plain.initializers if name.endswith("_scale")]
    assert len(scales) == 8
    for name in scales:
        values = onnx.numpy_helper.to_array(plain.initializers[name])
        assert np.all(values.astype(np.float16).astype(np.float32) == values)
        if f"{name}_half" in half.initializers:
            assert np.all(onnx.numpy_helper.to_array(half.initializers[f"{name}_half"]) == values)


def test_kept_layer_stays_in_fp32():
    model = halve(residual_network(), ["b1_Conv"])
    assert types(model)["b1"] == TensorProto.FLOAT
    assert types(model)["b2"] == TensorProto.FLOAT16
    assert "b1_Conv" in trunk_nodes(Graph(residual_network()))


@pytest.mark.parametrize("quantised", [False, True])
def test_risk_stays_close_to_the_graph_it_came_from(made, quantised):
    spec = residual_spec()
    before = parse(made.engine) if quantised else residual_network()
    made_half = half_bytes(before) if quantised else finish(halve(before), residual_network())
    source = OnnxEngine(before.SerializeToString(), spec, "x", threads=1, optimise=False)
    half = OnnxEngine(made_half, spec, "x", threads=1, optimise=False)
    rng = np.random.default_rng(3)
    for _ in range(5):
        tensor = speckle(rng, SIZE)[None, None]
        assert abs(source.infer(tensor).risk - half.infer(tensor).risk) < 0.003


def test_the_graph_it_came_from_is_left_as_it_was():
    model = residual_network()
    before = model.SerializeToString(deterministic=True)
    halve(model)
    assert model.SerializeToString(deterministic=True) == before
