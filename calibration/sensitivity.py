"""Which layers lose most by INT8: each alone is quantised, all others stay in FP32."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from calibration.agreement import run_frames, score
from calibration.graph import finish
from calibration.layers import Layers
from calibration.quantize import for_engine
from edge.contract.spec import ModelSpec
from edge.engines.onnx import OnnxEngine


def rank_layers(
    model: onnx.ModelProto,
    spec: ModelSpec,
    layers: Layers,
    ranges: Mapping[str, float],
    frames: NDArray[np.uint8],
    threads: int,
    step: Callable[[], None],
) -> dict[str, float]:
    """Output SQNR in dB with one layer in INT8, the most sensitive first.

    Args:
        model: FP32.
        spec: the contract that the graph carries.
        layers: those in `quantised` are tried.
        ranges: largest magnitude by tensor.
        frames: uint8 (N, 1, height, width); 1 + len(layers.quantised) passes are made over them.
        threads: for ONNX Runtime.
        step: called after each frame.
    """
    plain = OnnxEngine(model.SerializeToString(), spec, "fp32", threads=threads)
    reference = run_frames(plain, frames, step)
    found: dict[str, float] = {}
    for name in layers.quantised:
        alone = Layers((name,), tuple(layer for layer in layers.quantised if layer != name) + layers.kept)
        data = finish(for_engine(model, alone, ranges), model)
        engine = OnnxEngine(data, spec, "int8", threads=threads, optimise=False)
        found[name] = score(reference, run_frames(engine, frames, step))
    return dict(sorted(found.items(), key=lambda item: item[1]))
