"""Ranges of activations: one pass over the calibration frames, then any of four methods.

A histogram of magnitudes is kept for each tensor; a method turns it into the largest magnitude that INT8
represents (`amax`: the scale times 127). What lies above is clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from calibration.frames import CalibrationSet
from calibration.request import METHODS
from edge.errors import InternalError

BINS = 2048
LEVELS = 127  # magnitudes of symmetric INT8, zero apart
PERCENTILE = 99.99
_STEPS = 64  # candidates that the search methods try between the top bin and 1/16 of it


@dataclass(slots=True)
class Histogram:
    """Magnitudes of one tensor over all frames; mutable, owned by `collect`.

    Attributes:
        counts: of |value| in `BINS` bins of equal width from 0 to `top`.
        top: upper edge of the last bin; doubles when a larger value comes.
        lowest: value seen, or 0.
        highest: value seen, or 0.
    """

    counts: NDArray[np.int64]
    top: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0

    @property
    def largest(self) -> float:
        """Magnitude seen."""
        return max(-self.lowest, self.highest)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count `values`; bins are merged in pairs whenever the range must grow, so nothing is lost."""
        magnitude = np.abs(values, dtype=np.float32).ravel()
        largest = float(magnitude.max())
        if not np.isfinite(largest):
            raise InternalError("a calibration frame gives activations that are not finite")
        self.lowest = min(self.lowest, float(values.min()))
        self.highest = max(self.highest, float(values.max()))
        if self.top == 0.0:
            self.top = largest  # zeros counted so far stay in bin 0, which is right for any range
        while largest > self.top:
            self.counts = np.concatenate(
                [self.counts.reshape(-1, 2).sum(axis=1), np.zeros(BINS // 2, np.int64)]
            )
            self.top *= 2
        if self.top == 0.0:
            self.counts[0] += magnitude.size
            return
        index = np.minimum((magnitude * (BINS / self.top)).astype(np.int32), BINS - 1)
        self.counts += np.bincount(index, minlength=BINS)


def collect(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    frames: CalibrationSet,
    threads: int,
    step: Callable[[], None],
) -> dict[str, Histogram]:
    """Run every calibration frame through the FP32 model and count what `tensors` hold.

    Args:
        model: FP32; not changed.
        tensors: names of float tensors inside the graph.
        frames: all of them are used, each once.
        threads: for ONNX Runtime.
        step: called after each frame, for a progress bar.

    Raises:
        InternalError: an activation is not finite.
    """
    import onnxruntime as ort

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    for name in tensors:
        probe.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = ort.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    histograms = {name: Histogram(np.zeros(BINS, np.int64)) for name in tensors}
    source = session.get_inputs()[0].name
    for tensor in frames.tensors:
        for name, values in zip(tensors, session.run(list(tensors), {source: tensor[None]}), strict=True):
            histograms[name].add(values)
        step()
    return histograms


def _max(histogram: Histogram) -> float:
    return histogram.largest


def _percentile(histogram: Histogram) -> float:
    cumulative = np.cumsum(histogram.counts) / histogram.counts.sum()
    bins = int(np.searchsorted(cumulative, PERCENTILE / 100)) + 1
    return min(histogram.largest, bins * histogram.top / BINS)


def _mse(histogram: Histogram) -> float:
    """The range with the least mean squared error of rounding and clipping."""
    centres = (np.arange(BINS) + 0.5) * (histogram.top / BINS)

    def error(amax: float) -> float:
        scale = amax / LEVELS
        rounded = np.minimum(np.rint(centres / scale), LEVELS) * scale
        return float(((centres - rounded) ** 2 * histogram.counts).sum())

    return min(_candidates(histogram), key=error)


def _entropy(histogram: Histogram) -> float:
    """The range whose 128-level histogram is nearest in Kullback-Leibler divergence.

    S. Migacz, "8-bit Inference with TensorRT", GTC 2017. Zeros are left out: after a ReLU they would decide
    everything, and every range represents them exactly.
    """
    counts = histogram.counts.astype(np.float64)
    counts[0] = counts[1]

    def divergence(amax: float) -> float:
        bins = max(LEVELS + 1, round(amax / histogram.top * BINS))
        reference = counts[:bins].copy()
        reference[-1] += counts[bins:].sum()
        group = np.arange(bins) * (LEVELS + 1) // bins
        filled = counts[:bins] > 0
        total = np.bincount(group, counts[:bins], LEVELS + 1)
        number = np.bincount(group, filled, LEVELS + 1)
        quantised = np.where(filled, (total / np.maximum(number, 1))[group], 0.0)
        p = reference[filled] / reference.sum()
        q = quantised[filled] / max(quantised.sum(), 1e-30)
        return float((p * np.log(np.maximum(p, 1e-30) / np.maximum(q, 1e-30))).sum())

    return min(_candidates(histogram), key=divergence)


def _candidates(histogram: Histogram) -> list[float]:
    return [histogram.largest * 2.0 ** (-4 * step / _STEPS) for step in range(_STEPS + 1)]


def clipped(histogram: Histogram, limit: float) -> tuple[float, float]:
    """The lowest and highest value that occur within magnitude `limit`."""
    return max(histogram.lowest, -limit), min(histogram.highest, limit)


_METHODS: dict[str, Callable[[Histogram], float]] = dict(
    zip(METHODS, (_max, _entropy, _percentile, _mse), strict=True)
)


def amax(histogram: Histogram, method: str) -> float:
    """The largest magnitude to represent, by one of `METHODS`; 0 for a tensor that is always 0."""
    return _METHODS[method](histogram) if histogram.largest > 0 else 0.0
