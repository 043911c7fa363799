"""Which layers and tensors of a graph become INT8, and which stay as they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from calibration.graph import Graph
from edge.errors import UsageError

MIN_CHANNELS = 4
"""TensorRT packs INT8 activations in groups of 4 or 32 channels: a layer that reads fewer gains nothing.
That leaves the fixed feature images and a first layer on the grey picture alone."""

_MANY_FILTERS = 8  # a bank of fixed feature images has fewer, a stem has more
_FUSED = ("Add", "Relu", "Clip", "MaxPool", "QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True, slots=True)
class Layers:
    """The split of a graph's weighted layers, by node name.

    Attributes:
        quantised: run in INT8.
        kept: stay in the graph's own type: the head, layers with too few channels, and what was asked for.
    """

    quantised: tuple[str, ...]
    kept: tuple[str, ...]


def choose_layers(graph: Graph, keep: Collection[str] = ()) -> Layers:
    """Split the weighted layers of `graph`.

    The head stays: it is cheap, and its rounding goes straight into the risk.

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
    quantised = [
        node.name
        for node in weighted
        if node.name in body and _channels(graph, node) >= MIN_CHANNELS and node.name not in keep
    ]
    return Layers(tuple(quantised), tuple(node.name for node in weighted if node.name not in set(quantised)))


def with_stem(graph: Graph, layers: Layers, keep: Collection[str]) -> Layers:
    """`layers` with the learnt first layer on few channels in INT8 too, unless `keep` names it.

    For CPU kernels, which pack no channels: in FP32 it would cost them more than all the rest.
    """
    body = body_layers(graph)
    stem = tuple(
        node.name
        for node in graph.nodes
        if node.name in body
        and node.name not in keep
        and _channels(graph, node) < MIN_CHANNELS
        and _learnt(graph, node)
    )
    return Layers(stem + layers.quantised, tuple(name for name in layers.kept if name not in stem))


def engine_tensors(graph: Graph, layers: Layers) -> tuple[str, ...]:
    """Tensors that carry Q/DQ for TensorRT: each layer's input, and one input of each residual addition.

    TensorRT fuses convolution, addition and activation into one INT8 kernel when the shortcut alone is
    quantised (NVIDIA, "Working with Quantized Types", Q/DQ placement).
    """
    chosen = dict.fromkeys(node.input[0] for node in graph.nodes if node.name in set(layers.quantised))
    depth = _depth(graph)
    for node in _residual_additions(graph, layers):
        left, right = node.input
        if left not in chosen and right not in chosen:
            chosen[min(left, right, key=lambda name: depth[name])] = None
    return tuple(chosen)


def cpu_tensors(graph: Graph, layers: Layers) -> tuple[tuple[str, ...], dict[str, str]]:
    """Tensors that carry Q/DQ for CPU kernels, which need each input and output of a layer quantised.

    Returns:
        The tensors, and those among them that share another's scale (a maximum of quantised values is one
        of them, so a pool needs no requantisation).
    """
    names = set(layers.quantised)
    additions = {node.name for node in _residual_additions(graph, layers)}
    chosen: dict[str, None] = {}
    shared: dict[str, str] = {}
    for node in graph.nodes:
        if node.name in names:
            chosen[node.input[0]] = None
            chosen[graph.activation(node.output[0])] = None
        elif node.name in additions:
            chosen.update(dict.fromkeys([*node.input, graph.activation(node.output[0])]))
        elif node.op_type == "MaxPool" and node.input[0] in chosen:
            chosen[node.output[0]] = None
            shared[node.output[0]] = node.input[0]
    return tuple(name for name in chosen if name not in graph.outputs), shared


def input_ranges(graph: Graph) -> dict[str, tuple[float, float]]:
    """The values that black and white become, of each tensor that is the picture scaled and shifted."""
    arithmetic = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}
    ends = {name: np.array([0.0, 255.0]) for name in graph.inputs}
    for node in graph.nodes:
        source = ends.get(node.input[0])
        if source is None:
            continue
        if node.op_type == "Cast":
            ends[node.output[0]] = source
        elif node.op_type in arithmetic and node.input[1] in graph.initializers:
            constant = numpy_helper.to_array(graph.initializers[node.input[1]])
            if constant.size == 1:
                ends[node.output[0]] = arithmetic[node.op_type](source, constant.item())
    return {name: (float(values.min()), float(values.max())) for name, values in ends.items()}


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


def _residual_additions(graph: Graph, layers: Layers) -> list[onnx.NodeProto]:
    """Additions of two computed tensors, one of which comes straight from a quantised layer."""
    names = set(layers.quantised)
    return [
        node
        for node in graph.nodes
        if node.op_type == "Add"
        and all(name in graph.producer for name in node.input)
        and any(graph.producer[name].name in names for name in node.input)
    ]


def _depth(graph: Graph) -> dict[str, int]:
    """Weighted layers on the longest way from the input to each tensor."""
    depth: dict[str, int] = dict.fromkeys([*graph.inputs, *graph.initializers], 0)
    for node in graph.nodes:
        deepest = max((depth[name] for name in node.input if name), default=0)
        for name in node.output:
            depth[name] = deepest + (graph.weight(node) is not None)
    return depth
