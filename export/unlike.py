"""How well pictures that the model was not made for are told from those that it was made for.

Three kinds are tried: pictures that the user names (another organ, a phantom, another scanner), the test
pictures with the faults that the cart knows drawn into them, and the test pictures spoilt as a bad
examination spoils them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame, still
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.contract.spec import ModelSpec
from edge.engines.base import Engine
from edge.errors import NoInputError
from edge.exam.gates import judge, measure, quality, thin_bright
from edge.exam.roi import FieldFinder
from edge.sources.base import Pace, SourceEnded
from edge.sources.faults import DRAWN
from edge.sources.open import open_source
from edge.study.cases import Case
from edge.study.images import is_image_name, read_image
from export.progress import bar
from export.statistics import Figure, auc, wilson

FALSE_ALARM = 0.05
MOST = 200  # pictures of each kind, evenly spaced
EVERY = 5  # frames of a clip

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture and the part of it that is analysed."""

    frame: Frame
    field: Roi


@dataclass(frozen=True, slots=True)
class Told:
    """How pictures of one kind are told from the test pictures.

    Attributes:
        kind: in words.
        area: under the ROC curve of `ood`, test pictures against these.
        hit: share above the value that 5 % of the test pictures exceed.
        withheld: share above the model's own threshold.
        gated: share withheld by the cart's gates, which see colour and marks.
        either: share withheld by one of the two.
        quality: median of the cart's image-quality score, 0 to 1.
    """

    kind: str
    area: Figure
    hit: Figure
    withheld: Figure
    gated: Figure
    either: Figure
    quality: float

    def json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        figures = ("area", "hit", "withheld", "gated", "either")
        return {
            "kind": self.kind,
            **{name: getattr(self, name).json() for name in figures},
            "quality": round(self.quality, 3),
        }


def tell_apart(
    engine: Engine, spec: ModelSpec, cases: Sequence[Case], known: NDArray[np.float64], others: Sequence[Path]
) -> list[Told]:
    """Try all kinds.

    Args:
        engine: of the bundle.
        spec: of the bundle.
        cases: the test pictures.
        known: their `ood`, (N,).
        others: folders with images, images, or clips.

    Raises:
        NoInputError: one of `others` has no picture.
    """
    level = float(np.quantile(known, 1 - FALSE_ALARM))
    kinds: list[tuple[str, Callable[[], Iterator[Shown]]]] = [
        ("test pictures", lambda: _test(cases)),
        *((path.name, _reader(path)) for path in others),
        *((f"drawn: {name}", _drawer(cases, draw)) for name, draw in DRAWN.items()),
        *((f"spoilt: {name}", _spoiler(cases, spoil)) for name, spoil in SPOILT.items()),
    ]
    out = []
    with bar("other pictures", len(kinds)) as step:
        for number, (kind, pictures) in enumerate(kinds, 1):
            found = [_ask(engine, spec, shown) for shown in pictures()]
            if not found:
                raise NoInputError(
                    f"'{kind}' has no picture; expected a folder of images, an image or a clip"
                )
            step(number, kind)
            out.append(_compare(kind, found, known, level, spec.ood_threshold))
    return out


def _ask(engine: Engine, spec: ModelSpec, shown: Shown) -> tuple[float, bool, float]:
    """The picture's `ood`, whether a gate withholds it, and its quality."""
    size = spec.preprocessing
    box, bounds = shown.field, shown.frame.bounds
    if size.region == "lesion":  # nobody has marked one: the middle stands for it
        box = Roi(box.x + box.width // 4, box.y + box.height // 4, box.width // 2, box.height // 2)
    ood = engine.infer(prepare(shown.frame, size.crop(box, bounds), size.width, size.height)).ood
    # In a single picture everything stays where it is.
    features = measure(shown.frame, shown.field, thin_bright(shown.frame, shown.field))
    return ood, judge(features) is not None, quality(features)


def _compare(
    kind: str,
    found: Sequence[tuple[float, bool, float]],
    known: NDArray[np.float64],
    level: float,
    threshold: float,
) -> Told:
    ood, gated, qualities = (np.array(values) for values in zip(*found, strict=True))

    def share(hits: NDArray[np.bool_]) -> Figure:
        return wilson(int(hits.sum()), len(hits))

    return Told(
        kind,
        auc(np.arange(len(known) + len(ood)) >= len(known), np.concatenate([known, ood])),
        share(ood > level),
        share(ood > threshold),
        share(gated),
        share(gated | (ood > threshold)),
        float(np.median(qualities)),
    )


def _test(cases: Sequence[Case]) -> Iterator[Shown]:
    for case in cases:
        frame = still(read_image(case.path, case.frame))
        yield Shown(frame, case.field or frame.bounds)


def _drawer(cases: Sequence[Case], draw: Callable[[Frame], None]) -> Callable[[], Iterator[Shown]]:
    def pictures() -> Iterator[Shown]:
        for shown in _test(cases):
            (plane,) = shown.frame.planes
            colour = cv2.cvtColor(plane, cv2.COLOR_GRAY2RGB) if plane.ndim == 2 else plane.copy()
            frame = still(np.asarray(colour, np.uint8))
            draw(frame)
            yield replace(shown, frame=frame)

    return pictures


def _spoiler(cases: Sequence[Case], spoil: Callable[[Image], Image]) -> Callable[[], Iterator[Shown]]:
    def pictures() -> Iterator[Shown]:
        for shown in _test(cases):
            yield replace(shown, frame=still(spoil(shown.frame.luma(shown.frame.bounds))))

    return pictures


def _reader(path: Path) -> Callable[[], Iterator[Shown]]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if is_image_name(file))
        chosen = [files[i] for i in np.linspace(0, len(files) - 1, min(MOST, len(files))).astype(int)]
        return lambda: (_whole(still(read_image(file))) for file in chosen)
    if is_image_name(path):
        return lambda: iter([_whole(still(read_image(path)))])
    return lambda: _clip(path)


def _whole(frame: Frame) -> Shown:
    return Shown(frame, frame.bounds)


def _clip(path: Path) -> Iterator[Shown]:
    """Every fifth frame once the field is found, as the cart finds it."""
    source, finder = open_source(str(path), pace=Pace.MAX, repeat=False), FieldFinder()
    try:
        for number in range(MOST * EVERY):
            frame = source.read()
            field = finder.look(frame)
            if field is not None and number % EVERY == 0:
                yield Shown(frame, field)
    except SourceEnded:
        return
    finally:
        source.close()


def _gained(image: Image, factor: float) -> Image:
    return np.asarray(np.clip(image * factor, 0, 255), np.uint8)


def _blurred(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(image.shape) / 60), np.uint8)


def _half(image: Image) -> Image:
    """The probe's one half has lost contact."""
    out = image.copy()
    out[:, : image.shape[1] // 2] = 0
    return out


def _cut_off(image: Image) -> Image:
    """Zoomed so far into a corner that the middle, and what lies in it, is at the border."""
    height, width = image.shape
    return np.asarray(cv2.resize(image[height // 2 :, width // 2 :], (width, height)), np.uint8)


SPOILT: dict[str, Callable[[Image], Image]] = {
    "gain too low": lambda image: _gained(image, 0.35),
    "gain too high": lambda image: _gained(image, 2.2),
    "blurred": _blurred,
    "half without contact": _half,
    "lesion cut off": _cut_off,
}
