"""Objects that wait on disk for a PACS. A kill at any moment loses none and sends none twice under two names.

    waiting/<SOP Instance UID>.dcm  and  .json once a try has failed
    refused/<SOP Instance UID>.dcm  and  .json with the reason; nothing is ever deleted but after storing

Each object appears by one rename and leaves by one unlink after the PACS has confirmed it. A kill between
the two sends it once more under the same UID, which a PACS recognises.
"""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pydicom
from pydicom.errors import InvalidDicomError

from edge.atomic import replace_file
from edge.errors import BusyError, CannotCreateError, DataError, NoInputError
from edge.outputs.dicom.pacs import Connection, Delivery, Outcome
from edge.outputs.dicom.parsing import unvalidated

FIRST_DELAY = 10.0  # seconds after the first failure; doubled by each further one
LONGEST_DELAY = 1800.0
MOST_TRIES = 100
"""With the delays above, two days: a PACS may be away for a weekend, an address may be wrong for ever."""


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happened to an object so far. `not_before` is in seconds of the system's clock."""

    tries: int
    not_before: float
    why: str


@dataclass(frozen=True, slots=True)
class Item:
    """One object in the outbox."""

    path: Path
    state: State

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Tally:
    """What one round did, and why the last of each kind did not go."""

    stored: int
    refused: int
    waiting: int
    why: str


_NEW = State(tries=0, not_before=0.0, why="")


@dataclass(frozen=True, slots=True)
class Outbox:
    """The folder. Several may write; one sends at a time."""

    folder: Path

    def waiting(self, now: float | None = None) -> list[Item]:
        """Objects to be sent, the least tried first: one that breaks every connection holds up none.

        Args:
            now: the clock, seconds; objects whose next try is later are left out. None lists all.
        """
        return [item for item in self._items("waiting") if now is None or _due(item.state, now)]

    def refused(self) -> list[Item]:
        """Objects that the PACS will not take, or that were tried too often."""
        return self._items("refused")

    def put(self, files: Sequence[Path]) -> list[str]:
        """Take copies of `files`; putting an object again changes nothing.

        Returns:
            Their SOP Instance UIDs, in the same order.

        Raises:
            NoInputError: a file cannot be read.
            DataError: a file is not a DICOM object; none was taken.
            CannotCreateError: the outbox cannot be written (full, read-only). What was taken before stays,
                and the files themselves are untouched.
        """
        uids = [_instance(path) for path in files]
        try:
            self._folder("waiting").mkdir(parents=True, exist_ok=True)
            for path, uid in zip(files, uids, strict=True):
                replace_file(self._folder("waiting") / f"{uid}.dcm", path.read_bytes())
        except OSError as error:
            raise CannotCreateError(
                f"cannot queue in '{self.folder}': {error.strerror}. Make room or choose another --queue, "
                "then send the files again; they are untouched"
            ) from error
        return uids

    def retry(self) -> int:
        """Move everything refused back to waiting, with a clean slate; how many."""
        with self._alone():
            items = self.refused()
            for item in items:
                item.path.with_suffix(".json").unlink(missing_ok=True)
                self._move(item, "waiting")
        return len(items)

    def send(self, connection: Connection, now: float | None = None) -> Tally:
        """One round over one association.

        Args:
            connection: not opened yet; opened only if something is due, and closed at the end.
            now: the clock, seconds; objects whose next try is later are left. None tries every object.

        Raises:
            BusyError: another process is sending from this outbox.
            CannotCreateError: the outbox cannot be written.
        """
        stored = refused = 0
        why = ""
        with self._alone():
            items = self.waiting(now)
            if items:
                with connection:
                    for item in items:
                        delivery = connection.store(item.path)
                        why = delivery.why or why
                        if delivery.outcome is Outcome.STORED:
                            item.path.unlink()
                            item.path.with_suffix(".json").unlink(missing_ok=True)
                            stored += 1
                        elif self._failed(item, delivery, time.time() if now is None else now):
                            refused += 1
                        if connection.broke:
                            break  # the others were not tried, so it is not held against them
        return Tally(stored, refused, len(self.waiting()), why)

    def _failed(self, item: Item, delivery: Delivery, now: float) -> bool:
        """Note a failed try; True if it was the last."""
        tries = item.state.tries + 1
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(tries - 1, 30))
        last = delivery.outcome is Outcome.REFUSED or tries >= MOST_TRIES
        state = State(tries=tries, not_before=0.0 if last else now + delay, why=delivery.why)
        replace_file(item.path.with_suffix(".json"), msgspec.json.encode(state))
        if last:
            self._move(item, "refused")
        return last

    def _move(self, item: Item, where: str) -> None:
        """The object last: found without its state it would only be tried too early."""
        target = self._folder(where)
        target.mkdir(parents=True, exist_ok=True)
        for path in (item.path.with_suffix(".json"), item.path):
            if path.exists():
                path.rename(target / path.name)

    def _items(self, where: str) -> list[Item]:
        found: list[tuple[int, int, Item]] = []
        for path in self._folder(where).glob("*.dcm"):
            with suppress(FileNotFoundError):  # sent this very moment
                item = Item(path, _state(path.with_suffix(".json")))
                found.append((item.state.tries, path.stat().st_mtime_ns, item))
        return [item for _, _, item in sorted(found, key=lambda row: row[:2])]

    def _folder(self, where: str) -> Path:
        return self.folder / where

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the outbox; a disk that refuses becomes a named error, and every object stays where it is."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise BusyError(
                        f"another process is sending from '{self.folder}'; let it finish"
                    ) from None
                yield
        except OSError as error:
            raise CannotCreateError(f"cannot write in '{self.folder}': {error.strerror}") from error


def _due(state: State, now: float) -> bool:
    """True if it is time, or if the clock was set back since: no delay is longer than the longest."""
    return not now < state.not_before <= now + LONGEST_DELAY


def _state(path: Path) -> State:
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError):
        return _NEW  # never tried, or cut off by a kill: trying early harms nothing


def _instance(path: Path) -> str:
    """SOP Instance UID of a file; it becomes a file name, so nothing but digits and dots may be in it."""
    try:
        with unvalidated():  # it would only warn; the check is below
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
            uid = str(dataset.SOPInstanceUID)
    except OSError as error:
        raise NoInputError(f"cannot read '{path}': {error.strerror}") from error
    except (InvalidDicomError, AttributeError, ValueError, LookupError, NotImplementedError) as error:
        raise DataError(f"'{path}' is not a DICOM object; expected files of: sonocart dicom write") from error
    if not re.fullmatch(r"[0-9.]{1,64}", uid):
        raise DataError(f"'{path}' has no valid SOP Instance UID")
    return uid
