"""Reading `manifest.csv`: columns by name, one image a line, every doubt named with its line."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from edge.contract.roi import Roi
from edge.errors import DataError, NoInputError
from edge.study.cases import LABELS, OTHER_LABELS, PARTS, Case
from edge.study.faults import Faults

REQUIRED = ("path", "label")
TEXT = ("patient", "pathology", "view", "scanner", "site", "part", "fold")
NUMBERS = ("px_per_mm", "frame")
BOXES = ("lesion", "field")
COLUMNS = (*REQUIRED, *TEXT, *NUMBERS, *(f"{box}_{side}" for box in BOXES for side in "xywh"))
"""Every column that is read; others are left out with a note."""

_NOTHING = ("", "none", "-")
_GARBAGE = ("nan", "null", "#n/a", "n/a", "inf", "-inf")


def read_manifest(path: Path, labels: tuple[str, ...], faults: Faults) -> tuple[list[Case], list[str]]:
    """Cases and notes of a manifest; image names are relative to its folder; `labels` are read.

    Lines whose image is missing, or with a value that cannot be, are left out, and `faults` has them.

    Raises:
        NoInputError: the manifest cannot be found.
        DataError: it is no table, or a column is missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NoInputError(f"cannot read '{path}': {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not UTF-8 text ({error.reason}); save it as CSV UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    names = reader.fieldnames or []
    for name in REQUIRED:
        if name not in names:
            raise DataError(
                f"'{path}' has no column '{name}' (found: {', '.join(names) or 'nothing'}); expected "
                f"comma-separated columns, of these: {', '.join(COLUMNS)}"
            )
    repeated = [name for name, number in Counter(names).items() if number > 1]
    if repeated:
        raise DataError(f"'{path}' has the column '{repeated[0]}' more than once")
    notes = [f"column '{name}' of {path.name} ignored" for name in names if name not in COLUMNS]
    cases: list[Case] = []
    left_out: Counter[str] = Counter()
    lines: dict[tuple[Path, int], int] = {}
    try:
        for row in reader:
            with faults.gather():
                line = _Line(path, reader.line_num, row)
                label = line.label()
                if label not in labels:
                    left_out[label] += 1
                    continue
                case = line.case(label)
                first = lines.setdefault((case.path, case.frame), line.number)
                if first != line.number:
                    raise line.error(f"image '{row['path']}' stands on line {first} already")
                cases.append(case)
    except csv.Error as error:
        raise DataError(f"'{path}' line {reader.line_num}: {error}") from error
    notes += [f"{number} image(s) labelled '{label}' ignored" for label, number in left_out.items()]
    with faults.gather():
        _check_patients(path, cases, lines)
    return cases, notes


def _check_patients(path: Path, cases: list[Case], lines: Mapping[tuple[Path, int], int]) -> None:
    nameless = [case for case in cases if case.patient is None]
    if nameless and len(nameless) < len(cases):
        line = lines[nameless[0].path, nameless[0].frame]
        raise DataError(
            f"'{path}' line {line}: patient is empty, but other lines name theirs; name all patients or none"
        )


class _Line:
    """One line of a manifest with its number for messages."""

    def __init__(self, manifest: Path, number: int, row: Mapping[str, str | None]):
        self.manifest = manifest
        self.number = number
        self._row = row
        if None in row or any(value is None for value in row.values()):
            raise self.error("it has more or fewer values than the header has columns")

    def error(self, message: str) -> DataError:
        return DataError(f"'{self.manifest}' line {self.number}: {message}")

    def text(self, name: str) -> str | None:
        value = (self._row.get(name) or "").strip()
        if value.lower() in _GARBAGE:
            raise self.error(f"{name} is '{value}'; leave it empty where it is not known")
        if not value.isprintable():
            raise self.error(f"{name} is {value!r}, which has signs that cannot be printed")
        return None if value.lower() in _NOTHING else value

    def number_of(self, name: str) -> float | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            raise self.error(f"{name} is '{value}', expected a number") from None
        if not math.isfinite(number):
            raise self.error(f"{name} is '{value}', expected a finite number")
        return number

    def label(self) -> str:
        value = (self.text("label") or "").lower()
        if value not in (*LABELS, *OTHER_LABELS):
            raise self.error(f"label is '{value}', expected {' or '.join(LABELS)}")
        return value

    def box(self, name: str) -> Roi | None:
        sides = [self.number_of(f"{name}_{side}") for side in "xywh"]
        if all(side is None for side in sides):
            return None
        x, y, width, height = (round(side) if side is not None else -1 for side in sides)
        try:
            return Roi(x, y, width, height)
        except DataError as error:
            raise self.error(f"{name}: {error}") from error

    def case(self, label: str) -> Case:
        name = self.text("path")
        if name is None:
            raise self.error("path is empty")
        image = self.manifest.parent / name
        try:
            there = image.is_file()
        except OSError:  # a name that is too long
            there = False
        if not there:
            raise NoInputError(f"'{self.manifest}' line {self.number}: there is no image '{image}'")
        px_per_mm = self.number_of("px_per_mm")
        if px_per_mm is not None and px_per_mm <= 0:
            raise self.error(f"px_per_mm is {px_per_mm}, expected more than 0")
        frame = self.number_of("frame") or 0.0
        if frame < 0 or frame != int(frame):
            raise self.error(f"frame is {frame}, expected 0 or a whole number above")
        part = self.text("part")
        if part is not None and part not in PARTS:
            raise self.error(f"part is '{part}', expected one of: {', '.join(PARTS)}")
        return Case(
            path=image,
            frame=int(frame),
            label=label,
            patient=self.text("patient"),
            pathology=self.text("pathology"),
            view=self.text("view"),
            lesion=self.box("lesion"),
            field=self.box("field"),
            scanner=self.text("scanner"),
            site=self.text("site"),
            px_per_mm=px_per_mm,
            part=part,
            fold=self.text("fold"),
        )
