"""Which layers and tensors of a graph run in a lower precision, and which stay as they are, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod

import onnx

from calibration.graph import Graph
from edge.errors import UsageError

MIN_CHANNELS = 4
"""TensorRT packs INT8 activations in groups of 4 or 32 channels: a layer that reads fewer gains nothing."""

_MANY_FILTERS = 8  # a bank of fixed feature images has fewer, a stem has more
_FUSED = ("Add", "Relu", "Clip", "MaxPool", "QuantizeLinear", "DequantizeLinear")

HEAD = "head"
FEW = "reads fewer than 4 channels"
FIRST = "first layer"
SHORTCUT = "shortcut"
REQUESTED = "on request"


@dataclass(frozen=True, slots=True)
class Layers:
    """The split of a graph's weighted layers, by node name.

    Attributes:
        quantised: run in the lower precision.
        kept: stay in FP32, each with its reason.
    """

    quantised: tuple[str, ...]
    kept: Mapping[str, str]


def choose_layers(graph: Graph, keep: Collection[str] = ()) -> Layers:
    """Split the weighted layers of `graph`.

    What stays is what carries rounding to the output without averaging it over a residual branch, and it is
    cheap: the head, the first layer, and the shortcuts, on which the picture passes the branches. What each
    of them would lose is in docs/measurements/precisions.md.

    Args:
        graph: FP32.
        keep: names of layers that stay too.

    Raises:
        UsageError: `keep` names a layer that the graph does not have.
    """
    weighted = [node for node in graph.nodes if graph.weight(node) is not None]
    unknown = sorted(set(keep) - {node.name for node in weighted})
    if unknown:
        names = ", ".join(node.name for node in weighted)
        raise UsageError(f"the graph has no layer '{unknown[0]}'; it has: {names}")
    body = body_layers(graph)
    learnt = {node.name for node in weighted if node.name in body and _learnt(graph, node)}
    behind = _behind(graph, learnt)
    projections = _projections(graph, body)
    kept: dict[str, str] = {}
    for node in weighted:
        if node.name not in body:
            kept[node.name] = HEAD
        elif node.name not in learnt:
            kept[node.name] = FEW
        elif node.name not in behind:
            kept[node.name] = FIRST
        elif node.name in projections:
            kept[node.name] = SHORTCUT
        elif node.name in keep:
            kept[node.name] = REQUESTED
    return Layers(tuple(node.name for node in weighted if node.name not in kept), kept)


def multiplications(graph: Graph) -> dict[str, int]:
    """Of each weighted layer, in one picture: weights times the places that they are applied at."""
    inferred = onnx.shape_inference.infer_shapes(graph.model, strict_mode=True).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output)
    }
    found = {}
    for node in graph.nodes:
        weight = graph.weight(node)
        if weight is not None:
            places = shapes[node.output[0]][2:] if node.op_type == "Conv" else shapes[node.output[0]][1:-1]
            found[node.name] = weight.size * prod(places)
    return found


def layer_inputs(graph: Graph, layers: Layers) -> tuple[str, ...]:
    """Tensors that the quantised layers read. Whoever else reads one of them reads it as it was."""
    names = set(layers.quantised)
    return tuple(dict.fromkeys(node.input[0] for node in graph.nodes if node.name in names))


def layer_outputs(graph: Graph, layers: Layers) -> tuple[str, ...]:
    """Tensors that the quantised layers give, after the activation that is computed with them."""
    names = set(layers.quantised)
    found = (graph.activation(node.output[0]) for node in graph.nodes if node.name in names)
    return tuple(name for name in found if name not in graph.outputs)


def branch_nodes(graph: Graph, layers: Layers) -> set[str]:
    """Names of the quantised layers and of the activations that are computed with them."""
    names = set(layers.quantised)
    return names | {graph.producer[name].name for name in layer_outputs(graph, layers)}


def body_layers(graph: Graph) -> set[str]:
    """Weighted layers but the head: classifier and activation map have no other layer behind them."""
    weighted = {node.name for node in graph.nodes if graph.weight(node) is not None}
    return weighted & _leading_to(graph, weighted)


def trunk_nodes(graph: Graph) -> set[str]:
    """Names of the nodes between feature images and head: what runs in half precision.

    The trunk begins at the first learnt layer (fixed feature images turn one channel into a few) and ends
    with what an engine fuses into the last layer of the body. Q/DQ pairs inside are part of it.
    """
    body = body_layers(graph)
    leading = _leading_to(graph, body)
    trunk: set[str] = set()
    for node in graph.nodes:
        if node.name in body:
            inside = _learnt(graph, node)
        else:
            behind = any(graph.producer[name].name in trunk for name in node.input if name in graph.producer)
            inside = behind and (node.name in leading or node.op_type in _FUSED)
        if inside:
            trunk.add(node.name)
    # A layer and the pairs that feed it share a type, or a Cast would stand between them.
    feeding = {
        node.name
        for node in graph.nodes
        if node.op_type == "DequantizeLinear"
        and any(reader.name in trunk for reader in graph.consumers[node.output[0]])
    }
    return trunk | feeding


def _learnt(graph: Graph, node: onnx.NodeProto) -> bool:
    weight = graph.weight(node)
    assert weight is not None
    return _channels(graph, node) >= MIN_CHANNELS or weight.shape[output_axis(node)] >= _MANY_FILTERS


def _leading_to(graph: Graph, targets: Collection[str]) -> set[str]:
    """Names of the nodes with one of `targets` somewhere behind them."""
    leading: set[str] = set()
    for node in reversed(graph.nodes):
        readers = (reader.name for name in node.output for reader in graph.consumers[name])
        if any(name in targets or name in leading for name in readers):
            leading.add(node.name)
    return leading


def _channels(graph: Graph, node: onnx.NodeProto) -> int:
    weight = graph.weight(node)
    assert weight is not None
    if node.op_type == "Conv":
        group = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        return int(weight.shape[1]) * int(group)
    return int(weight.size // weight.shape[output_axis(node)])


def output_axis(node: onnx.NodeProto) -> int:
    """The axis of the output channels in a layer's weight."""
    if node.op_type == "Conv":
        return 0
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if transposed else 1


def _behind(graph: Graph, layers: Collection[str]) -> set[str]:
    """Names of the nodes with one of `layers` somewhere before them."""
    behind: set[str] = set()
    for node in graph.nodes:
        before = (graph.producer[name].name for name in node.input if name in graph.producer)
        if any(name in layers or name in behind for name in before):
            behind.add(node.name)
    return behind


def _projections(graph: Graph, body: Collection[str]) -> set[str]:
    """Layers of `body` that alone stand on the shorter way into a residual addition."""
    depth = _depth(graph)
    found: set[str] = set()
    for node in graph.nodes:
        if node.op_type == "Add" and all(name in graph.producer for name in node.input):
            shorter, longer = sorted(node.input, key=lambda name: depth[name])
            if depth[shorter] < depth[longer] and graph.producer[shorter].name in body:
                found.add(graph.producer[shorter].name)
    return found


def _depth(graph: Graph) -> dict[str, int]:
    """Weighted layers on the longest way from the input to each tensor."""
    depth: dict[str, int] = dict.fromkeys([*graph.inputs, *graph.initializers], 0)
    for node in graph.nodes:
        deepest = max((depth[name] for name in node.input if name), default=0)
        for name in node.output:
            depth[name] = deepest + (graph.weight(node) is not None)
    return depth
