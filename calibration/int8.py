"""From FP32 to the INT8 graphs: ranges from the calibration set, and the method that loses least."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from calibration.agreement import run_frames, score
from calibration.audit import require_clean
from calibration.frames import CalibrationSet
from calibration.graph import Graph, finish
from calibration.half import halve
from calibration.layers import Layers, choose_layers, cpu_tensors, engine_tensors
from calibration.quantize import for_cpu, for_engine
from calibration.ranges import amax, collect
from calibration.track import Track
from edge.contract.spec import ModelSpec
from edge.engines.onnx import OnnxEngine
from edge.errors import DataError

TRIAL_FRAMES = 64
"""Calibration frames that the methods are compared on; they differ by decibels, not by tenths."""


@dataclass(frozen=True, slots=True)
class Int8:
    """The INT8 graphs of a network and how they came about.

    Attributes:
        engine: ONNX file for TensorRT; the one that is judged.
        cpu: ONNX file of the same ranges for ONNX Runtime's CPU kernels.
        layers: which run in INT8.
        method: that gave the ranges.
        trials_db: by method that was tried, the lower of the SQNR of risk and heat map on calibration frames.
        ranges: largest magnitude that is represented, by tensor.
    """

    engine: bytes
    cpu: bytes
    layers: Layers
    method: str
    trials_db: Mapping[str, float]
    ranges: Mapping[str, float]


def quantise(
    model: onnx.ModelProto,
    spec: ModelSpec,
    frames: CalibrationSet,
    *,
    methods: Collection[str],
    keep: Collection[str],
    half: bool,
    threads: int,
    track: Track,
) -> Int8:
    """Quantise `model` with the best of `methods`.

    Args:
        model: FP32 with the contract's metadata; not changed.
        spec: the contract that the graph carries.
        frames: the ranges' source.
        methods: of `METHODS`; with one there is nothing to compare.
        keep: names of layers that stay in higher precision.
        half: the rest of the trunk is FP16 instead of FP32.
        threads: for ONNX Runtime.
        track: for progress bars.

    Raises:
        DataError: the network has no layer that INT8 would speed up.
        InternalError: a frame was not consumed, or the graph breaks a rule of `audit`.
    """
    graph = Graph(model)
    layers = choose_layers(graph, keep)
    if not layers.quantised:
        raise DataError(
            f"no layer of this network can run in INT8 ({len(layers.kept)} stay in FP32: head, fewer than 4 "
            "input channels, or kept by request); use --precision fp16"
        )
    tensors = tuple(dict.fromkeys([*engine_tensors(graph, layers), *cpu_tensors(graph, layers)[0]]))
    histograms = collect(model, tensors, frames, threads, track("ranges", frames.count))
    trials = trial_frames(frames, TRIAL_FRAMES)
    candidates = {
        method: {name: amax(histogram, method) for name, histogram in histograms.items()}
        for method in methods
    }
    scores: dict[str, float] = {}
    if len(candidates) > 1:
        step = track("methods", len(trials) * (1 + len(candidates)))
        plain = OnnxEngine(model.SerializeToString(), spec, "fp32", threads=threads)
        reference = run_frames(plain, trials, step)
        for method, tried in candidates.items():
            trial = finish(for_engine(model, layers, tried), model)
            engine = OnnxEngine(trial, spec, "int8", threads=threads, optimise=False)
            scores[method] = score(reference, run_frames(engine, trials, step))
    best = max(scores, key=lambda name: scores[name]) if scores else next(iter(candidates))
    ranges = candidates[best]
    quantised = for_engine(model, layers, ranges)
    if half:
        quantised = halve(quantised)
    data = finish(quantised, model)
    require_clean(quantised)
    signed = {name: histogram.signed for name, histogram in histograms.items()}
    cpu = finish(for_cpu(model, layers, ranges, signed), model)
    return Int8(data, cpu, layers, best, scores, ranges)


def trial_frames(frames: CalibrationSet, limit: int) -> NDArray[np.uint8]:
    """At most `limit` of the set, evenly spaced."""
    count = min(limit, frames.count)
    chosen: NDArray[np.uint8] = frames.tensors[np.linspace(0, frames.count - 1, count).round().astype(int)]
    return chosen
