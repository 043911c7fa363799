"""What the operator has chosen and noted; any thread may change it, and the loop looks once a picture.

Outputs find the choices in each `Reading` and what was noted in `Desk.events`: a recorder begins when
`choices.recording` becomes true, and a snapshot, a mark or a grade is an event with a number of its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import msgspec

from edge.contract.roi import Roi
from edge.contract.spec import ModelSpec, OperatingPoint
from edge.errors import DataError, UsageError

GRADES = ("benign", "probably benign", "uncertain", "probably malignant", "malignant")
"""The five steps of reader studies, from which an ROC curve of the reader can be drawn."""

KEPT_EVENTS = 500
_LONGEST_MARK = 80  # characters


@dataclass(frozen=True, slots=True)
class Choices:
    """One state of the desk.

    Attributes:
        roi: the field that the operator has drawn; None looks for it. A model that looks at lesions takes it
            for the lesion where none is marked.
        point: the operating point in use.
        hidden: the risk is computed and logged, but neither drawn nor sent to the page.
        second_reader: the risk of a case is shown only once the operator has graded it.
        grade: of the present case, one of `GRADES`; None until it is given.
        heatmap: the class activation is drawn into the region.
        place: top left corner of the panel in pixels of the picture; None looks for a place.
        prevalence: of malignancy in this clinic, 0 to 1; None where it is not known.
        recording: the operator wants a recording.
        lesion: the box that was drawn around the lesion; it is followed from there. A new object is a new
            mark, also of the same place.
        features: the lesion's measures are drawn under the risk.
        case: counts the cases; nothing that was seen in another one says anything of this one.
    """

    roi: Roi | None
    point: OperatingPoint
    hidden: bool = False
    second_reader: bool = False
    grade: str | None = None
    heatmap: bool = False
    place: tuple[int, int] | None = None
    prevalence: float | None = None
    recording: bool = False
    lesion: Roi | None = None
    features: bool = False
    case: int = 0

    @property
    def concealed(self) -> str | None:
        """Why the risk may not be shown to anybody, or None."""
        if self.second_reader and self.grade is None:
            return "second reader: grade the lesion first"
        return "hidden by the operator" if self.hidden else None


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth keeping.

    Attributes:
        number: counts from 1; whoever polls asks for those after the last number seen.
        utc: wall clock, ISO 8601.
        at_ns: CLOCK_MONOTONIC, as a frame's `captured_ns`.
        kind: "state", "choice", "case", "grade", "mark", "snapshot", "recording", "black box", "patient",
            "dicom" or "audit".
        text: in words, without patient text unless the operator typed it.
        case: in force when it was noted, see `Choices.case`.
    """

    number: int
    utc: str
    at_ns: int
    kind: str
    text: str
    case: int


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the recorder tells the operator.

    Attributes:
        recording: it writes at present.
        refused: why nothing can be recorded, in words; None where it can.
        text: a line about the present recording: length, file, room left.
    """

    recording: bool = False
    refused: str | None = None
    text: str = ""


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change that an operator asks for; fields that are left out stay as they are.

    `grade` null begins a new case, in which no lesion is marked yet; `mark` and `snapshot` are noted as
    events, and `black_box` writes the last minute to a file. See `Choices` for the others.
    """

    roi: tuple[int, int, int, int] | msgspec.UnsetType | None = msgspec.UNSET
    point: str | msgspec.UnsetType = msgspec.UNSET
    hidden: bool | msgspec.UnsetType = msgspec.UNSET
    second_reader: bool | msgspec.UnsetType = msgspec.UNSET
    grade: str | msgspec.UnsetType | None = msgspec.UNSET
    heatmap: bool | msgspec.UnsetType = msgspec.UNSET
    place: tuple[int, int] | msgspec.UnsetType | None = msgspec.UNSET
    prevalence: float | msgspec.UnsetType | None = msgspec.UNSET
    recording: bool | msgspec.UnsetType = msgspec.UNSET
    mark: str | msgspec.UnsetType = msgspec.UNSET
    snapshot: bool | msgspec.UnsetType = msgspec.UNSET
    lesion: tuple[int, int, int, int] | msgspec.UnsetType | None = msgspec.UNSET
    features: bool | msgspec.UnsetType = msgspec.UNSET
    black_box: bool | msgspec.UnsetType = msgspec.UNSET


class Desk:
    """Choices and events that any thread may change and any thread may read."""

    def __init__(self, spec: ModelSpec, choices: Choices, keeping: Keeping | None = None):
        """Begin with `choices`; only operating points of `spec` can be chosen later.

        `keeping` is replaced by the recorder whenever it has something to tell; without one nothing records.
        """
        self.keeping = keeping or Keeping(
            refused="no folder for recordings is set: [recording] folder, or --recordings"
        )
        self.black_box: Callable[[str], None] | None = None  # writes its file for the reason given
        self.case_begun: Callable[[int], object] | None = None  # told a case's number, see `new_case`
        self._spec = spec
        self._lock = threading.Lock()
        self._choices = choices
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._number = 0

    @property
    def choices(self) -> Choices:
        """As of now; the object itself never changes."""
        return self._choices

    @property
    def points(self) -> tuple[OperatingPoint, ...]:
        """What can be chosen."""
        return self._spec.operating_points

    @property
    def noted(self) -> int:
        """Number of the newest event."""
        return self._number

    def note(self, kind: str, text: str) -> Event:
        """Keep an event of now; the oldest of more than `KEPT_EVENTS` is forgotten."""
        with self._lock:
            return self._note(kind, text)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        """Those with a number above `after`, oldest first."""
        with self._lock:
            return tuple(event for event in self._events if event.number > after)

    def choose(self, **changes: Any) -> None:
        """Put fields of `Choices` in force that are known to be sound: a changed configuration's."""
        with self._lock:
            self._choices = replace(self._choices, **changes)
            self._note("choice", f"changed by the configuration: {', '.join(changes)}")

    def new_case(self) -> int:
        """Another patient, as an order with `grade` null begins one; the new case's number.

        `case_begun` is told of cases that orders begin, and not of this one: its caller knows whose it is.
        """
        with self._lock:
            self._change(self._changes(Order(grade=None), Roi(0, 0, 1, 1)))
            return self._choices.case

    def follow(self, message: str | bytes, bounds: Roi) -> None:
        """Carry out an order in JSON, as a whole or not at all.

        Args:
            message: see `Order`.
            bounds: of the picture that the order speaks of.

        Raises:
            UsageError: not an order, a region outside the picture, a recording that is refused, or no black
                box.
            DataError: an operating point that the model does not have, or a region that is none.
        """
        try:
            order = msgspec.json.decode(message, type=Order)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UsageError(f"not understood: {error}") from error
        with self._lock:
            changes = self._changes(order, bounds)
            if order.black_box is True and self.black_box is None:
                raise UsageError("there is no black box: start sonocart run with --black-box FOLDER")
            mark = "" if isinstance(order.mark, msgspec.UnsetType) else _plain(order.mark)
            self._change(changes)
            if mark:
                self._note("mark", mark)
            if order.snapshot is True:
                self._note("snapshot", "snapshot asked for by the operator")
            if order.black_box is True and self.black_box is not None:
                self._note("black box", "last minute: being written, as the operator asked…")
                self.black_box("asked for by the operator")
        if "case" in changes and self.case_begun is not None:
            self.case_begun(changes["case"])

    def _change(self, changes: dict[str, Any]) -> None:
        """Put them in force and note them, but for what is taken back that was never given."""
        before = self._choices
        self._choices = replace(before, **changes)
        for name, value in changes.items():
            if name == "case":  # a second reader's begins with the same patient
                self._note("case", "new case" if "second_reader" in changes else "new patient")
            elif value is not None or getattr(before, name) is not None:
                self._note(name if name in ("grade", "recording") else "choice", _worded(name, value))

    def _changes(self, order: Order, bounds: Roi) -> dict[str, Any]:
        """What differs from the present choices, checked."""
        wanted: dict[str, Any] = {}
        for name in Choices.__slots__:
            value = getattr(order, name, msgspec.UNSET)
            if isinstance(value, msgspec.UnsetType):
                continue
            if name == "roi":
                value = _inside(order.roi, bounds)  # type: ignore[arg-type]
            elif name == "lesion":
                value = _inside(order.lesion, bounds)  # type: ignore[arg-type]
            elif name == "point":
                value = self._spec.point(value)
            elif name == "grade" and value is not None and value not in GRADES:
                raise UsageError(f"'{value}' is no grade; expected one of: {', '.join(GRADES)}")
            elif name == "prevalence" and value is not None and not 0.0 < value < 1.0:
                raise UsageError(f"prevalence is {value * 100:g} %, expected between 0 and 100 %")
            elif name == "place" and value is not None:
                value = _within(value, bounds)
            elif name == "recording" and value and self.keeping.refused is not None:
                raise UsageError(self.keeping.refused)
            if value != getattr(self._choices, name) or name in ("grade", "roi", "lesion"):
                wanted[name] = value
        if wanted.get("grade", "") is None:
            wanted["case"] = self._choices.case + 1
            if self._choices.lesion is not None:
                wanted.setdefault("lesion", None)
        return wanted

    def _note(self, kind: str, text: str) -> Event:
        self._number += 1
        utc = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        event = Event(self._number, utc, time.monotonic_ns(), kind, text, self._choices.case)
        self._events.append(event)
        return event


def _inside(box: tuple[int, int, int, int] | None, bounds: Roi) -> Roi | None:
    if box is None:
        return None
    roi = Roi(*box)
    if not roi.inside(bounds) or min(roi.width, roi.height) < 16:
        raise DataError(
            f"region {','.join(map(str, box))} must lie in the picture of {bounds.width}x{bounds.height} "
            "pixels and be 16 pixels or more each way"
        )
    return roi


def _within(place: tuple[int, int], bounds: Roi) -> tuple[int, int]:
    x, y = place
    if not (0 <= x < bounds.width and 0 <= y < bounds.height):
        raise DataError(f"place {x},{y} lies outside the picture of {bounds.width}x{bounds.height} pixels")
    return x, y


def _plain(text: str) -> str:
    """One printable line; what a file, a log or a terminal could take for more is left out."""
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    if not 0 < len(line) <= _LONGEST_MARK:
        raise UsageError(f"a mark has 1 to {_LONGEST_MARK} printable characters, found {len(line)}")
    return line


_WORDS: dict[tuple[str, object], str] = {
    ("roi", None): "field looked for by the cart",
    ("lesion", None): "lesion mark removed",
    ("grade", None): "grade taken back",
    ("place", None): "panel placed by the cart",
    ("prevalence", None): "prevalence taken back",
    ("hidden", True): "risk hidden",
    ("hidden", False): "risk shown",
}
_NAMES = {"roi": "field drawn", "lesion": "lesion marked", "point": "operating point", "heatmap": "heat map"}


def _worded(name: str, value: object) -> str:
    """What the log says of a field of `Choices` that has become `value`."""
    if (value is None or isinstance(value, bool)) and (name, value) in _WORDS:
        return _WORDS[name, value]
    said = _NAMES.get(name, name.replace("_", " "))
    if isinstance(value, OperatingPoint):
        return f"{said}: {value.name}"
    if isinstance(value, Roi):
        return f"{said}, {value.width}x{value.height} pixels"
    if isinstance(value, tuple):
        return f"panel moved to {value[0]},{value[1]}"
    if isinstance(value, bool):
        return f"{said}: {'on' if value else 'off'}"
    return f"{said}: {100 * value:g} %" if isinstance(value, float) else f"{said}: {value}"
