"""Writes FP16 into a graph: part of the network in half precision, the rest as it was.

Input scaling and feature images stay in FP32 (their differences of large sums are what half precision is
bad at), and so does the head, whose sums run over a whole map and whose rounding goes straight into the
risk. Both together are a thousandth of the work.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from calibration.graph import Graph
from calibration.layers import branch_nodes, choose_layers, trunk_nodes

HALF_QDQ_OPSET = 19  # QuantizeLinear and DequantizeLinear take FP16 from here on

TABLE = 1024
"""Elements from which on a constant is worth storing in FP16: 2 KiB saved for a node more."""


def halve(model: onnx.ModelProto, keep: Collection[str] = ()) -> onnx.ModelProto:
    """`model` in half precision where INT8 would be: first layer, shortcuts and their sums stay in FP32.

    They are a twentieth of the work, and all rounding there goes on to the output: FP16 throughout loses 10
    to 20 dB more.

    Args:
        model: FP32; left as it was.
        keep: names of layers that stay in FP32 too.

    Raises:
        UsageError: `keep` names a layer that the graph does not have.
    """
    graph = Graph(model)
    return _write(model, branch_nodes(graph, choose_layers(graph, keep)))


def halve_rest(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, INT8 in TensorRT's arrangement, with all of its trunk in FP16; its pairs restore to FP16.

    FP16's rounding on the shortcuts is far below INT8's on the branches.
    """
    result = onnx.ModelProto()
    if next(entry.version for entry in model.opset_import if entry.domain == "") < HALF_QDQ_OPSET:
        result.CopyFrom(onnx.version_converter.convert_version(model, HALF_QDQ_OPSET))
    else:
        result.CopyFrom(model)
    return _write(result, trunk_nodes(Graph(result)))


def store_half(model: onnx.ModelProto) -> None:
    """Store what is large and left in FP32 in FP16, computed with in FP32; changes `model`.

    Support vectors, a whitening matrix, first layers and shortcuts: a sixth of an INT8 file without it. Their
    rounding, 2**-12 of each weight, is far below that of INT8.
    """
    graph = Graph(model)
    for tensor in list(model.graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < TABLE:
            continue
        stored = _half(tensor, f"{tensor.name}_half")
        cast = helper.make_node(
            "Cast", [stored.name], [tensor.name], f"{tensor.name}_Cast", to=TensorProto.FLOAT
        )
        model.graph.initializer.remove(tensor)
        model.graph.initializer.append(stored)
        first = min(graph.nodes.index(node) for node in graph.consumers[tensor.name])
        model.graph.node.insert(first, cast)
        graph = Graph(model)


def _write(model: onnx.ModelProto, region: Collection[str]) -> onnx.ModelProto:
    """`model` with the nodes of `region` in FP16, and casts at its edges."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = Graph(result)
    float_tensors = _float_tensors(result)
    made_inside = {name for node in graph.nodes if node.name in region for name in node.output}
    nodes: list[onnx.NodeProto] = []
    added: dict[str, TensorProto] = {}
    cast: dict[str, str] = {}

    def as_type(name: str, kind: int, suffix: str) -> str:
        target = f"{name}_{suffix}"
        if target not in cast:
            cast[target] = name
            nodes.append(helper.make_node("Cast", [name], [target], name=f"{target}_Cast", to=kind))
        return target

    for node in graph.nodes:
        inside = node.name in region
        for index, name in enumerate(node.input):
            if name not in float_tensors:
                continue
            if inside and name in graph.initializers:
                node.input[index] = f"{name}_half"
                added[f"{name}_half"] = _half(graph.initializers[name], f"{name}_half")
            elif inside and name not in made_inside:
                node.input[index] = as_type(name, TensorProto.FLOAT16, "half")
            elif not inside and name in made_inside:
                node.input[index] = as_type(name, TensorProto.FLOAT, "float")
        nodes.append(node)
    used = {name for node in nodes for name in node.input}
    constants = [t for t in (*result.graph.initializer, *added.values()) if t.name in used]
    del result.graph.value_info[:]  # of the types before
    del result.graph.node[:]
    del result.graph.initializer[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend(constants)
    return result


def _half(tensor: TensorProto, name: str) -> TensorProto:
    values = numpy_helper.to_array(tensor)
    limit = float(np.finfo(np.float16).max)
    return numpy_helper.from_array(np.clip(values, -limit, limit).astype(np.float16), name)


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of all FP32 tensors and initializers."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    return {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT} | {
        tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT
    }
