"""A graph that breaks a rule of TensorRT's explicit quantisation is named and not built."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from calibration.audit import audit, require_clean
from calibration.graph import parse
from edge.errors import InternalError


@pytest.fixture
def model(made):
    return parse(made.engine)


def node(model, name):
    return next(n for n in model.graph.node if n.name == name)


def initializer(model, name):
    return next(t for t in model.graph.initializer if t.name == name)


def pair_on(model, name, readers):
    """Put a Q/DQ pair on tensor `name` for the nodes called `readers`."""
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.1, np.float32), f"{name}_s"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), f"{name}_z"))
    constants = [f"{name}_s", f"{name}_z"]
    model.graph.node.append(
        helper.make_node("QuantizeLinear", [name, *constants], [f"{name}_q"], name=f"{name}_Q")
    )
    model.graph.node.append(
        helper.make_node("DequantizeLinear", [f"{name}_q", *constants], [f"{name}_dq"], name=f"{name}_DQ")
    )
    for reader in readers:
        inputs = node(model, reader).input
        inputs[list(inputs).index(name)] = f"{name}_dq"


def asymmetric(model):
    initializer(model, "pool_zero_point").CopyFrom(
        numpy_helper.from_array(np.array(3, np.int8), "pool_zero_point")
    )


def unsigned(model):
    initializer(model, "pool_zero_point").CopyFrom(
        numpy_helper.from_array(np.array(0, np.uint8), "pool_zero_point")
    )


def no_zero_point(model):
    node(model, "pool_QuantizeLinear").input.pop()


def computed_scale(model):
    scale = initializer(model, "pool_scale")
    model.graph.initializer.remove(scale)
    model.graph.node.insert(0, helper.make_node("Constant", [], ["pool_scale"], value=scale))


def negative_scale(model):
    initializer(model, "pool_scale").CopyFrom(
        numpy_helper.from_array(np.array(-0.1, np.float32), "pool_scale")
    )


def two_sided(model):
    pair_on(model, "a2", ["a.add_Add"])
    pair_on(model, "pool", ["a.add_Add"])


def quantised_output(model):
    node(model, "heatmap_Sigmoid").output[0] = "before"
    pair_on(model, "before", [])
    node(model, "before_DQ").output[0] = "heatmap"


def resize_before_cast(model):
    model.graph.node.insert(0, helper.make_node("Identity", ["frame"], ["copy"], name="copy"))
    node(model, "float_Cast").input[0] = "copy"


def cast_to_uint8(model):
    model.graph.node.append(helper.make_node("Cast", ["unit"], ["bytes"], name="bytes", to=TensorProto.UINT8))


def float_weight(model):
    model.graph.initializer.append(
        numpy_helper.from_array(np.zeros((8, 8, 3, 3), np.float32), "a1.weight.float")
    )
    node(model, "a1_Conv").input[1] = "a1.weight.float"


def float_input(model):
    node(model, "a1_Conv").input[0] = "pool"


def split_activation(model):
    pair_on(model, "stem", ["stem.relu_Relu"])


def path_in_metadata(model):
    entry = model.graph.node[0].metadata_props.add()
    entry.key, entry.value = "stack_trace", "/home/me/network.py"


def foreign_metadata(model):
    entry = model.metadata_props.add()
    entry.key, entry.value = "source", "/home/me"


def contract_missing(model):
    del model.metadata_props[:]


def foreign_operator(model):
    node(model, "stem.relu_Relu").domain = "com.microsoft"


def external_weight(model):
    initializer(model, "a1.weight_quantized").data_location = TensorProto.EXTERNAL


BREAKS = {
    asymmetric: "zero point other than 0",
    unsigned: "expected INT8",
    no_zero_point: "no constant zero point",
    computed_scale: "not an initializer",
    negative_scale: "not positive",
    two_sided: "only the shortcut",
    quantised_output: "output 'heatmap'",
    resize_before_cast: "without a Cast",
    cast_to_uint8: "casts to UINT8",
    float_weight: "weight that is not INT8",
    float_input: "input that is not quantised",
    split_activation: "between stem_Conv and its activation",
    path_in_metadata: "paths of the workstation",
    foreign_metadata: "'source' is not the contract's",
    contract_missing: "is missing",
    foreign_operator: "com.microsoft",
    external_weight: "outside the file",
}


def test_the_kits_own_graph_breaks_no_rule(model):
    assert audit(model) == []


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda function: function.__name__)
def test_broken_rule_is_found_and_the_build_refused(model, break_it):
    break_it(model)
    assert any(BREAKS[break_it] in finding for finding in audit(model)), audit(model)
    with pytest.raises(InternalError, match="breaks"):
        require_clean(model)


def test_a_graph_for_cpu_kernels_would_not_pass(made):
    findings = audit(onnx.load_model_from_string(made.cpu))
    assert any("expected INT8" in finding for finding in findings)
    assert any("expected INT8" in finding for finding in findings)
