"""Storing objects on a PACS (C-STORE, PS3.4 B) with a deadline on every step."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

from edge.outputs.dicom.address import Pacs

_VERIFICATION = "1.2.840.10008.1.1"
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_OFFERED = {
    UltrasoundImageStorage: _PLAIN,
    UltrasoundMultiFrameImageStorage: (JPEGBaseline8Bit, *_PLAIN),
    SecondaryCaptureImageStorage: _PLAIN,
    ComprehensiveSRStorage: _PLAIN,
}
_STILL_WAITING = range(0xA700, 0xA800)  # out of resources (PS3.4 B.2.3): the same object may go later
_STORED_WITH_A_REMARK = range(0xB000, 0xC000)
_PERMANENT = 1  # A-ASSOCIATE-RJ result, PS3.8 9.3.4


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds after which a silent PACS counts as unreachable."""

    connect: float = 5.0
    negotiate: float = 10.0
    answer: float = 30.0


class Outcome(Enum):
    """What became of an object."""

    STORED = "stored"
    REFUSED = "refused"  # the PACS said no, and would say it again
    UNREACHABLE = "unreachable"  # no answer, or "not now": worth another try


@dataclass(frozen=True, slots=True)
class Delivery:
    """The outcome and, where it was not stored, why. Never holds anything of the object's content."""

    outcome: Outcome
    why: str


class Connection:
    """One association with a PACS.

    As a context manager it never raises: where there is no association, every delivery says why.
    """

    def __init__(self, pacs: Pacs, deadlines: Deadlines | None = None) -> None:
        self._pacs = pacs
        self._deadlines = deadlines or Deadlines()
        self._association: Association | None = None
        self._failure: Delivery | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> Connection:
        entity = AE(ae_title=self._pacs.own_title)
        entity.connection_timeout = self._deadlines.connect
        entity.acse_timeout = self._deadlines.negotiate
        entity.dimse_timeout = self._deadlines.answer
        entity.network_timeout = None  # it would abort, from another thread, in the middle of a long object
        entity.add_requested_context(_VERIFICATION)
        # A PACS accepts one syntax of a context, so each stands in its own: an object goes as it was written
        # where it can, and a PACS without JPEG gets plain pixels.
        for sop_class, syntaxes in _OFFERED.items():
            for syntax in syntaxes:
                entity.add_requested_context(sop_class, syntax)
        try:
            association = entity.associate(
                self._pacs.host,
                self._pacs.port,
                ae_title=self._pacs.title,
                evt_handlers=[(evt.EVT_CONN_OPEN, self._opened)],
            )
        except OSError as error:  # the host's name does not resolve
            self._failure = Delivery(Outcome.UNREACHABLE, error.strerror or str(error))
            return self
        if association.is_established:
            self._association = association
        else:
            self._failure = _not_associated(association, self._socket is not None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._association is not None and self._association.is_established:
            self._association.release()
        if self._socket is not None:
            self._socket.close()  # pynetdicom leaves it open where the peer closed first

    @property
    def broke(self) -> bool:
        """True if there was an association and it ended before it was released."""
        return self._association is not None and not self._association.is_established

    def echo(self) -> Delivery:
        """Ask whether the PACS is there (C-ECHO)."""
        association = self._association
        if association is None or not association.is_established:
            return self._gone()
        return _judge(association.send_c_echo())

    def store(self, path: Path) -> Delivery:
        """Send one file. A file that is not one of the kit's objects is refused, by itself."""
        association = self._association
        if association is None or not association.is_established:
            return self._gone()
        try:
            dataset = pydicom.dcmread(path)
            plain = _for_syntax(dataset, association)
            if plain is None:
                return Delivery(Outcome.REFUSED, "the PACS takes no objects of this kind")
            return _judge(association.send_c_store(plain))
        except (InvalidDicomError, AttributeError, OSError, RuntimeError, ValueError) as error:
            if self.broke:
                return self._gone()
            return Delivery(Outcome.REFUSED, f"not an object that can be sent ({type(error).__name__})")

    def _gone(self) -> Delivery:
        return self._failure or Delivery(Outcome.UNREACHABLE, "the PACS closed the connection")

    def _opened(self, event: Event) -> None:
        """Give the socket a deadline: pynetdicom would wait for ever on a peer that stops reading."""
        transport = event.assoc.dul.socket
        if transport is not None and transport.socket is not None:
            self._socket = transport.socket
            self._socket.settimeout(self._deadlines.answer)


def _for_syntax(dataset: Dataset, association: Association) -> Dataset | None:
    """The dataset in a syntax that the PACS accepted; None where it accepted none."""
    accepted = {
        context.transfer_syntax[0]
        for context in association.accepted_contexts
        if context.abstract_syntax == dataset.SOPClassUID
    }
    syntax = dataset.file_meta.TransferSyntaxUID
    if not accepted:
        return None
    if syntax.is_encapsulated and syntax not in accepted:
        dataset.decompress(generate_instance_uid=False)  # the same picture, and it stays marked as lossy
    return dataset


def _judge(status: Dataset) -> Delivery:
    """What a C-STORE status means (PS3.4 table B.2-1)."""
    if "Status" not in status:
        return Delivery(Outcome.UNREACHABLE, "the PACS did not answer in time")
    code = int(status.Status)
    if code == 0 or code in _STORED_WITH_A_REMARK:
        return Delivery(Outcome.STORED, "")
    outcome = Outcome.UNREACHABLE if code in _STILL_WAITING else Outcome.REFUSED
    return Delivery(outcome, f"the PACS answered with status 0x{code:04X}")


def _not_associated(association: Association, connected: bool) -> Delivery:
    if association.is_rejected:
        reject = association.acceptor.primitive
        permanent = reject is not None and reject.result == _PERMANENT
        why = f"the PACS rejected the connection: {getattr(reject, 'reason_str', 'no reason given')}"
        return Delivery(Outcome.REFUSED if permanent else Outcome.UNREACHABLE, why)
    if connected:
        return Delivery(Outcome.UNREACHABLE, "the PACS did not answer in time or broke off")
    return Delivery(Outcome.UNREACHABLE, "no connection: wrong address, or the PACS is off")
