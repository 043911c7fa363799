r"""Write an examination as DICOM, send it to a PACS, look into the queue.

Examples:
  sonocart dicom write --still s.png --field 312,80,900,820 --finding f.json --out study
  sonocart dicom write --clip clean.mp4 --annotated-clip overlay.mp4 --field 312,80,900,820 \
      --panel 1300,80,560,400 --worklist order.wl --identified --out study
  sonocart dicom echo --to ARCHIVE@10.0.0.5:104
  sonocart dicom send study --to ARCHIVE@10.0.0.5:104
  sonocart dicom queue

Without --identified no name, order or date is written. Everything outside --field is blacked out.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track

from edge.contract.roi import Roi
from edge.errors import NoInputError, TransferError, UnavailableError, UsageError
from edge.outputs.dicom.exam import Clip, Exam, Still, Uncut
from edge.outputs.dicom.finding import Finding, read_finding
from edge.outputs.dicom.media import read_clip, read_still
from edge.outputs.dicom.order import Order, Subject
from edge.outputs.dicom.outbox import Item, Outbox
from edge.outputs.dicom.pacs import Connection, Outcome, Pacs
from edge.outputs.dicom.worklist import read_worklist
from edge.outputs.dicom.write import write_exam

QUEUE = Path("runs/dicom-queue")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the four actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="write|send|queue|echo")
    write = actions.add_parser("write", help="pictures and a finding to a folder of DICOM files")
    for name, what in (("still", "a PNG, JPEG or BMP"), ("clip", "a video file")):
        write.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"{what} as the scanner showed it")
        write.add_argument(f"--annotated-{name}", type=Path, metavar="FILE", help=f"{what} with the overlay")
    write.add_argument("--finding", type=Path, metavar="JSON", help="the estimate; without it, no report")
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
    write.add_argument("--at", metavar="ISO8601", help="time of capture, if there is no finding")
    write.add_argument("--worklist", type=Path, metavar="FILE", help="the order: .wl or DICOM JSON")
    write.add_argument("--accession", metavar="NUMBER", help="which order of the worklist")
    write.add_argument("--patient-id", metavar="ID", help="patient, if there is no worklist")
    write.add_argument("--patient-name", default="", metavar="FAMILY^GIVEN")
    write.add_argument("--identified", action="store_true", help="write the patient's name, order and dates")
    write.add_argument("--subject", default=Subject().code, metavar="CODE", help="code instead of a name")
    write.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    write.set_defaults(do=_write)

    send = actions.add_parser("send", help="queue files or folders and try to store what waits")
    send.add_argument("what", nargs="*", type=Path, metavar="FILE|FOLDER")
    send.add_argument("--due", action="store_true", help="leave what is to be tried later")
    send.set_defaults(do=_send)
    echo = actions.add_parser("echo", help="ask a PACS whether it is there")
    echo.set_defaults(do=_echo)
    for action in (send, echo):
        action.add_argument("--to", required=True, metavar="AET@HOST:PORT")
        action.add_argument("--from", dest="own_title", default="SONOCART", metavar="AET")
    queue = actions.add_parser("queue", help="what waits and what was refused")
    queue.add_argument("--retry", action="store_true", help="let what was refused wait again")
    queue.set_defaults(do=_queue)
    for action in (send, queue):
        action.add_argument("--queue", type=Path, default=QUEUE, metavar="FOLDER", help=f"default {QUEUE}")
    for action in (write, send, queue):
        action.add_argument("--json", action="store_true", help="the report as JSON")


def main(args: argparse.Namespace) -> int:
    """Do one of the four."""
    code: int = args.do(args)
    return code


def _write(args: argparse.Namespace) -> int:
    finding = None if args.finding is None else read_finding(args.finding)
    written = write_exam(
        Exam(
            identity=_identity(args),
            captured_at=_captured_at(args.at, finding),
            field=_field(args.field),
            panels=tuple(args.panel),
            pixel_mm=args.pixel_mm,
            finding=finding,
            still=_still(args.still),
            clip=_clip(args.clip),
            annotated_still=_still(args.annotated_still),
            annotated_clip=_clip(args.annotated_clip),
        ),
        args.out,
    )
    names = [path.name for path in written.files]
    if args.json:
        print(json.dumps({"folder": str(written.folder), "files": names, "study_uid": written.study_uid}))
    else:
        print(f"{written.folder}: {', '.join(names)}\nstudy {written.study_uid}")
    return 0


def _still(path: Path | None) -> Still | None:
    return None if path is None else read_still(path)


def _clip(path: Path | None) -> Clip | None:
    if path is None:
        return None
    clip, console = read_clip(path), Console(stderr=True)
    frames = track(
        clip.frames, f"encoding {path.name}", console=console, transient=True, disable=not console.is_terminal
    )
    return replace(clip, frames=frames)


def _field(text: str) -> Roi | Uncut:
    return next((uncut for uncut in Uncut if uncut.value == text), None) or Roi.parse(text)


def _captured_at(text: str | None, finding: Finding | None) -> datetime:
    if text is None:
        if finding is None:
            raise UsageError(
                "without --finding the time of capture is needed: --at 2026-11-20T10:11:12+01:00"
            )
        return finding.captured_at
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a time, expected 2026-11-20T10:11:12+01:00") from None
    return when if when.tzinfo is not None else when.astimezone()


def _identity(args: argparse.Namespace) -> Order | Subject:
    named = args.worklist is not None or args.patient_id is not None
    if named != args.identified:
        raise UsageError(
            "a worklist or --patient-id names the patient, and --identified writes the name: give both, or "
            "neither for a study without identity"
        )
    if args.worklist is not None:
        return read_worklist(args.worklist, args.accession)
    if args.patient_id is not None:
        return Order(args.patient_id, args.patient_name, accession_number=args.accession or "")
    return Subject(args.subject)


def _send(args: argparse.Namespace) -> int:
    pacs, outbox = Pacs.parse(args.to, args.own_title), Outbox(args.queue)
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
            f"'{args.queue}/refused'. When the cause is gone: sonocart dicom queue --retry"
        )
    if tally.waiting:
        raise UnavailableError(
            f"{tally.why}. {tally.waiting} objects wait in '{args.queue}'; send again later"
        )
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
    pacs = Pacs.parse(args.to, args.own_title)
    with Connection(pacs) as connection:
        delivery = connection.echo()
    if delivery.outcome is not Outcome.STORED:
        raise UnavailableError(f"{args.to} does not answer as a PACS: {delivery.why}")
    print(f"{args.to} answers")
    return 0


def _queue(args: argparse.Namespace) -> int:
    outbox = Outbox(args.queue)
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
