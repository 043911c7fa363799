r"""Write an examination as DICOM, send it to a PACS, look into the queue.

Examples:
  sonocart dicom write --still s.png --field 312,80,900,820 --finding f.json --out study
  sonocart dicom write --clip clean.mp4 --annotated-clip overlay.mp4 --field 312,80,900,820 \
      --panel 1300,80,560,400 --worklist order.wl --identified --at 2026-11-20T10:11:12+01:00 --out study
  sonocart dicom echo
  sonocart dicom send study --to ARCHIVE@10.0.0.5:104
  sonocart dicom send --due
  sonocart dicom queue
  sonocart dicom queue --retry --json

Queue, PACS and own title are those of [dicom] in /etc/sonocart/sonocart.toml (or --config) unless given;
without any the queue is runs/dicom-queue. Without --identified no name, order or date is written. Everything
outside --field is blacked out.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edge.contract.roi import Roi
from edge.errors import NoInputError, TransferError, UnavailableError, UsageError
from edge.outputs.dicom.address import Pacs
from edge.service.config import SYSTEM_FILE, read_settings
from edge.settings import DicomSettings
from edge.subverbs import add_verb

if TYPE_CHECKING:
    from edge.outputs.dicom.outbox import Item

QUEUE = Path("runs/dicom-queue")

_WRITE = """Write an examination's pictures, clips and finding as DICOM objects. Without --identified no name,
order or date is written. Everything outside --field is blacked out.

The file of --finding, its box in pixels of the still, box and passport_id null where there is none:
  {"risk": 0.71, "low": 0.62, "high": 0.79, "confidence": 0.95, "operating_point": "balanced",
   "threshold": 0.5, "frames_used": 148, "captured_at": "2026-11-20T10:11:12+01:00",
   "box": {"x": 400, "y": 210, "width": 120, "height": 90},
   "model": {"name": "glands", "version": "3", "precision": "int8", "bundle_id": "0123456789ab",
             "passport_id": null}}"""
_SEND = """Put files or folders into the queue and try to store all that waits there. What the archive does
not take stays in the queue and is tried again later."""
_ECHO = "Ask a PACS whether it is there and knows this application entity (C-ECHO)."
_LIST = "Show what waits in the queue, what was refused and why."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the four actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="write|send|queue|echo")
    write = add_verb(
        actions, "write", "pictures and a finding to a folder of DICOM files", _WRITE, _write, __doc__
    )
    for name, what in (("still", "a PNG, JPEG or BMP"), ("clip", "a video file")):
        write.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"{what} as the scanner showed it")
        write.add_argument(f"--annotated-{name}", type=Path, metavar="FILE", help=f"{what} with the overlay")
    write.add_argument(
        "--finding", type=Path, metavar="JSON", help="the estimate, see above; without it, no report"
    )
    write.add_argument(
        "--field",
        metavar="X,Y,W,H|whole|unmasked",
        required=True,
        help="the ultrasound field, all else becomes black; 'whole' if the picture shows nothing else; "
        "'unmasked' keeps the scanner's text and needs --identified",
    )
    write.add_argument(
        "--panel", type=Roi.parse, action="append", default=[], metavar="X,Y,W,H", help="opaque panel to keep"
    )
    write.add_argument("--pixel-mm", type=float, metavar="MM", help="side of a pixel, from the depth scale")
    write.add_argument("--at", metavar="ISO8601", help="time of capture; required without --finding")
    write.add_argument("--worklist", type=Path, metavar="FILE", help="the order: .wl or DICOM JSON")
    write.add_argument("--accession", metavar="NUMBER", help="which order of the worklist")
    write.add_argument("--patient-id", metavar="ID", help="patient, if there is no worklist")
    write.add_argument("--patient-name", default="", metavar="FAMILY^GIVEN")
    write.add_argument("--identified", action="store_true", help="write the patient's name, order and dates")
    write.add_argument(
        "--subject", default=DicomSettings().subject, metavar="CODE", help="code instead of a name"
    )
    write.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    send = add_verb(
        actions, "send", "queue files or folders and try to store what waits", _SEND, _send, __doc__
    )
    send.add_argument("what", nargs="*", type=Path, metavar="FILE|FOLDER")
    send.add_argument("--due", action="store_true", help="leave what is to be tried later")
    echo = add_verb(actions, "echo", "ask a PACS whether it is there", _ECHO, _echo, __doc__)
    for action in (send, echo):
        action.add_argument("--to", metavar="AET@HOST:PORT", help="default: [dicom] pacs")
        action.add_argument("--from", dest="own_title", metavar="AET", help="default: [dicom] own_title")
    queue = add_verb(actions, "queue", "what waits and what was refused", _LIST, _queue, __doc__)
    queue.add_argument("--retry", action="store_true", help="let what was refused wait again")
    for action in (send, queue):
        action.add_argument(
            "--queue", type=Path, metavar="FOLDER", help=f"default: [dicom] queue; without one {QUEUE}"
        )
    for action in (send, echo, queue):
        action.add_argument("--config", type=Path, metavar="FILE", help=f"default {SYSTEM_FILE}")
    for action in (write, send, queue):
        action.add_argument("--json", action="store_true", help="the report as JSON")


def main(args: argparse.Namespace) -> int:
    """Do one of the four."""
    code: int = args.run(args)
    return code


def _write(args: argparse.Namespace) -> int:
    from edge.outputs.dicom.write_command import write

    return write(args)


class _Chosen:
    """What is given, or else what the service on this cart is told, which is read once and only then."""

    def __init__(self, args: argparse.Namespace):
        self._args = args

    @cached_property
    def _configured(self) -> DicomSettings:
        if self._args.config is None and not SYSTEM_FILE.exists():
            return DicomSettings()
        return read_settings(self._args.config or SYSTEM_FILE, {}).dicom

    @property
    def queue(self) -> Path:
        return self._args.queue or self._configured.queue or QUEUE

    @property
    def pacs(self) -> Pacs:
        address = self._args.to or self._configured.pacs
        if address is None:
            raise UsageError(
                "no PACS is given, nor set in a configuration as [dicom] pacs. Give --to AET@HOST:PORT"
            )
        return Pacs.parse(address, self._args.own_title or self._configured.own_title)


def _send(args: argparse.Namespace) -> int:
    from edge.outputs.dicom.outbox import Outbox
    from edge.outputs.dicom.pacs import Connection

    chosen = _Chosen(args)
    pacs, folder = chosen.pacs, chosen.queue
    outbox = Outbox(folder)
    if args.what:
        outbox.put(_files(args.what))
    tally = outbox.send(Connection(pacs), time.time() if args.due else None)
    if args.json:
        print(json.dumps(asdict(tally)))
    else:
        print(f"{tally.stored} stored, {tally.waiting} waiting, {tally.refused} refused")
    if tally.refused:
        raise TransferError(
            f"{pacs.title} refused {tally.refused} of the objects: {tally.why}. They lie in "
            f"'{folder}/refused'. When the cause is gone: sonocart dicom queue --retry"
        )
    if tally.waiting:
        raise UnavailableError(f"{tally.why}. {tally.waiting} objects wait in '{folder}'; send again later")
    return 0


def _files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.dcm")) if path.is_dir() else [path]
        if not found:
            raise NoInputError(f"folder '{path}' holds no .dcm file")
        files += found
    return files


def _echo(args: argparse.Namespace) -> int:
    from edge.outputs.dicom.pacs import Connection, Outcome

    pacs = _Chosen(args).pacs
    with Connection(pacs) as connection:
        delivery = connection.echo()
    if delivery.outcome is not Outcome.STORED:
        raise UnavailableError(f"{pacs} does not answer as a PACS: {delivery.why}")
    print(f"{pacs} answers")
    return 0


def _queue(args: argparse.Namespace) -> int:
    from edge.outputs.dicom.outbox import Outbox

    folder = _Chosen(args).queue
    outbox = Outbox(folder)
    if not folder.is_dir():
        raise NoInputError(f"queue '{folder}' is not a folder; give that of [dicom] queue with --queue")
    if args.retry:
        outbox.retry()
    rows = {"waiting": outbox.waiting(), "refused": outbox.refused()}
    if args.json:
        print(json.dumps({name: [_row(item) for item in items] for name, items in rows.items()}))
        return 0
    for name, items in rows.items():
        print(f"{name}: {len(items)}")
        for item in items:
            print(f"  {item.uid}  {item.state.tries} tries  {item.state.why}".rstrip())
    return 0


def _row(item: Item) -> dict[str, str | int]:
    return {"uid": item.uid, "tries": item.state.tries, "why": item.state.why}
