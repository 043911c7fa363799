"""From FP32 to the INT8 graphs: the ranges, the method and the layers that lose least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from calibration.audit import require_clean
from calibration.frames import CalibrationSet
from calibration.graph import Graph, finish
from calibration.half import halve
from calibration.layers import Layers, choose_layers, cpu_tensors, engine_tensors, with_stem
from calibration.quantize import for_cpu, for_engine
from calibration.ranges import Histogram, amax, clipped, collect
from calibration.refine import FACTORS, refine
from calibration.sensitivity import Trial, rank_layers
from calibration.track import Track
from edge.contract.spec import ModelSpec
from edge.errors import DataError, InternalError

TRIAL_FRAMES = 64
"""Calibration frames that the methods are compared on; they differ by decibels, not by tenths."""

RANKING_FRAMES = 16
"""Calibration frames that single layers and single ranges are compared on."""


KEPT_SHARE = 0.75
"""Of the layers, at most; with more of them in FP32 there is little left that INT8 would speed up."""

COLLAPSED_DB = 20.0
"""On calibration frames. A tenth of the output is noise: no layer kept in FP32 brings such a network back."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is left to choose when a network is quantised.

    Attributes:
        methods: of `ranges.METHODS`; the best of them is taken.
        keep: names of layers that stay in higher precision in any case.
        min_sqnr_db: signal to quantisation noise ratio that risk and heat map are to have on calibration
            frames. Below it the most sensitive layers are kept too, at most three quarters of them; CPU
            kernels have their ranges refined by the output instead. 0 does neither.
        rank_layers: measure each layer alone in any case.
        half: what is not INT8 in the trunk is FP16 instead of FP32.
    """

    methods: tuple[str, ...]
    keep: tuple[str, ...]
    min_sqnr_db: float
    rank_layers: bool
    half: bool


@dataclass(frozen=True, slots=True)
class Int8:
    """The INT8 graphs of a network and how they came about.

    Attributes:
        engine: ONNX file for TensorRT; the one that is judged.
        cpu: ONNX file for ONNX Runtime's CPU kernels. Their unsigned types lose less and a layer in FP32
            costs them most, so no layer is kept for its sensitivity; its ranges are refined instead.
        layers: which run in INT8.
        method: that gave the ranges.
        trials_db: by method, the lower SQNR of risk and heat map on calibration frames.
        sqnr_db: the same of the final graph.
        ranking_db: the same with one layer in INT8, the most sensitive first; empty where not measured.
        cpu_method: that gave the ranges of `cpu`, before they were refined.
    """

    engine: bytes
    cpu: bytes
    layers: Layers
    method: str
    trials_db: Mapping[str, float]
    sqnr_db: float
    ranking_db: Mapping[str, float]
    cpu_method: str


def quantise(
    model: onnx.ModelProto,
    spec: ModelSpec,
    frames: CalibrationSet,
    choice: Choice,
    threads: int,
    track: Track,
) -> Int8:
    """Quantise `model`.

    Args:
        model: FP32 with the contract's metadata; not changed.
        spec: the contract that the graph carries.
        frames: the ranges' source.
        choice: of methods and layers.
        threads: for ONNX Runtime.
        track: for progress bars.

    Raises:
        DataError: the network has no layer that INT8 would speed up.
        InternalError: a frame was not consumed, no method gives usable ranges, or the graph breaks a rule of
            `audit`.
    """
    graph = Graph(model)
    layers = choose_layers(graph, choice.keep)
    if not layers.quantised:
        raise DataError(
            f"no layer of this network can run in INT8 ({len(layers.kept)} stay in FP32: head, fewer than 4 "
            "input channels, or kept by request); use --precision fp16"
        )
    cpu_layers = with_stem(graph, layers, choice.keep)
    tensors = tuple(dict.fromkeys([*engine_tensors(graph, layers), *cpu_tensors(graph, cpu_layers)[0]]))
    histograms = collect(model, tensors, frames, threads, track("ranges", frames.count))
    tried = trial_frames(frames, TRIAL_FRAMES)
    step = track("methods", len(tried) * (1 + 2 * len(choice.methods)))
    trial = Trial(model, spec, tried, threads, step)
    symmetric, unsigned = {}, {}
    for method in choice.methods:
        ranges = {name: amax(histogram, method) for name, histogram in histograms.items()}
        both = _both(histograms, ranges)
        symmetric[method] = (trial.score(for_engine(model, layers, ranges), step), ranges)
        unsigned[method] = (trial.score(for_cpu(model, cpu_layers, both), step), ranges)
    method, best_cpu = (max(tried, key=lambda name: tried[name][0]) for tried in (symmetric, unsigned))
    sqnr_db, ranges = symmetric[method]
    _refuse_collapse(symmetric[method], method, histograms, "TensorRT")
    _refuse_collapse(unsigned[best_cpu], best_cpu, histograms, "CPU kernels")

    few = trial_frames(frames, RANKING_FRAMES)
    cpu_db, cpu_ranges = unsigned[best_cpu]
    if cpu_db < choice.min_sqnr_db:
        names, shared = cpu_tensors(graph, cpu_layers)
        own = [name for name in names if name not in shared]
        step = track("ranges for CPU kernels", len(few) * (2 + len(FACTORS) * len(own)))
        score = Trial(model, spec, few, threads, step).score
        cpu_ranges = refine(
            cpu_ranges,
            own,
            {name: histogram.largest for name, histogram in histograms.items()},
            lambda limits: score(for_cpu(model, cpu_layers, _both(histograms, limits)), step),
        )

    ranking: dict[str, float] = {}
    if choice.rank_layers or sqnr_db < choice.min_sqnr_db:
        step = track("layers", len(few) * (1 + len(layers.quantised)))
        ranking = rank_layers(Trial(model, spec, few, threads, step), model, layers, ranges, step)
    kept = list(choice.keep)
    for name in list(ranking)[: int(len(ranking) * KEPT_SHARE)]:
        if sqnr_db >= choice.min_sqnr_db:
            break
        kept.append(name)
        layers = choose_layers(graph, kept)
        step = track(f"keeping {name}", len(tried))
        sqnr_db = trial.score(for_engine(model, layers, ranges), step)

    quantised = for_engine(model, layers, ranges)
    if choice.half:
        quantised = halve(quantised)
    data = finish(quantised, model)
    require_clean(quantised)
    return Int8(
        engine=data,
        cpu=finish(for_cpu(model, cpu_layers, _both(histograms, cpu_ranges)), model),
        layers=layers,
        method=method,
        trials_db={name: score for name, (score, _) in symmetric.items()},
        sqnr_db=sqnr_db,
        ranking_db=ranking,
        cpu_method=best_cpu,
    )


def _both(histograms: Mapping[str, Histogram], limits: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    return {name: clipped(histogram, limits[name]) for name, histogram in histograms.items()}


def _refuse_collapse(
    tried: tuple[float, Mapping[str, float]], method: str, histograms: Mapping[str, Histogram], where: str
) -> None:
    """Say at once, and why, that the best of the methods gives no network; nothing later would mend it."""
    score, limits = tried
    if score >= COLLAPSED_DB:
        return
    shares = {name: limits[name] / h.largest for name, h in histograms.items() if h.largest > 0}
    worst = min(shares, key=lambda name: shares[name])
    raise InternalError(
        f"ranges by {method} leave {score:.1f} dB of the output on calibration frames, arranged for {where}, "
        f"expected {COLLAPSED_DB:g} or more: '{worst}' is clipped at {shares[worst]:.2f} of its largest "
        "value. Take --method auto, which measures all methods, or another one"
    )


def trial_frames(frames: CalibrationSet, limit: int) -> NDArray[np.uint8]:
    """At most `limit` of the set, evenly spaced."""
    count = min(limit, frames.count)
    chosen: NDArray[np.uint8] = frames.tensors[np.linspace(0, frames.count - 1, count).round().astype(int)]
    return chosen
