"""How well the ultrasound field is found in noise, and how much of the scanner's text a mask would keep."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame, still
from edge.contract.preprocess import expand
from edge.contract.roi import Roi
from edge.errors import NoInputError, UsageError
from edge.exam.roi import FieldFinder, overlap
from edge.phantom.chrome import LAYOUTS
from edge.phantom.cine import MOTIONS, CineOptions, make_cine
from edge.sources.base import Pace, SourceEnded
from edge.sources.open import open_source
from edge.study.images import is_image_name, read_image

Luma = NDArray[np.uint8]

SIZES = ((640, 480), (960, 720), (1280, 720), (1920, 1080))
KINDS = tuple(product(SIZES, LAYOUTS, ("linear", "sector"), MOTIONS))

_LOOKS = 30  # pictures: a second
_SLICES = 24  # of a sweep, as the live phantom has
_STANDS_OUT = 50  # grey levels of a letter above its ground
_BESIDE = 8  # pixels of a screen of 480 rows around the field that are no text: its ticks and its frame


@dataclass(frozen=True, slots=True)
class Screen:
    """Full-range pictures (height, width), played in turn, where the field is, and where there is text."""

    pictures: tuple[Luma, ...]
    field: Roi
    header: NDArray[np.bool_]
    texts: NDArray[np.bool_]


@dataclass(slots=True)
class Found:
    """What became of the screens at one strength of noise.

    Attributes:
        screens: tried.
        overlaps: intersection over union with the true field, of those where a field was found.
        header, texts: share of the letters' pixels that a mask keeps, of every screen.
    """

    screens: int = 0
    overlaps: list[float] = field(default_factory=list)
    header: list[float] = field(default_factory=list)
    texts: list[float] = field(default_factory=list)


def main(args: argparse.Namespace) -> int:
    """Find all fields at all strengths of noise."""
    try:
        levels = [float(text) for text in args.noise.split(",")]
    except ValueError:
        raise UsageError(f"found --noise {args.noise}, expected numbers: 0,4,12") from None
    if not 1 <= args.screens <= len(KINDS):
        raise UsageError(f"found --screens {args.screens}, expected 1 to {len(KINDS)}")
    kinds = [(level, smooth) for level in levels for smooth in ((False, True) if level else (False,))]
    found = {kind: Found() for kind in kinds}
    for name, screen in _given(args.clip) if args.clip else _made(args.seed, args.screens):
        print(f"looking at {name}", file=sys.stderr)
        for kind in kinds:
            judge(screen, *kind, found[kind])
    rows = [_figures(*kind, each) for kind, each in found.items()]
    if args.json:
        print(json.dumps(rows))
    else:
        print(f"{'noise':>12}{'screens':>9}{'found':>7}{'overlap':>9}{'worst':>7}", end="")
        print(f"{'header kept':>13}{'worst':>7}{'texts kept':>12}")
        for row in rows:
            print(
                f"{row['noise']:>12}{row['screens']:9}{row['found']:7}{row['overlap']:9.2f}"
                f"{row['overlap_worst']:7.2f}{100 * row['header']:12.1f}%{100 * row['header_worst']:6.0f}%"
                f"{100 * row['texts']:11.1f}%"
            )
    return 0 if not any(row["header_worst"] for row in rows) else 1


def judge(screen: Screen, level: float, smooth: bool, found: Found) -> None:
    """Look for the field as the cart does, and count what a mask by it would keep at the end."""
    rng = np.random.default_rng([int(10 * level), smooth])
    finder = FieldFinder()
    for number in range(_LOOKS):
        finder.look(_noisy(screen.pictures[number % len(screen.pictures)], number, level, smooth, rng))
        if finder.field is not None:
            break
    field = finder.field
    found.screens += 1
    if field is not None:
        found.overlaps.append(overlap(field, screen.field))
    for letters, kept in ((screen.header, found.header), (screen.texts, found.texts)):
        inside = 0 if field is None else letters[field.y : field.bottom, field.x : field.right].sum()
        kept.append(float(inside / max(1, letters.sum())))


def _noisy(luma: Luma, number: int, level: float, smooth: bool, rng: np.random.Generator) -> Frame:
    if level:
        noise: NDArray[np.float32] = rng.standard_normal(luma.shape, np.float32)
        if smooth:  # a converter's bandwidth: neighbours along a line are alike
            noise = np.asarray(cv2.GaussianBlur(noise, (7, 1), 1.2), np.float32)
            noise /= noise.std()
        luma = np.asarray(np.clip(np.rint(luma + np.float32(level) * noise), 0, 255), np.uint8)
    return still(luma, sequence=number, captured_ns=number * 33_333_333)


def _figures(level: float, smooth: bool, found: Found) -> dict[str, Any]:
    overlaps = found.overlaps or [0.0]
    return {
        "noise": f"{level:g}{' smoothed' if smooth else ''}",
        "screens": found.screens,
        "found": len(found.overlaps),
        "overlap": round(float(np.mean(overlaps)), 4),
        "overlap_worst": round(min(overlaps), 4),
        "header": round(float(np.mean(found.header)), 4),
        "header_worst": max(found.header),
        "texts": round(float(np.mean(found.texts)), 4),
    }


def _made(seed: int, count: int) -> Iterator[tuple[str, Screen]]:
    for number, kind in enumerate(np.random.default_rng(0).permutation(len(KINDS))[:count]):
        (width, height), layout, geometry, motion = KINDS[kind]
        patient, slices = seed + number, _SLICES if motion == "sweep" else _LOOKS
        label = ("benign", "malignant")[patient % 2]
        options = CineOptions(patient, label, width, height, layout, geometry, motion, slices)
        cine = make_cine(options, lambda _: None)
        pictures = tuple(cine.frame(number) for number in range(2 * slices - 2))
        name = f"seed {patient}: {width}x{height} {layout} {geometry} {motion}"
        yield name, _screen(pictures, cine.field)


def _given(clips: list[str]) -> Iterator[tuple[str, Screen]]:
    for text in clips:
        source, _, box = text.rpartition("@")
        if not source:
            raise UsageError(f"found --clip '{text}', expected SOURCE@X,Y,W,H")
        field, pictures = Roi.parse(box), tuple(_read(source))
        if not pictures:
            raise NoInputError(f"'{source}' holds no picture")
        height, width = pictures[0].shape
        if not field.inside(Roi(0, 0, width, height)):
            raise UsageError(f"the field of --clip '{text}' leaves its picture of {width}x{height} pixels")
        yield text, _screen(pictures, field)


def _read(source: str) -> Iterator[Luma]:
    if is_image_name(Path(source)):
        picture = still(read_image(Path(source)))
        yield picture.luma(picture.bounds)
        return
    opened = open_source(source, pace=Pace.MAX, repeat=False)
    try:
        for _ in range(_LOOKS):
            frame = opened.read()
            luma = frame.luma(frame.bounds)
            yield luma.copy() if frame.full_range else expand(luma)
    except SourceEnded:
        return
    finally:
        opened.close()


def _screen(pictures: tuple[Luma, ...], field: Roi) -> Screen:
    first = pictures[0]
    height = len(first)
    side = max(9, height // 24 | 1)
    letters = cv2.morphologyEx(first, cv2.MORPH_TOPHAT, np.ones((side, side), np.uint8)) > _STANDS_OUT
    margin = round(_BESIDE * height / 480)
    around = np.s_[
        max(0, field.y - margin) : field.bottom + margin, max(0, field.x - margin) : field.right + margin
    ]
    letters[field.y : field.bottom, field.x : field.right] = False
    header, texts = letters.copy(), letters.copy()
    header[max(0, field.y - margin) :] = False
    texts[: field.y] = False
    texts[around] = False
    return Screen(pictures, field, header, texts)
