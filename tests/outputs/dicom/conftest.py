from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event

from edge.contract.roi import Roi
from edge.outputs.dicom.address import Pacs
from edge.outputs.dicom.exam import Clip, Exam, Pixels, Still
from edge.outputs.dicom.finding import Finding, Model
from edge.outputs.dicom.order import Subject

FIELD = Roi(40, 30, 200, 150)
PANEL = Roi(250, 10, 60, 100)
WHEN = datetime(2026, 11, 20, 10, 11, 12, 345000, tzinfo=timezone(timedelta(hours=1)))


def picture(seed: int, *, colour: bool = True) -> Pixels:
    """Noise with no black pixel, so that every masked pixel shows; odd sides, so that padding is met."""
    shape = (241, 321, 3) if colour else (241, 321)
    return np.random.default_rng(seed).integers(1, 256, shape).astype(np.uint8)


@pytest.fixture
def finding() -> Finding:
    return Finding(
        risk=0.71,
        low=0.62,
        high=0.79,
        confidence=0.95,
        operating_point="balanced",
        threshold=0.5,
        frames_used=148,
        captured_at=WHEN,
        box=Roi(60, 50, 40, 30),
        model=Model(
            name="salivary", version="7", precision="int8", bundle_id="abcdef012345", passport_id="p-99"
        ),
    )


@pytest.fixture
def exam(finding: Finding) -> Exam:
    """A whole examination of somebody unnamed."""
    return Exam(
        identity=Subject("S-001"),
        captured_at=WHEN,
        field=FIELD,
        panels=(PANEL,),
        pixel_mm=0.1,
        finding=finding,
        still=Still(picture(1)),
        clip=Clip([picture(seed) for seed in (2, 3, 4)], 40.0),
        annotated_still=Still(picture(5, colour=False)),
        annotated_clip=Clip([picture(seed, colour=False) for seed in (6, 7)], 40.0),
    )


@dataclass
class Archive:
    """A real storage provider on loopback. `status` is what it answers; `answer` may block or act first."""

    status: int = 0x0000
    answer: Callable[[Event], None] = lambda event: None
    received: list[Dataset] = field(default_factory=list)
    port: int = 0
    title: str = "ARCHIVE"

    def store(self, event: Event) -> int:
        self.answer(event)
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.received.append(dataset)
        return self.status

    @property
    def pacs(self) -> Pacs:
        return Pacs(self.title, "127.0.0.1", self.port)


@pytest.fixture
def archives() -> Iterator[Callable[..., Archive]]:
    """Starts archives; `syntaxes` are the transfer syntaxes that one accepts, None for all."""
    servers = []

    def start(syntaxes: list[str] | None = None, **values: object) -> Archive:
        archive = Archive(**values)  # type: ignore[arg-type]
        entity = AE(ae_title="ARCHIVE")
        entity.require_called_aet = True
        entity.add_supported_context("1.2.840.10008.1.1")
        for context in AllStoragePresentationContexts:
            if syntaxes is None:
                entity.add_supported_context(context.abstract_syntax)
                entity.add_supported_context(context.abstract_syntax, "1.2.840.10008.1.2.4.50")
            else:
                entity.add_supported_context(context.abstract_syntax, syntaxes)
        server = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, archive.store)]
        )
        servers.append(server)
        archive.port = server.socket.getsockname()[1]
        return archive

    yield start
    for server in servers:
        server.shutdown()
    gc.collect()  # pynetdicom leaves sockets to the collector: here, not in the middle of another test


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set at the end, so that an archive that hangs lets go of the test."""
    event = threading.Event()
    yield event
    event.set()
