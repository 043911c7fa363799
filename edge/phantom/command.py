"""Make a synthetic salivary-gland study, or a scanner clip, or both.

Examples:
  sonocart phantom --out study --patients 300 --seed 1
  sonocart phantom --video clip.mp4 --seconds 20 --size 1920x1080 --label malignant --counter

The study's manifest.csv has patient, label, pathology, view, path, lesion box, scanner, site and scale. Its
truth.csv has what the pictures were drawn from, and study.json the AUC that no classifier can beat.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from edge.atomic import require_new_folder, require_place
from edge.errors import CannotCreateError, UsageError
from edge.phantom.latents import LABELS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--seed", type=int, default=1, help="same seed, same output (default 1)")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")
    study = parser.add_argument_group("study")
    study.add_argument("--out", type=Path, metavar="DIR", help="new folder for the study")
    study.add_argument("--patients", type=int, default=300, metavar="N", help="patients (default 300)")
    study.add_argument(
        "--views", type=int, default=2, metavar="N", help="pictures of each patient (default 2)"
    )
    study.add_argument(
        "--prevalence", type=float, default=0.33, help="share of malignant patients (default 0.33)"
    )
    study.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default 2)")
    clip = parser.add_argument_group("clip")
    clip.add_argument("--video", type=Path, metavar="FILE", help="MP4 to write; FILE.json gets the truth")
    clip.add_argument("--seconds", type=float, default=20, help="length (default 20)")
    clip.add_argument("--size", default="1920x1080", metavar="WxH", help="frame size (default 1920x1080)")
    clip.add_argument("--fps", type=int, default=30, help="frames a second (default 30)")
    clip.add_argument(
        "--label", choices=LABELS, default="malignant", help="what the lesion is (default malignant)"
    )
    clip.add_argument(
        "--geometry", choices=("linear", "sector"), default="linear", help="probe (default linear)"
    )
    clip.add_argument("--layout", choices=("aster", "boreal"), default="aster", help="screen (default aster)")
    clip.add_argument(
        "--motion", choices=("sweep", "still"), default="sweep", help="probe's path (default sweep)"
    )
    clip.add_argument("--counter", action="store_true", help="burn a machine-readable frame counter in")


def main(args: argparse.Namespace) -> int:
    """Make what was asked for and report it."""
    if args.out is None and args.video is None:
        raise UsageError("found neither --out DIR nor --video FILE. Run: sonocart phantom --help")
    _require(args.seed >= 0, f"--seed {args.seed}", "0 or more")
    made: dict[str, object] = {}
    if args.out is not None:
        made["study"] = _study(args)
    if args.video is not None:
        made["clip"] = _clip(args)
    if args.json:
        print(json.dumps(made, indent=2))
    return 0


def _study(args: argparse.Namespace) -> dict[str, object]:
    from edge.phantom.study import write_study

    _require(args.patients >= 1, f"--patients {args.patients}", "1 or more")
    _require(args.views >= 1, f"--views {args.views}", "1 or more")
    _require(args.jobs >= 1, f"--jobs {args.jobs}", "1 or more")
    _require(0 <= args.prevalence <= 1, f"--prevalence {args.prevalence}", "a share from 0 to 1")
    require_new_folder(args.out, replace=args.force, hint=" or add --force")
    with _bar("patients", args.patients) as progress:
        summary = write_study(
            args.out,
            args.patients,
            args.seed,
            views=args.views,
            prevalence=args.prevalence,
            jobs=args.jobs,
            force=args.force,
            progress=progress,
        )
    if not args.json:
        print(
            f"{args.out}: {summary.images} pictures of {summary.patients} patients, {summary.benign} benign "
            f"and {summary.malignant} malignant; ceiling AUC {summary.ceiling_auc:.3f}"
        )
    return asdict(summary)


def _clip(args: argparse.Namespace) -> dict[str, object]:
    from edge.phantom.cine import SLICES, CineOptions, make_cine
    from edge.phantom.video import write_clip

    width, height = _size(args.size)
    _require(args.video.suffix == ".mp4", f"--video {args.video}", "a name that ends in .mp4")
    _require(1 <= args.fps <= 240, f"--fps {args.fps}", "1 to 240")
    _require(1 / args.fps <= args.seconds <= 3600, f"--seconds {args.seconds}", "one frame's time to 3600")
    frames = round(args.seconds * args.fps)
    if args.video.exists() and not args.force:
        raise CannotCreateError(f"'{args.video}' exists; choose another --video or add --force")
    require_place(args.video)
    options = CineOptions(
        seed=args.seed,
        label=args.label,
        width=width,
        height=height,
        layout=args.layout,
        geometry=args.geometry,
        motion=args.motion,
        slices=min(SLICES, max(2, frames)),
    )
    with _bar("slices", options.slices) as progress:
        cine = make_cine(options, progress)
    with _bar("frames", frames) as progress:
        side = write_clip(
            args.video, cine, options, frames=frames, fps=args.fps, counter=args.counter, progress=progress
        )
    if not args.json:
        print(f"{args.video}: {frames} frames of {width}x{height}, {cine.patient.pathology}; truth in {side}")
    return {"out": str(args.video), "truth": str(side), "frames": frames, "pathology": cine.patient.pathology}


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise UsageError(f"found --size {text}, expected WIDTHxHEIGHT such as 1920x1080")
    _require(
        320 <= int(width) <= 7680 and 240 <= int(height) <= 4320 and int(width) % 2 == int(height) % 2 == 0,
        f"--size {text}",
        "even numbers from 320x240 to 7680x4320",
    )
    return int(width), int(height)


def _require(holds: bool, found: str, expected: str) -> None:
    if not holds:
        raise UsageError(f"found {found}, expected {expected}. Run: sonocart phantom --help")


@contextmanager
def _bar(unit: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("phantom"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task(unit, total=total)
        yield lambda done: progress.update(task, completed=done)
