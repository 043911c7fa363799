"""Ultrasound fields of known screens, kept in a file: a scanner that was seen before is known at once.

A screen is told by its layout: what is drawn around the field, coarsely, so that names and times may change.
A profile holds for one geometry; a picture of another size never gets its field.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.atomic import replace_file
from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.errors import DataError
from edge.exam.tissue import VERSION

logger = logging.getLogger(__name__)

CELLS = (24, 16)
"""Columns and rows of a fingerprint."""

MOST = 64
"""Profiles kept; the oldest goes first."""

_DRAWN = 24  # grey levels between the darkest and the brightest of a cell in which something is drawn
_QUIET = 10  # percent of the cells in which there is but noise
_ALIKE = 0.12  # share of a fingerprint's set cells outside the field that may differ


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One screen.

    Attributes:
        width, height: the picture's size.
        field: in it.
        cells: in which something is drawn.
        drawn: the operator has drawn the field, so no finder knows better.
        finder: version of the finder that has found it otherwise. What another one has found is looked for
            again: it may have been wrong, and then masking keeps the patient's name.
    """

    width: int
    height: int
    field: tuple[int, int, int, int]
    cells: str
    drawn: bool = False
    finder: int = 0

    @property
    def roi(self) -> Roi:
        """The field."""
        return Roi(*self.field)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Cells (rows, columns) in which something is drawn."""

    cells: NDArray[np.bool_]


def fingerprint_of(frame: Frame) -> Fingerprint:
    """Of one picture, before anything is drawn into it."""
    columns, rows = CELLS
    small = cv2.resize(frame.luma(frame.bounds), (columns * 10, rows * 10), interpolation=cv2.INTER_AREA)
    blocks = small.reshape(rows, 10, columns, 10).astype(np.int16)
    contrast = blocks.max((1, 3)) - blocks.min((1, 3))
    # Where nothing is drawn there is noise, and it is the same everywhere.
    return Fingerprint(contrast > _DRAWN + np.percentile(contrast, _QUIET))


class Profiles:
    """The file's profiles. Reading is at the start; writing is in a thread of its own."""

    def __init__(self, path: Path | None):
        """Read `path`; one that is not there yet or damaged has no profiles, None keeps nothing.

        It holds nothing that cannot be found again, so that it keeps nobody from starting.
        """
        self._path = path
        self._known: tuple[Profile, ...] = ()
        self._writing = threading.Lock()
        try:
            known = () if path is None else read_profiles(path)
            self._known = tuple(p for p in known if p.drawn or p.finder == VERSION)
        except DataError as error:
            logger.warning("no screen is known: %s", error)

    def find(self, frame: Frame) -> Profile | None:
        """The profile of a screen that was seen before, of this very geometry; None if there is none."""
        seen = fingerprint_of(frame).cells
        best, least = None, _ALIKE
        for profile in self._known:
            if (profile.width, profile.height) != (frame.width, frame.height):
                continue
            outside = ~_covered(profile.roi, frame)
            kept = np.array([cell == "1" for cell in profile.cells]).reshape(seen.shape)
            drawn = int((kept & outside).sum())
            differ = float(((kept ^ seen) & outside).sum()) / max(1, drawn)
            if drawn and differ <= least:
                best, least = profile, differ
        return best

    def keep(self, frame: Frame, field: Roi, *, drawn: bool = False) -> None:
        """Remember `field` for this screen; what was kept of the same screen is replaced."""
        old = self.find(frame)
        if old is not None and (old.roi, old.drawn) == (field, drawn):
            return
        cells = "".join("1" if cell else "0" for cell in fingerprint_of(frame).cells.ravel())
        box = field.x, field.y, field.width, field.height
        new = Profile(frame.width, frame.height, box, cells, drawn, VERSION)
        self._replace(old, new)

    def drop(self, frame: Frame) -> None:
        """Forget what is known of this screen."""
        self._replace(self.find(frame))

    def _replace(self, old: Profile | None, *new: Profile) -> None:
        self._known = (*(p for p in self._known if p is not old), *new)[-MOST:]
        if self._path is not None:
            threading.Thread(target=self._write, args=(self._path,), daemon=True).start()

    def _write(self, path: Path) -> None:
        try:
            with self._writing:
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(path, msgspec.json.format(msgspec.json.encode(self._known), indent=1))
        except OSError as error:
            logger.warning("the screen's profile is not kept: %s", error)


def read_profiles(path: Path) -> tuple[Profile, ...]:
    """The profiles in a file; none where there is no file yet.

    Raises:
        DataError: it cannot be read, or a profile in it makes no sense.
    """
    try:
        known = msgspec.json.decode(path.read_bytes(), type=tuple[Profile, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"'{path}' holds no screen profiles: {error}") from error
    for profile in known:
        if len(profile.cells) != CELLS[0] * CELLS[1] or not profile.roi.inside(
            Roi(0, 0, profile.width, profile.height)
        ):
            raise DataError(f"'{path}' holds no screen profiles: {profile.field} leaves its picture")
    return known


def _covered(field: Roi, frame: Frame) -> NDArray[np.bool_]:
    """Cells that the field touches: what moves in it says nothing of the layout."""
    columns, rows = CELLS
    x, y = frame.width / columns, frame.height / rows
    covered = np.zeros((rows, columns), bool)
    covered[
        int(field.y / y) : int((field.bottom - 1) / y) + 1, int(field.x / x) : int((field.right - 1) / x) + 1
    ] = True
    return covered
