"""Compare a precision with FP32 on images that the models have never met, and hold it to the kit's aims.

Give one bundle, or one for each fold of a cross-validation: each is judged on its own held-out images, and
the figures are those of all images together. A study that shares no image with a bundle's own is judged
whole. It exits with 70 where an aim is missed. `make agreement STUDY=...` does all of it, fold by fold.

Examples:
  sonocart agree runs/bundle --frames studies/new-patients --precision int8
  sonocart agree runs/fold*/bundle --frames studies/busi --precision int8 --json
  sonocart agree runs/fold*/bundle --frames studies/busi --precision fp16
"""

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
from calibration.frames import load_tensors
from calibration.report import agreement_lines
from calibration.track import Track, progress_bars
from edge.contract.bundle import Bundle, open_bundle
from edge.engines.golden import Outputs
from edge.engines.onnx import onnx_engine, reference_engine
from edge.errors import InternalError, UsageError
from edge.study.cases import Study
from edge.study.parts import held_out
from edge.study.read import read_study


@dataclass(frozen=True, slots=True)
class Aim:
    """What a precision may cost: AUC lost, share of flipped decisions, and the output SQNR it keeps, dB."""

    auc: float
    flips: float
    sqnr_db: float


AIMS = {
    "int8": Aim(0.005, 0.01, 35.0),
    "int8+fp16": Aim(0.005, 0.01, 35.0),
    "fp16": Aim(0.001, 0.001, 60.0),
}


class Pooled(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All bundles together.

    Attributes:
        images: of all bundles.
        flips: decisions at each bundle's own operating point that are other ones.
        auc_lost: mean over bundles, weighted by their images; risks of two models are not ranked together.
        sqnr_risk_db: over all images.
        sqnr_heatmap_db: over all images.
        missed: aims that are not reached, in words.
    """

    images: int
    flips: int
    auc_lost: float
    sqnr_risk_db: float
    sqnr_heatmap_db: float
    missed: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE", help="with the precision")
    parser.add_argument(
        "--frames", type=Path, required=True, metavar="STUDY", help="images and their pathology"
    )
    parser.add_argument("--precision", choices=tuple(AIMS), default="int8", help="default: %(default)s")
    parser.add_argument(
        "--kernels",
        action="store_true",
        help="judge what this machine's fused kernels give instead of the graph as written",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


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
    """Outputs of FP32 and of a precision on one bundle's images, and their agreement."""

    reference: Outputs
    lowered: Outputs
    agreement: Agreement


def _outputs(bundle: Bundle, study: Study, precision: str, *, kernels: bool, track: Track) -> Compared:
    threads = len(os.sched_getaffinity(0))
    engine = (onnx_engine if kernels else reference_engine)(bundle, precision, threads=threads)
    cases = held_out(bundle, study)
    tensors = load_tensors(
        cases, bundle.spec.preprocessing, track(f"images for {bundle.path.name}", len(cases))
    )
    step = track(f"{bundle.path.name}", 2 * len(cases))
    reference = run_frames(reference_engine(bundle, "fp32", threads=threads), tensors, step)
    lowered = run_frames(engine, tensors, step)
    malignant: NDArray[np.bool_] = np.array([case.malignant for case in cases])
    name = f"fused, {engine.name}" if kernels else "graph as written"
    agreement = compare(reference, lowered, malignant, bundle.spec.point().threshold, name)
    return Compared(reference, lowered, agreement)


def pool(found: list[Compared], aim: Aim) -> Pooled:
    """The figures of all bundles together, held to `aim`."""
    own = [one.agreement for one in found]
    images, flips = sum(a.images for a in own), sum(a.flips for a in own)
    lost = sum((a.auc_fp32 - a.auc) * a.images for a in own) / images
    risk, heatmap = (
        sqnr(
            np.concatenate([getattr(one.reference, name).ravel() for one in found]),
            np.concatenate([getattr(one.lowered, name).ravel() for one in found]),
        )
        for name in ("risk", "heatmap")
    )
    missed = []
    if lost > aim.auc:
        missed.append(f"AUC lost {lost:.4f}, at most {aim.auc} is aimed at")
    if flips > aim.flips * images:
        missed.append(f"{flips} of {images} decisions flipped, at most {aim.flips:.1%} is aimed at")
    for name, value in (("risk", risk), ("heat map", heatmap)):
        if value < aim.sqnr_db:
            missed.append(f"SQNR of the {name} {value:.1f} dB, at least {aim.sqnr_db:g} is aimed at")
    return Pooled(
        images=images,
        flips=flips,
        auc_lost=lost,
        sqnr_risk_db=risk,
        sqnr_heatmap_db=heatmap,
        missed=tuple(missed),
    )


def _text(precision: str, own: Iterable[tuple[Path, Agreement]], pooled: Pooled) -> str:
    lines = []
    for path, agreement in own:
        lines += [f"{path}, {precision}", *agreement_lines(agreement)]
    lines += [
        f"together: {pooled.images} images, {pooled.flips} flipped, AUC lost {pooled.auc_lost:+.4f}, SQNR of "
        f"risk {pooled.sqnr_risk_db:.1f} dB, of heat map {pooled.sqnr_heatmap_db:.1f} dB",
        *(f"missed: {what}" for what in pooled.missed),
    ]
    return "\n".join(lines if pooled.missed else [*lines, "all aims are reached"])
