"""Writes INT8 into a graph: QuantizeLinear and DequantizeLinear pairs with constant scales.

One set of ranges gives two arrangements of the same arithmetic, because the two families of kernels want
different things:

* `for_engine`: symmetric, signed, zero point 0, in front of each layer. TensorRT's explicit quantisation, and
  the model's meaning: this file is the one that is judged, compiled and signed.
* `for_cpu`: unsigned with a zero point, quantised before and after each layer. ONNX
  Runtime's AVX-VNNI kernels; it never leaves the CPU.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from calibration.graph import Graph
from calibration.layers import Layers, layer_inputs, layer_outputs, output_axis
from calibration.ranges import LEVELS

QDQ_OPSET = 13  # per-channel DequantizeLinear


@dataclass(frozen=True, slots=True)
class Quantum:
    """How one tensor is quantised: real value = scale * (stored - zero_point)."""

    scale: float
    zero_point: int
    unsigned: bool


def for_engine(model: onnx.ModelProto, layers: Layers, amax: Mapping[str, float]) -> onnx.ModelProto:
    """`model` with explicit symmetric INT8 for TensorRT.

    Args:
        model: FP32; left as it was.
        layers: to be quantised.
        amax: largest magnitude by tensor, for at least their `layer_inputs`.
    """
    quanta = {
        name: Quantum(_scale(amax[name], LEVELS), 0, unsigned=False)
        for name in layer_inputs(Graph(model), layers)
    }
    return _write(model, layers, quanta, ())


def for_cpu(
    model: onnx.ModelProto, layers: Layers, ranges: Mapping[str, tuple[float, float]]
) -> onnx.ModelProto:
    """`model` with UINT8 activations and INT8 weights for CPU kernels.

    Args:
        model: FP32; left as it was.
        layers: to be quantised.
        ranges: lowest (0 or less) and highest value by tensor, for at least their `layer_inputs` and
            `layer_outputs`.
    """
    graph = Graph(model)
    outputs = layer_outputs(graph, layers)
    quanta = {}
    for name in (*layer_inputs(graph, layers), *outputs):
        low, high = ranges[name]
        scale = (high - low) / 255 if high > low else 1.0
        quanta[name] = Quantum(scale, round(-low / scale), unsigned=True)
    return _write(model, layers, quanta, outputs)


def _scale(amax: float, levels: int) -> float:
    return float(_scales(np.array(amax), levels))


def _scales(amax: NDArray[np.floating], levels: int) -> NDArray[np.float32]:
    """Scales that FP16 holds exactly, so that a graph with half precision around INT8 has the same ones.

    Rounded up, so that the largest value is not clipped. What is always 0 is exact at any scale.
    """
    exact = np.where(amax > 0, amax / levels, 1.0)
    half = np.maximum(exact, np.finfo(np.float16).tiny).astype(np.float16)
    return np.where(half < exact, np.nextafter(half, np.float16(np.inf)), half).astype(np.float32)


def _write(
    model: onnx.ModelProto, layers: Layers, quanta: Mapping[str, Quantum], for_all: Collection[str]
) -> onnx.ModelProto:
    """`model` with a pair on each of `quanta`, read by the layers; on those `for_all`, by everyone."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    pending = set(quanta)
    names = set(layers.quantised)
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    replaced: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    added: list[TensorProto] = []

    def insert(name: str) -> None:
        pending.discard(name)
        replaced[name] = f"{name}_dequantized"
        pair, constants = _pair(name, quanta[name])
        nodes.extend(pair)
        added.extend(constants)

    for name in [tensor.name for tensor in result.graph.input if tensor.name in pending]:
        insert(name)
    for node in result.graph.node:
        for index, name in enumerate(node.input):
            if name in replaced and (node.name in names or name in for_all):
                node.input[index] = replaced[name]
        if node.name in names:
            weight = node.input[1]
            node.input[1] = f"{weight}_dequantized"
            if weight not in replaced:
                replaced[weight] = node.input[1]
                dequantize, constants = _weight(initializers[weight], output_axis(node))
                nodes.append(dequantize)
                added.extend(constants)
        nodes.append(node)
        for name in node.output:
            if name in pending:
                insert(name)
    used = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in (*result.graph.initializer, *added) if tensor.name in used]
    del result.graph.node[:]
    del result.graph.initializer[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend(constants)
    return result


def _pair(name: str, quantum: Quantum) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    scale, zero = f"{name}_scale", f"{name}_zero_point"
    constants = [
        numpy_helper.from_array(np.array(quantum.scale, np.float32), scale),
        numpy_helper.from_array(
            np.array(quantum.zero_point, np.uint8 if quantum.unsigned else np.int8), zero
        ),
    ]
    quantize = helper.make_node(
        "QuantizeLinear", [name, scale, zero], [f"{name}_quantized"], name=f"{name}_QuantizeLinear"
    )
    dequantize = helper.make_node(
        "DequantizeLinear",
        [f"{name}_quantized", scale, zero],
        [f"{name}_dequantized"],
        name=f"{name}_DequantizeLinear",
    )
    return [quantize, dequantize], constants


def _weight(tensor: TensorProto, axis: int) -> tuple[onnx.NodeProto, list[TensorProto]]:
    """A weight stored as INT8 with a scale for each output channel, and the node that restores it."""
    values = numpy_helper.to_array(tensor)
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale = _scales(np.abs(values).max(axis=others), LEVELS)
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    stored = np.clip(np.rint(values / scale.reshape(shape)), -LEVELS, LEVELS).astype(np.int8)
    name = tensor.name
    dequantize = helper.make_node(
        "DequantizeLinear",
        [f"{name}_quantized", f"{name}_scale", f"{name}_zero_point"],
        [f"{name}_dequantized"],
        name=f"{name}_DequantizeLinear",
        axis=axis,
    )
    constants = [
        numpy_helper.from_array(stored, f"{name}_quantized"),
        numpy_helper.from_array(scale, f"{name}_scale"),
        numpy_helper.from_array(np.zeros(len(scale), np.int8), f"{name}_zero_point"),
    ]
    return dequantize, constants
