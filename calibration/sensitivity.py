"""How much a graph loses against FP32 on some frames, and which layers lose most by INT8."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from calibration.agreement import run_frames, score
from calibration.graph import finish
from calibration.layers import REQUESTED, Layers
from calibration.quantize import for_engine
from edge.contract.spec import ModelSpec
from edge.engines.onnx import OnnxEngine


class Trial:
    """FP32's outputs for some frames; other graphs are scored against them."""

    def __init__(
        self,
        model: onnx.ModelProto,
        spec: ModelSpec,
        frames: NDArray[np.uint8],
        threads: int,
        step: Callable[[], None],
    ):
        """Run the FP32 `model`, which carries `spec`, over uint8 (N, 1, height, width); `step` after each."""
        self._model, self._spec, self._frames, self._threads = model, spec, frames, threads
        plain = OnnxEngine(model.SerializeToString(), spec, "fp32", threads=threads)
        self._reference = run_frames(plain, frames, step)

    def score(self, quantised: onnx.ModelProto, step: Callable[[], None]) -> float:
        """The lower SQNR of risk and heat map, dB, of a graph derived from the model, run as written."""
        data = finish(quantised, self._model)
        engine = OnnxEngine(data, self._spec, "int8", threads=self._threads, optimise=False)
        return score(self._reference, run_frames(engine, self._frames, step))


def rank_layers(
    trial: Trial,
    model: onnx.ModelProto,
    layers: Layers,
    ranges: Mapping[str, float],
    step: Callable[[], None],
) -> dict[str, float]:
    """Score in dB with one layer in INT8 and all others in FP32, the most sensitive first.

    Args:
        trial: of `model`, whose frames are passed over once for each layer.
        model: FP32; left as it was.
        layers: those in `quantised` are tried.
        ranges: largest magnitude by tensor.
        step: called after each frame.
    """
    found = {}
    for name in layers.quantised:
        others = tuple(layer for layer in layers.quantised if layer != name)
        alone = Layers((name,), {**layers.kept, **dict.fromkeys(others, REQUESTED)})
        found[name] = trial.score(for_engine(model, alone, ranges), step)
    return dict(sorted(found.items(), key=lambda item: item[1]))
