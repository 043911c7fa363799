"""What must hold of settings, seen from them alone: forms of addresses, pairs that need each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge.errors import UsageError
from edge.outputs.dicom.address import Pacs
from edge.outputs.page.address import parse_address, require_guarded, require_named
from edge.settings import Settings


@dataclass(frozen=True, slots=True)
class Clash:
    """A setting, by `section.key`, that cannot be as it is, and why."""

    path: str
    text: str


def clashes(settings: Settings) -> Iterator[Clash]:
    """All that keeps `sonocart run` from starting on any machine."""
    page, kept, dicom = settings.page, settings.recording, settings.dicom
    if page.address is not None:
        try:
            host, port = parse_address(page.address)
            require_guarded(host, port, guarded=page.tokens is not None)
            require_named(host, port, page.hosts)
        except UsageError as error:
            yield Clash("page.address", str(error))
    for path, given in (("recording.before_s", kept.before_s > 0), ("recording.always", kept.always)):
        if given and kept.folder is None:
            yield Clash(
                path, "has nowhere to record into. Set [recording] folder, or give --recordings FOLDER too"
            )
    if kept.video is not None and kept.video.suffix.lower() != ".mp4":
        yield Clash("recording.video", f"'{kept.video}' must end in .mp4: nothing else is written")
    if dicom.pacs is not None:
        if dicom.queue is None:
            yield Clash(
                "dicom.pacs",
                "has nothing to send without a queue. Set [dicom] queue, or give --dicom FOLDER too",
            )
        try:
            Pacs.parse(dicom.pacs, dicom.own_title)
        except UsageError as error:
            yield Clash("dicom.pacs", str(error))
    if dicom.identified and dicom.worklist is None and dicom.patient_id is None:
        yield Clash("dicom.identified", "needs dicom.worklist or dicom.patient_id")
    if dicom.patient_id is not None and not dicom.identified:
        yield Clash("dicom.patient_id", "needs dicom.identified")
