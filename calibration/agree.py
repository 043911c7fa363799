"""Compare a precision with FP32 on images that the models have never met, and hold it to the kit's aims."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from calibration.agreement import Agreement, compare, run_frames, sqnr
from calibration.report import agreement_lines
from calibration.track import Track, progress_bars
from edge.contract.bundle import Bundle, model_file, open_bundle
from edge.engines.golden import Outputs
from edge.engines.onnx import onnx_engine, reference_engine
from edge.errors import InternalError, UsageError
from edge.study.cases import Study
from edge.study.parts import held_out
from edge.study.read import read_study
from edge.study.tensors import load_tensors


@dataclass(frozen=True, slots=True)
class Aim:
    """What a precision may cost.

    Attributes:
        auc: lost.
        flips: share of decisions, over all operating points.
        sqnr_db: that the output keeps.
        size: of the ONNX file, of FP32's.
    """

    auc: float
    flips: float
    sqnr_db: float
    size: float


AIMS = {
    "int8": Aim(0.005, 0.01, 35.0, 0.30),
    "int8+fp16": Aim(0.005, 0.01, 35.0, 0.30),
    "fp16": Aim(0.001, 0.001, 60.0, 1.0),
}


class Pooled(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All bundles together.

    Attributes:
        images: of all bundles.
        decisions: one for each image and operating point.
        flips: decisions that are other ones.
        withheld: images that get a risk in one precision alone.
        auc_lost: mean over bundles, weighted by their images; risks of two models are not ranked together.
        sqnr_risk_db: over all images.
        sqnr_heatmap_db: over all images.
        size: of the ONNX file, largest share of FP32's in any bundle.
        missed: aims that are not reached, in words.
    """

    images: int
    decisions: int
    flips: int
    withheld: int
    auc_lost: float
    sqnr_risk_db: float
    sqnr_heatmap_db: float
    size: float
    missed: tuple[str, ...]


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    study = read_study(args.frames)
    bundles = [open_bundle(path) for path in args.bundles]
    if len({bundle.id for bundle in bundles}) < len(bundles):
        raise UsageError("a bundle is given twice; its images would count twice")
    with progress_bars() as track:
        found = [
            _outputs(bundle, study, args.precision, kernels=args.kernels, track=track) for bundle in bundles
        ]
    own = [one.agreement for one in found]
    pooled = pool(found, AIMS[args.precision])
    if args.json:
        print(msgspec.json.format(msgspec.json.encode({"bundles": own, "pooled": pooled})).decode())
    else:
        print(_text(args.precision, zip(args.bundles, own, strict=True), pooled))
    return InternalError.exit_code if pooled.missed else 0


@dataclass(frozen=True, slots=True)
class Compared:
    """Outputs of FP32 and of a precision on one bundle's images, their agreement, and the file's share."""

    reference: Outputs
    lowered: Outputs
    agreement: Agreement
    size: float


def _outputs(bundle: Bundle, study: Study, precision: str, *, kernels: bool, track: Track) -> Compared:
    threads = len(os.sched_getaffinity(0))
    engine = (onnx_engine if kernels else reference_engine)(bundle, precision, threads=threads)
    cases = held_out(bundle, study)
    step = track(f"images for {bundle.path.name}", len(cases))
    tensors = load_tensors(cases, bundle.spec.preprocessing, lambda _: step())
    step = track(f"{bundle.path.name}", 2 * len(cases))
    reference = run_frames(reference_engine(bundle, "fp32", threads=threads), tensors, step)
    lowered = run_frames(engine, tensors, step)
    malignant: NDArray[np.bool_] = np.array([case.malignant for case in cases])
    name = f"fused, {engine.name}" if kernels else "graph as written"
    agreement = compare(reference, lowered, malignant, bundle.spec, name)
    files = bundle.manifest.files
    size = files[model_file(precision)].bytes / files[model_file("fp32")].bytes
    return Compared(reference, lowered, agreement, size)


def pool(found: list[Compared], aim: Aim) -> Pooled:
    """The figures of all bundles together, held to `aim`."""
    own = [one.agreement for one in found]
    images = sum(a.images for a in own)
    decisions = sum(a.images * len(a.flips_by_point) for a in own)
    flips = sum(sum(a.flips_by_point.values()) for a in own)
    lost = sum((a.auc_fp32 - a.auc) * a.images for a in own) / images
    risk, heatmap = (
        sqnr(
            np.concatenate([getattr(one.reference, name).ravel() for one in found]),
            np.concatenate([getattr(one.lowered, name).ravel() for one in found]),
        )
        for name in ("risk", "heatmap")
    )
    missed = []
    size = max(one.size for one in found)
    if size > aim.size:
        missed.append(f"file {size:.3f} of FP32's, at most {aim.size:g} is aimed at")
    if lost > aim.auc:
        missed.append(f"AUC lost {lost:.4f}, at most {aim.auc} is aimed at")
    if flips > aim.flips * decisions:
        missed.append(f"{flips} of {decisions} decisions flipped, at most {aim.flips:.1%} is aimed at")
    for name, value in (("risk", risk), ("heat map", heatmap)):
        if value < aim.sqnr_db:
            missed.append(f"SQNR of the {name} {value:.1f} dB, at least {aim.sqnr_db:g} is aimed at")
    return Pooled(
        images=images,
        decisions=decisions,
        flips=flips,
        withheld=sum(a.withheld for a in own),
        auc_lost=lost,
        sqnr_risk_db=risk,
        sqnr_heatmap_db=heatmap,
        size=size,
        missed=tuple(missed),
    )


def _text(precision: str, own: Iterable[tuple[Path, Agreement]], pooled: Pooled) -> str:
    lines = []
    for path, agreement in own:
        lines += [f"{path}, {precision}", *agreement_lines(agreement)]
    lines += [
        f"together: {pooled.images} images, {pooled.flips} of {pooled.decisions} decisions flipped, AUC lost "
        f"{pooled.auc_lost:+.4f}, SQNR of risk {pooled.sqnr_risk_db:.1f} dB, of heat map "
        f"{pooled.sqnr_heatmap_db:.1f} dB, {pooled.withheld} withheld in one precision alone, file "
        f"{pooled.size:.3f} of FP32's",
        *(f"missed: {what}" for what in pooled.missed),
    ]
    return "\n".join(lines if pooled.missed else [*lines, "all aims are reached"])
