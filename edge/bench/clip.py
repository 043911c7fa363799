"""A video file for loops that need one, also where the source is the synthetic scanner."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from edge.phantom.cine import make_cine
from edge.phantom.video import write_clip
from edge.sources.phantom import SCHEME, SLICES, parse_options

SECONDS = 4


@contextmanager
def as_clip(source: str) -> Iterator[Path]:
    """The file itself, or a recording of `SECONDS` of the phantom that is removed afterwards."""
    if not source.startswith(SCHEME):
        yield Path(source)
        return
    options, fps = parse_options(source)
    frames = SECONDS * fps
    with tempfile.TemporaryDirectory(prefix="sonocart-bench-") as folder:
        path = Path(folder) / "phantom.mp4"
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("recording the phantom", total=SLICES + frames)
            cine = make_cine(options, lambda done: progress.update(task, completed=done))
            write_clip(
                path,
                cine,
                options,
                frames=frames,
                fps=fps,
                counter=False,
                progress=lambda done: progress.update(task, completed=SLICES + done),
            )
        yield path
