"""Reading and finishing ONNX graphs: who makes a tensor, who reads it, and what a file may carry."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import onnx
from numpy.typing import NDArray

from edge.errors import DataError, InternalError

WEIGHTED = ("Conv", "Gemm", "MatMul")
"""Operators whose second input is a weight and which TensorRT runs on tensor cores."""


class Graph:
    """A view of a model's nodes by tensor. Valid until the model is changed."""

    def __init__(self, model: onnx.ModelProto):
        """Index `model`, which must be sorted topologically, as the ONNX format demands."""
        self.model = model
        self.nodes = list(model.graph.node)
        self.inputs = [tensor.name for tensor in model.graph.input]
        self.outputs = [tensor.name for tensor in model.graph.output]
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.producer = {name: node for node in self.nodes for name in node.output}
        self.consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.consumers[name].append(node)

    def weight(self, node: onnx.NodeProto) -> NDArray[np.generic] | None:
        """The constant weight of a Conv, Gemm or MatMul as it is stored; None for any other node."""
        if node.op_type not in WEIGHTED:
            return None
        name = node.input[1]
        if name in self.producer and self.producer[name].op_type == "DequantizeLinear":
            name = self.producer[name].input[0]
        tensor = self.initializers.get(name)
        return None if tensor is None else np.asarray(onnx.numpy_helper.to_array(tensor))

    def activation(self, name: str) -> str:
        """The tensor after the activation function that alone follows `name`, or `name` itself.

        An engine computes layer, addition and activation in one kernel: a type may change only after it.
        """
        readers = self.consumers[name]
        if len(readers) == 1 and readers[0].op_type in ("Relu", "Clip") and name not in self.outputs:
            return str(readers[0].output[0])
        return name


def parse(data: bytes) -> onnx.ModelProto:
    """A model from verified bytes; external data is refused, for nothing vouches for it.

    Raises:
        DataError: not an ONNX model, or one that keeps its weights elsewhere.
    """
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise DataError(f"the bundle's graph is not an ONNX file: {error}") from error
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise DataError(f"weight '{tensor.name}' lies outside the ONNX file; export it in one file")
    return model


def finish(model: onnx.ModelProto, source: onnx.ModelProto) -> bytes:
    """Serialise a model derived from `source`, with its metadata and nothing else that is not arithmetic.

    Exporters leave stack traces with paths of the workstation in the nodes' metadata, and quantisers drop
    the contract's. So both are settled last.

    Args:
        model: stripped in place.
        source: not changed; another object than `model`.

    Raises:
        InternalError: the result is no valid ONNX.
    """
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for group in (model.graph.value_info, model.graph.input, model.graph.output, model.graph.initializer):
        for item in group:
            item.ClearField("metadata_props")
            item.ClearField("doc_string")
    model.graph.ClearField("value_info")
    model.graph.ClearField("metadata_props")
    model.graph.ClearField("doc_string")
    model.ClearField("doc_string")
    model.ClearField("metadata_props")
    model.metadata_props.extend(source.metadata_props)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InternalError(f"the changed graph is not valid ONNX: {error}") from error
    return bytes(model.SerializeToString(deterministic=True))
