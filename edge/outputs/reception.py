"""Who is examined: entered by the operator or chosen from the worklist, else what the configuration says.

The configuration is asked once, when a case begins: whatever its files say later, page and archive have one
answer for the whole case. What was entered holds for one case. Whatever begins another one ends it, so
nothing is ever written under the name of the patient before; it is told to operators only, never to the log,
the picture or the metrics.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from edge.errors import SonocartError, UnavailableError, UsageError
from edge.exam.desk import Desk
from edge.outputs.dicom.order import Order, Subject

PATIENCE_S = 10.0
"""For the files that say who is examined; a share may hang for ever."""

Answer = TypeVar("Answer")


class Details(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A patient and an order as they are typed in; see `edge.outputs.dicom.order.Order`."""

    patient_id: str
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    accession_number: str = ""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator asks for: typed details, or the `key` of an order in the worklist.

    `correct` puts right how the patient of the case with the number `case` was typed; without it another
    patient's case begins.
    """

    details: Details | None = None
    key: str | None = None
    correct: bool = False
    case: int | None = None


class Known(msgspec.Struct, frozen=True):
    """What operators are shown.

    Attributes:
        words: who is examined, in a line.
        entered: it was entered or chosen for this case; False where the configuration says it, or nobody.
        worklist: key and line of each order that can be chosen.
        problem: why the worklist, or a part of it, cannot be used.
        details: what was entered, to be corrected; None where nothing was.
        case: whose all this is.
    """

    words: str
    entered: bool
    worklist: list[tuple[str, str]]
    problem: str
    details: Details | None
    case: int


@dataclass(frozen=True, slots=True)
class _Sitting:
    """The present case: its number, who is examined, and what was entered for it."""

    case: int
    who: Future[Order | Subject]
    entered: Order | None = None


class Reception:
    """Any thread may ask, and none waits for a file; the operator's page enters."""

    def __init__(self, desk: Desk, configured: Callable[[], Order | Subject], worklist: Path | None):
        """Begin with nobody entered.

        Args:
            desk: whose cases are meant; from now on it tells of each that begins.
            configured: who is examined where nobody was entered; called in a thread of its own when a case
                begins. It may raise SonocartError.
            worklist: file with the orders to choose from.
        """
        self._desk, self._configured, self._worklist = desk, configured, worklist
        self._lock = threading.Lock()  # held over `new_case`, so that no case is without its patient
        self._now = _Sitting(desk.choices.case, _asked(configured))
        self._written = -1  # case under whose patient something was written, which bears that name for good
        desk.case_begun = self._at

    def identify(self, case: int) -> Future[Order | Subject]:
        """Who is examined in the case with the desk's number `case`, which is going to be written.

        The future has it, or a SonocartError, after `PATIENCE_S` at the latest. Of a case that is over
        nothing is known any more; whoever keeps something of it keeps the future.
        """
        with self._lock:
            self._written = max(case, self._written)
        return self._at(case).who

    def _at(self, case: int) -> _Sitting:
        """That case, with one answer however often it is asked."""
        with self._lock:
            if case != self._now.case:
                if case != self._desk.choices.case:
                    over: Future[Order | Subject] = Future()
                    over.set_exception(UnavailableError("its case is over"))
                    return _Sitting(case, over)
                self._now = _Sitting(case, _asked(self._configured))
            return self._now

    def configure(self, configured: Callable[[], Order | Subject], worklist: Path | None) -> None:
        """The configuration names another patient, who is another case; see `__init__`."""
        with self._lock:
            self._configured, self._worklist = configured, worklist
            self._now = _Sitting(self._desk.new_case(), _asked(configured))

    def enter(self, body: bytes) -> None:
        """Carry out an `Entry` in JSON; it begins a case of its own unless it corrects the present one.

        Raises:
            UsageError: not an entry, an order that is not in the worklist any more, nothing to correct, or a
                correction of a case that is over.
            DataError: a value that DICOM cannot hold, by its name; the message never shows the value.
            NoInputError: the worklist cannot be read.
        """
        try:
            entry = msgspec.json.decode(body, type=Entry)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UsageError(f"not understood: {error}") from error
        if (entry.details is None) == (entry.key is None):
            raise UsageError("not understood: expected details or key")
        if entry.details is not None:
            typed = msgspec.structs.asdict(entry.details)
            order = Order(**{name: value.strip() for name, value in typed.items()})
        else:
            found = [one for one in self._orders()[0] if _key(one) == entry.key]
            if not found:
                raise UsageError("this order is not in the worklist any more; choose again")
            order = found[0]
        with self._lock:
            self._now = (
                self._corrected(order, entry.case)
                if entry.correct
                else _entered(self._desk.new_case(), order)
            )
        self._desk.note("patient", "the patient is corrected" if entry.correct else "a patient is entered")

    def known(self) -> Known:
        """For the operator, who may see names."""
        orders: tuple[Order, ...] = ()
        try:
            orders, faults = self._orders()
        except SonocartError as error:
            faults = (str(error),)
        now = self._at(self._desk.choices.case)
        try:
            words = _words(now.who.result())
        except SonocartError as error:
            words = f"nobody: {error}"
        worklist = [(_key(order), _words(order)) for order in orders]
        details = None if now.entered is None else _details(now.entered)
        return Known(words, now.entered is not None, worklist, "; ".join(faults), details, now.case)

    def _corrected(self, order: Order, case: int | None) -> _Sitting:
        """The present case with what was typed in the place of what was entered before, if `case` is it."""
        number, before = self._now.case, self._now.entered
        if case != number:
            raise UsageError(
                "another case has begun meanwhile, so nothing was corrected: look who is examined now"
            )
        if before is None or number != self._desk.choices.case:
            raise UsageError(
                "nobody was entered for this case, so nothing can be corrected; enter the patient"
            )
        if number <= self._written:
            raise UsageError(
                "pictures were kept already under what was entered before, and cannot be changed here: "
                "correct them in the archive, and enter the patient for what follows"
            )
        return _entered(number, replace(before, **msgspec.structs.asdict(_details(order))))

    def _orders(self) -> tuple[tuple[Order, ...], tuple[str, ...]]:
        with self._lock:
            path = self._worklist
        if path is None:
            return (), ()
        from edge.outputs.dicom.worklist import read_orders

        return _asked(lambda: read_orders(path)).result()


def _entered(case: int, order: Order) -> _Sitting:
    who: Future[Order | Subject] = Future()
    who.set_result(order)
    return _Sitting(case, who, order)


def _asked(read: Callable[[], Answer]) -> Future[Answer]:
    """What `read` will answer, or the error that stands for it; a file that hangs ends in one too."""
    answer: Future[Answer] = Future()
    late = threading.Timer(
        PATIENCE_S, _settle, (answer.set_exception, UnavailableError("the worklist does not answer"))
    )
    late.daemon = True

    def ask() -> None:
        try:
            _settle(answer.set_result, read())
        except SonocartError as error:
            _settle(answer.set_exception, error)
        except Exception as error:  # noqa: BLE001 - top of a thread; its message could show a value
            _settle(answer.set_exception, UnavailableError(f"{type(error).__name__} in reading it"))
        late.cancel()

    late.start()
    threading.Thread(target=ask, name="reception", daemon=True).start()
    return answer


def _settle(settle: Callable[..., None], answer: object) -> None:
    """The first answer holds for the whole case, whatever comes later."""
    with suppress(InvalidStateError):
        settle(answer)


def _details(order: Order) -> Details:
    """What an operator types of it."""
    return Details(**{name: getattr(order, name) for name in Details.__struct_fields__})


def _key(order: Order) -> str:
    """Stands for an order without saying whose."""
    return hashlib.sha256(msgspec.json.encode(astuple(order))).hexdigest()[:16]


def _words(who: Order | Subject) -> str:
    if isinstance(who, Subject):
        return f"nobody: written without identity, as {who.code}"
    name = who.patient_name.partition("=")[0].replace("^", " ").strip()
    born = f"born {who.birth_date[:4]}-{who.birth_date[4:6]}-{who.birth_date[6:]}" if who.birth_date else ""
    order = f"order {who.accession_number}" if who.accession_number else ""
    parts = (name, f"ID {who.patient_id}", born, who.sex, order, who.procedure_description)
    return ", ".join(part for part in parts if part)
