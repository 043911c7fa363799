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
from edge.exam.gates import Staying, judge, measure, quality
from edge.exam.lesion import cut_off
from edge.exam.roi import FieldFinder
from edge.sources.base import Pace, SourceEnded
from edge.sources.faults import DRAWN
from edge.sources.open import open_source
from edge.study.cases import Case
from edge.study.images import is_image_name, read_image
from export.bootstrap import patient_bootstraps
from export.judged import patients_of, with_patients
from export.progress import bar
from export.statistics import Figure, auc, wilson

SHARES = ("hit", "withheld", "gated", "either")
FALSE_ALARM = 0.05
MOST = 200  # pictures of each kind, evenly spaced
EVERY = 5  # frames of a clip
CUT = "spoilt: lesion cut off"

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture, the part of it that is analysed, and the lesion where an operator has marked it."""

    frame: Frame
    field: Roi
    lesion: Roi | None


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
        by_patient: `hit` to `either` with intervals over patients; None where these are not known.
    """

    kind: str
    area: Figure
    hit: Figure
    withheld: Figure
    gated: Figure
    either: Figure
    quality: float
    by_patient: dict[str, Figure] | None

    def json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        return {
            "kind": self.kind,
            "area": self.area.json(),
            **{name: with_patients(getattr(self, name), self.by_patient, name) for name in SHARES},
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
    patients = patients_of(cases)
    kinds: list[tuple[str, Callable[[], Iterator[Shown]], list[str] | None]] = [
        ("test pictures", lambda: _test(cases), patients),
        *((f"{kind}, marked", pictures, patients) for kind, pictures in _marked(cases)),
        *((path.name, _reader(path), None) for path in others),
        *((f"drawn: {name}", _drawer(cases, draw), patients) for name, draw in DRAWN.items()),
        *((f"spoilt: {name}", _spoiler(cases, spoil), patients) for name, spoil in SPOILT.items()),
        (CUT, lambda: map(_unmarked, _cut(cases)), patients),
    ]
    out = []
    with bar("other pictures", len(kinds)) as step:
        for number, (kind, pictures, of) in enumerate(kinds, 1):
            found = [_ask(engine, spec, shown) for shown in pictures()]
            if not found:
                raise NoInputError(
                    f"'{kind}' has no picture; expected a folder of images, an image or a clip"
                )
            step(number, kind)
            out.append(_compare(kind, found, of, known, level, spec.ood_threshold))
    return out


def _ask(engine: Engine, spec: ModelSpec, shown: Shown) -> tuple[float, bool, float]:
    """The picture's `ood`, whether a gate withholds it, and its quality."""
    size = spec.preprocessing
    box, bounds = shown.field, shown.frame.bounds
    if size.region == "lesion":  # where nobody has marked one, the middle stands for it
        box = shown.lesion or Roi(
            box.x + box.width // 4, box.y + box.height // 4, box.width // 2, box.height // 2
        )
    ood = engine.infer(prepare(shown.frame, size.crop(box, bounds), size.width, size.height)).ood
    staying = Staying()  # in a single picture everything does: three looks, as the cart takes them
    marks = [staying.count(shown.frame, shown.field, fresh=True) for _ in range(3)][-1]
    features = measure(shown.frame, shown.field, marks)
    gated = judge(features) is not None
    if shown.lesion is not None:
        gated = gated or cut_off(shown.frame, shown.lesion, shown.field)
    return ood, gated, quality(features)


def _compare(
    kind: str,
    found: Sequence[tuple[float, bool, float]],
    patients: list[str] | None,
    known: NDArray[np.float64],
    level: float,
    threshold: float,
) -> Told:
    ood, gated, qualities = (np.array(values) for values in zip(*found, strict=True))

    hits = dict(zip(SHARES, (ood > level, ood > threshold, gated, gated | (ood > threshold)), strict=True))
    return Told(
        kind,
        auc(np.arange(len(known) + len(ood)) >= len(known), np.concatenate([known, ood])),
        **{name: wilson(int(hit.sum()), len(hit)) for name, hit in hits.items()},
        quality=float(np.median(qualities)),
        by_patient=None
        if patients is None
        else patient_bootstraps(
            patients, lambda chosen: {name: float(hit[chosen].mean()) for name, hit in hits.items()}
        ),
    )


def _test(cases: Sequence[Case]) -> Iterator[Shown]:
    for case in cases:
        frame = still(read_image(case.path, case.frame))
        yield Shown(frame, case.field or frame.bounds, None)


def _marked(cases: Sequence[Case]) -> list[tuple[str, Callable[[], Iterator[Shown]]]]:
    """The test pictures, and those of which a side is missing, as where the operator marks every lesion."""
    if any(case.lesion is None for case in cases):
        return []

    def whole() -> Iterator[Shown]:
        for shown, case in zip(_test(cases), cases, strict=True):
            yield replace(shown, lesion=case.lesion)

    return [("test pictures", whole), (CUT, lambda: _cut(cases))]


def _unmarked(shown: Shown) -> Shown:
    return replace(shown, lesion=None)


def _cut(cases: Sequence[Case]) -> Iterator[Shown]:
    """The field up to the middle of the lesion, or up to its own where no box is known; the larger part."""
    for shown, case in zip(_test(cases), cases, strict=True):
        field = shown.frame.luma(shown.field)
        box = case.lesion or shown.field
        middle, half = box.x + box.width // 2 - shown.field.x, box.width // 2
        if 2 * middle < shown.field.width:
            part, left, right = field[:, middle:], 0, half
        else:
            part, left, right = field[:, :middle], max(0, middle - half), middle
        frame = still(np.ascontiguousarray(part))
        top, bottom = max(0, box.y - shown.field.y), min(box.bottom - shown.field.y, frame.height)
        yield Shown(frame, frame.bounds, Roi(left, top, min(right, frame.width) - left, bottom - top))


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
    return Shown(frame, frame.bounds, None)


def _clip(path: Path) -> Iterator[Shown]:
    """Every fifth frame once the field is found, as the cart finds it."""
    source, finder = open_source(str(path), pace=Pace.MAX, repeat=False), FieldFinder()
    try:
        for number in range(MOST * EVERY):
            frame = source.read()
            field = finder.look(frame)
            if field is not None and number % EVERY == 0:
                yield Shown(frame, field, None)
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


SPOILT: dict[str, Callable[[Image], Image]] = {
    "gain too low": lambda image: _gained(image, 0.35),
    "gain too high": lambda image: _gained(image, 2.2),
    "blurred": _blurred,
    "half without contact": _half,
}
