"""An examination from files and options to a folder of DICOM objects."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track

from edge.contract.roi import Roi
from edge.errors import UsageError
from edge.outputs.dicom.exam import Clip, Exam, Still, Uncut
from edge.outputs.dicom.finding import Finding, read_finding
from edge.outputs.dicom.media import read_clip, read_still
from edge.outputs.dicom.order import Order, Subject
from edge.outputs.dicom.worklist import read_worklist
from edge.outputs.dicom.write import write_exam


def write(args: argparse.Namespace) -> int:
    """Write what `sonocart dicom write` was given."""
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
