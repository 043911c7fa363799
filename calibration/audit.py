"""Rules that a quantised graph must keep, or TensorRT runs it slowly, wrongly or not at all.

Each rule is a function that yields what breaks it. A build with a finding is not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from calibration.graph import Graph
from edge.contract.spec import METADATA_KEY
from edge.errors import InternalError

_QDQ = ("QuantizeLinear", "DequantizeLinear")


def audit(model: onnx.ModelProto) -> list[str]:
    """Every broken rule in words, with the node or tensor; empty for a graph that may be built."""
    graph = Graph(model)
    return [f"{rule.__name__.strip('_')}: {finding}" for rule in RULES for finding in rule(graph)]


def require_clean(model: onnx.ModelProto) -> None:
    """Raise InternalError with every finding of `audit`."""
    findings = audit(model)
    if findings:
        raise InternalError(
            f"the graph breaks {len(findings)} rule(s) of TensorRT's explicit quantisation:\n  "
            + "\n  ".join(findings)
        )


def _symmetric(graph: Graph) -> Iterator[str]:
    for node in _qdq(graph):
        zero = graph.initializers.get(node.input[2]) if len(node.input) > 2 else None
        if zero is None:
            yield f"{node.name} has no constant zero point"
        elif zero.data_type != TensorProto.INT8:
            yield f"{node.name} quantises to {TensorProto.DataType.Name(zero.data_type)}, expected INT8"
        elif numpy_helper.to_array(zero).any():
            yield f"{node.name} has a zero point other than 0"


def _constant_scales(graph: Graph) -> Iterator[str]:
    for node in _qdq(graph):
        scale = graph.initializers.get(node.input[1])
        if scale is None:
            yield f"the scale of {node.name} is computed, not an initializer"
            continue
        values = numpy_helper.to_array(scale)
        if not (np.isfinite(values).all() and (values > 0).all()):
            yield f"{node.name} has a scale that is not positive"


def _one_sided_additions(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        if node.op_type == "Add" and all(_dequantized(graph, name) for name in node.input):
            yield f"both inputs of {node.name} are quantised; only the shortcut may be"


def _plain_outputs(graph: Graph) -> Iterator[str]:
    for name in graph.outputs:
        node = graph.producer[name]
        if node.op_type in _QDQ:
            yield f"output '{name}' comes from {node.name}"


def _uint8_only_under_the_first_cast(graph: Graph) -> Iterator[str]:
    for tensor in graph.model.graph.input:
        if tensor.type.tensor_type.elem_type == TensorProto.UINT8:
            for node in graph.consumers[tensor.name]:
                if node.op_type != "Cast":
                    yield f"{node.name} ({node.op_type}) reads the UINT8 input '{tensor.name}' without a Cast"
    for tensor in graph.initializers.values():
        if tensor.data_type == TensorProto.UINT8:
            yield f"initializer '{tensor.name}' is UINT8"
    for node in graph.nodes:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.UINT8:
                yield f"{node.name} casts to UINT8"


def _quantised_weights(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            activation, weight = (_dequantized(graph, name) for name in node.input[:2])
            if weight and not activation:
                yield f"{node.name} has an INT8 weight but an input that is not quantised"
            if activation and not weight:
                yield f"{node.name} has a quantised input but a weight that is not INT8"


def _whole_kernels(graph: Graph) -> Iterator[str]:
    """Q/DQ between a layer and its addition's main branch or activation splits one kernel into two."""
    for node in graph.nodes:
        if node.op_type in ("Relu", "Clip") and _dequantized(graph, node.input[0]):
            quantize = graph.producer[graph.producer[node.input[0]].input[0]]
            before = graph.producer.get(quantize.input[0])
            if before is not None and before.op_type in ("Conv", "Gemm", "MatMul", "Add"):
                yield f"Q/DQ stands between {before.name} and its activation {node.name}"


def _nothing_but_arithmetic(graph: Graph) -> Iterator[str]:
    model = graph.model
    for node in graph.nodes:
        if node.metadata_props or node.doc_string:
            yield f"{node.name} carries metadata, which may hold paths of the workstation"
        if node.domain not in ("", "ai.onnx"):
            yield f"{node.name} is of the domain '{node.domain}', which TensorRT does not know"
    for entry in model.metadata_props:
        if entry.key != METADATA_KEY:
            yield f"metadata '{entry.key}' is not the contract's"
    if METADATA_KEY not in {entry.key for entry in model.metadata_props}:
        yield f"the contract's metadata '{METADATA_KEY}' is missing"


def _weights_inside(graph: Graph) -> Iterator[str]:
    for tensor in graph.initializers.values():
        if tensor.data_location == TensorProto.EXTERNAL:
            yield f"initializer '{tensor.name}' lies outside the file"


RULES: tuple[Callable[[Graph], Iterator[str]], ...] = (
    _symmetric,
    _constant_scales,
    _one_sided_additions,
    _plain_outputs,
    _uint8_only_under_the_first_cast,
    _quantised_weights,
    _whole_kernels,
    _nothing_but_arithmetic,
    _weights_inside,
)


def _qdq(graph: Graph) -> list[onnx.NodeProto]:
    return [node for node in graph.nodes if node.op_type in _QDQ]


def _dequantized(graph: Graph, name: str) -> bool:
    node = graph.producer.get(name)
    return node is not None and node.op_type == "DequantizeLinear"
