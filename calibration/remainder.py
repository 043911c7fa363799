"""What a lower precision leaves as it was: its share of the file and of an inference's time.

That part gets neither smaller nor faster, so it bounds what the precision gains.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from calibration.graph import Graph
from calibration.layers import trunk_nodes

LOWERED = "layers in INT8"
KEPT = "the networks' other layers"
REST = "feature images, measures and head"

_TYPES = {TensorProto.INT8: "INT8", TensorProto.FLOAT16: "FP16", TensorProto.FLOAT: "FP32"}
_PAIRS = ("QLinear", "Quantize", "Dequantize")
_RUNS = 16  # after the first, which is slower


def weigh(model: onnx.ModelProto) -> dict[str, int]:
    """Bytes of a graph's constants by type; `graph` is all else of the file."""
    found: Counter[str] = Counter()
    for tensor in model.graph.initializer:
        if tensor.data_type in _TYPES:
            found[_TYPES[tensor.data_type]] += tensor.ByteSize()
    return {**dict(found.most_common()), "graph": model.ByteSize() - found.total()}


def share_time(fp32: onnx.ModelProto, lowered: bytes, frames: NDArray[np.uint8]) -> dict[str, float]:
    """Shares of an inference's time on this CPU, one thread, that `LOWERED`, `KEPT` and `REST` take.

    Args:
        fp32: that the INT8 graph was made from.
        lowered: the INT8 graph that the CPU runs.
        frames: uint8 (N, 1, H, W).
    """
    graph = Graph(fp32)
    trunk = trunk_nodes(graph)
    networks = {name for node in graph.nodes if node.name in trunk for name in (node.name, *node.output)}
    spent = dict.fromkeys((LOWERED, KEPT, REST), 0.0)
    for name, operator, duration in _profile(lowered, frames):
        part = LOWERED if operator.startswith(_PAIRS) else KEPT if name in networks else REST
        spent[part] += duration
    total = sum(spent.values())
    return {part: duration / total for part, duration in spent.items()}


def _profile(model: bytes, frames: NDArray[np.uint8]) -> Iterator[tuple[str, str, float]]:
    """Name, operator and duration of each node that ONNX Runtime runs."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    with TemporaryDirectory() as folder:
        options.profile_file_prefix = f"{folder}/profile"
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        source = session.get_inputs()[0].name
        for index in range(_RUNS + 1):
            session.run(None, {source: frames[index % len(frames)][None]})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [event for event in events if event["name"].endswith("_kernel_time")]
    for event in nodes[len(nodes) // (_RUNS + 1) :]:
        # Blocked layouts append to the name of the tensor that a layer gives.
        name = event["name"].removesuffix("_kernel_time").removesuffix("_nchwc")
        yield name, event["args"]["op_name"], float(event["dur"])
