"""From FP32 to the INT8 graphs: the ranges, the method that loses least, and the layers that lose most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray

from calibration.audit import require_clean
from calibration.frames import CalibrationSet
from calibration.graph import Graph, finish
from calibration.half import halve_rest, store_half
from calibration.layers import Layers, choose_layers, layer_inputs, layer_outputs, multiplications
from calibration.quantize import for_cpu, for_engine
from calibration.ranges import Histogram, amax, clipped, collect
from calibration.request import Keep
from calibration.sensitivity import Trial, rank_layers
from calibration.track import Track
from edge.contract.spec import ModelSpec
from edge.errors import DataError, InternalError, UsageError

TRIAL_FRAMES = 64
"""Calibration frames that the methods are compared on; they differ by decibels, not by tenths."""

RANKING_FRAMES = 16
"""Calibration frames that single layers and single ranges are compared on."""

COLLAPSED_DB = 20.0
"""On calibration frames. A tenth of the output is noise: no layer kept in FP32 brings such a network back."""

AUTO_SHARE = 0.5
"""Of the multiplications that INT8 could run, so many do after `--keep auto`: else it is hardly INT8."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is left to choose when a network is quantised.

    Attributes:
        methods: of `request.METHODS`; the best of them is taken.
        keep: what stays in FP32 beyond what `choose_layers` keeps.
        min_sqnr_db: signal to quantisation noise ratio that risk and heat map are to have on calibration
            frames. Below it the most sensitive layers are offered, or kept where `keep` is "auto".
        rank_layers: measure each layer alone in any case.
        half: what is not INT8 in the trunk is FP16 instead of FP32.
    """

    methods: tuple[str, ...]
    keep: Keep
    min_sqnr_db: float
    rank_layers: bool
    half: bool


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What keeping some of the most sensitive layers would give and cost.

    Attributes:
        layers: that would stay in FP32.
        sqnr_db: of the output on calibration frames, the lower one of both arrangements.
        bytes: of the ONNX file.
    """

    layers: tuple[str, ...]
    sqnr_db: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Int8:
    """The INT8 graphs of a network and how they came about.

    Attributes:
        engine: ONNX file for TensorRT; the one that is judged.
        cpu: ONNX file for ONNX Runtime's CPU kernels.
        layers: which run in INT8.
        method: that gave the ranges.
        trials_db: by method, the lower SQNR of risk and heat map on calibration frames.
        sqnr_db: the same of the final graphs, the lower one of both arrangements.
        ranking_db: the same with one layer in INT8, the most sensitive first; empty where not measured.
        offers: one layer more in each, where `min_sqnr_db` is missed, up to where it is reached.
        cpu_method: that gave the ranges of `cpu`.
    """

    engine: bytes
    cpu: bytes
    layers: Layers
    method: str
    trials_db: Mapping[str, float]
    sqnr_db: float
    ranking_db: Mapping[str, float]
    offers: tuple[Offer, ...]
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
        UsageError: `choice.keep` is a number that leaves none.
        InternalError: no method gives usable ranges, or the graph breaks a rule of
            `audit`.
    """
    graph = Graph(model)
    layers = choose_layers(graph, choice.keep if isinstance(choice.keep, tuple) else ())
    if not layers.quantised:
        raise DataError(
            f"no layer of this network can run in INT8 ({len(layers.kept)} stay in FP32: head, first layer, "
            "shortcuts, or kept by request); use --precision fp16"
        )
    if isinstance(choice.keep, int) and choice.keep >= len(layers.quantised):
        raise UsageError(
            f"--keep {choice.keep} leaves nothing in INT8: {len(layers.quantised)} layers run in it. "
            f"Give {len(layers.quantised) - 1} or less, or use --precision fp16"
        )
    cost = multiplications(graph)
    least = AUTO_SHARE * sum(cost[name] for name in layers.quantised)
    tensors = tuple(dict.fromkeys([*layer_inputs(graph, layers), *layer_outputs(graph, layers)]))
    histograms = collect(model, tensors, frames, threads, track("ranges", len(frames.tensors)))
    tried = trial_frames(frames, TRIAL_FRAMES)
    step = track("methods", len(tried) * (1 + 2 * len(choice.methods)))
    trial = Trial(model, spec, tried, threads, step)
    limits = {
        method: {name: amax(histogram, method) for name, histogram in histograms.items()}
        for method in choice.methods
    }
    both = {
        method: {name: clipped(histograms[name], limit) for name, limit in ranges.items()}
        for method, ranges in limits.items()
    }
    symmetric = {m: trial.score(for_engine(model, layers, limits[m]), step) for m in choice.methods}
    unsigned = {m: trial.score(for_cpu(model, layers, both[m]), step) for m in choice.methods}
    method, best_cpu = (max(tried, key=lambda m: tried[m]) for tried in (symmetric, unsigned))
    _refuse_collapse(symmetric[method], limits[method], method, histograms, "TensorRT")
    _refuse_collapse(unsigned[best_cpu], limits[best_cpu], best_cpu, histograms, "CPU kernels")

    def engine_graph(layers: Layers) -> onnx.ModelProto:
        made = for_engine(model, layers, limits[method])
        if choice.half:
            made = halve_rest(made)
        store_half(made)
        return made

    def cpu_graph(layers: Layers) -> onnx.ModelProto:
        made = for_cpu(model, layers, both[best_cpu])
        store_half(made)
        return made

    def scored(layers: Layers) -> float:
        step = track(f"{len(layers.quantised)} layers in INT8", 2 * len(tried))
        return min(trial.score(make(layers), step) for make in (engine_graph, cpu_graph))

    sqnr_db = scored(layers)
    missed = sqnr_db < choice.min_sqnr_db
    ranking: dict[str, float] = {}
    if choice.rank_layers or missed or choice.keep == "auto" or isinstance(choice.keep, int):
        few = trial_frames(frames, RANKING_FRAMES)
        step = track("each layer alone", len(few) * (1 + len(layers.quantised)))
        ranking = rank_layers(Trial(model, spec, few, threads, step), model, layers, limits[method], step)
    wanted = choice.keep if isinstance(choice.keep, int) else 0
    offers = []
    for count in range(1, len(ranking)):
        if count > wanted and sqnr_db >= choice.min_sqnr_db:
            break
        names = (*(choice.keep if isinstance(choice.keep, tuple) else ()), *list(ranking)[:count])
        fewer = choose_layers(graph, names)
        found = scored(fewer)
        auto = choice.keep == "auto" and sum(cost[name] for name in fewer.quantised) >= least
        if auto or count <= wanted:
            layers, sqnr_db = fewer, found
            continue
        size = len(finish(engine_graph(fewer), model))
        offers.append(Offer(layers=names, sqnr_db=found, bytes=size))
        if found >= choice.min_sqnr_db:
            break

    quantised = engine_graph(layers)
    data = finish(quantised, model)
    require_clean(quantised)
    return Int8(
        engine=data,
        cpu=finish(cpu_graph(layers), model),
        layers=layers,
        method=method,
        trials_db=symmetric,
        sqnr_db=sqnr_db,
        ranking_db=ranking,
        offers=tuple(offers),
        cpu_method=best_cpu,
    )


def _refuse_collapse(
    score: float, limits: Mapping[str, float], method: str, histograms: Mapping[str, Histogram], where: str
) -> None:
    """Say at once, and why, that the best of the methods gives no network; nothing later would mend it."""
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
    tensors = frames.tensors
    places = np.linspace(0, len(tensors) - 1, min(limit, len(tensors)))
    chosen: NDArray[np.uint8] = tensors[places.round().astype(int)]
    return chosen
