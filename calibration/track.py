"""Progress bars on stderr for work that names its own steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn

Track = Callable[[str, int], Callable[[], None]]
"""Called with a title and a number of steps; gives the function to call after each step."""


@contextmanager
def progress_bars() -> Iterator[Track]:
    """One bar for each title, on stderr."""
    with Progress(
        SpinnerColumn(),
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(file=sys.stderr),
    ) as progress:

        def track(title: str, steps: int) -> Callable[[], None]:
            task = progress.add_task(title, total=steps)
            return lambda: progress.advance(task)

        yield track
