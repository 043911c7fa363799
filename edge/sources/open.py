"""From what the command line says to an opened source."""

from __future__ import annotations

import re
from pathlib import Path

from edge.errors import NoInputError, UsageError, did_you_mean
from edge.sources.base import FrameSource, Pace
from edge.sources.stream import without_password

SCHEMES = {
    "v4l2:": "a capture card: v4l2:/dev/v4l/by-id/... (sonocart devices lists them)",
    "rtsp:": "a network stream: rtsp://host/path",
    "igtl:": "an OpenIGTLink server: igtl://host:18944",
    "images:": "a folder of images: images:FOLDER,fps=25",
    "phantom:": "the synthetic scanner: phantom: or phantom:label=benign,size=1280x720,fps=60",
    "faults:": "any of these with scripted faults: faults:5+2=freeze,9+3=no-signal;phantom:",
}


STILLS = (".png", ".jpg", ".jpeg", ".bmp")
"""Suffixes of files that are shown as a probe held still."""


def open_source(text: str, *, pace: Pace, repeat: bool) -> FrameSource:
    """A video, image or DICOM file, a folder of images as a clip, or one of `SCHEMES`.

    Args:
        text: as given by the user.
        pace: LIVE or MAX, see `Pace`.
        repeat: begin a file again at its end; the others never end.

    Raises:
        UsageError: `text` makes no sense.
        SonocartError: the device, the file or the server is not there or not what it must be.
    """
    scheme = re.match(r"[a-z0-9]{2,}:", text)
    if scheme is None or Path(text).exists():
        return _file(text, pace, repeat)
    if scheme[0] == "images:":
        from edge.sources.stills import parse_images

        folder, _ = parse_images(text)
        if not folder.is_dir():
            raise NoInputError(f"'{folder}' is not a folder; expected one with images")
        return _decoded(text, pace, repeat)
    if scheme[0] in ("rtsp:", "rtsps:"):
        from edge.sources.isolated import STREAM, IsolatedSource

        return IsolatedSource(text, pace=Pace.LIVE, repeat=False, patience=STREAM)
    if scheme[0] == "igtl:":
        from edge.sources.igtl import IgtlSource

        return IgtlSource(text)
    if scheme[0] == "v4l2:":
        from edge.sources.card.source import CardSource

        return CardSource(text)
    if scheme[0] == "faults:":
        from edge.sources import faults

        script, inner = faults.split_script(text)
        return faults.FaultySource(open_source(inner, pace=pace, repeat=repeat), script)
    if scheme[0] == "phantom:":
        return _phantom(text, pace)
    raise UsageError(
        f"no source is called '{scheme[0]}', expected a file or one of {', '.join(SCHEMES)}"
        f"{did_you_mean(scheme[0], SCHEMES)}"
    )


def _file(text: str, pace: Pace, repeat: bool) -> FrameSource:
    path = Path(text)
    if path.is_dir():
        return _decoded(f"images:{text}", pace, repeat)
    if not path.is_file():
        raise NoInputError(
            f"'{without_password(text)}' is not a file; expected a video, a folder or one of "
            f"{', '.join(SCHEMES)}"
        )
    if is_still(path):
        from edge.sources.still import StillSource

        return StillSource(path, pace=pace)
    return _decoded(text, pace, repeat)


def is_still(path: Path) -> bool:
    """True of one image, by its name; DICOM is read in a process of its own, whatever it holds."""
    return path.suffix.lower() in STILLS


def _decoded(text: str, pace: Pace, repeat: bool) -> FrameSource:
    from edge.sources.isolated import FILE, IsolatedSource

    return IsolatedSource(text, pace=pace, repeat=repeat, patience=FILE)


def _phantom(text: str, pace: Pace) -> FrameSource:
    from rich.console import Console
    from rich.progress import Progress

    from edge.sources import phantom

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("scanning the phantom", total=phantom.SLICES)
        return phantom.PhantomSource(
            text, pace=pace, progress=lambda done: progress.update(task, completed=done)
        )
