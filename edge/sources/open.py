"""From what the command line says to an opened source."""

from __future__ import annotations

from pathlib import Path

from edge.sources.base import FrameSource, Pace


def open_source(text: str, *, pace: Pace, repeat: bool) -> FrameSource:
    """A file, `phantom:...`, or `faults:SCRIPT;` before either.

    Args:
        text: as given by the user.
        pace: LIVE or MAX, see `Pace`.
        repeat: begin a file again at its end; the others never end.

    Raises:
        UsageError: `text` makes no sense.
        NoInputError, DataError: the file is not there or is no video.
    """
    from edge.sources import faults, phantom, video

    if text.startswith(faults.SCHEME):
        script, inner = faults.split_script(text)
        return faults.FaultySource(open_source(inner, pace=pace, repeat=repeat), script)
    if not text.startswith(phantom.SCHEME):
        return video.VideoSource(Path(text), pace=pace, repeat=repeat)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scanning the phantom", total=phantom.SLICES)
        return phantom.PhantomSource(
            text, pace=pace, progress=lambda done: progress.update(task, completed=done)
        )
