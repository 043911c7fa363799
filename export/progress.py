"""Progress bars on stderr, so that reports on stdout can be piped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Step(Protocol):
    """Tells a bar how far the work is."""

    def __call__(self, done: int, words: str = "") -> None:
        """`done` of the total, with a few words to show behind the bar."""


@contextmanager
def bar(title: str, total: int, *, shown: bool = True) -> Iterator[Step]:
    """A bar of `total` steps with the time left; not `shown` in all but one of several processes."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=Console(file=sys.stderr), disable=not shown) as progress:
        task = progress.add_task(title, total=total, words="")

        def step(done: int, words: str = "") -> None:
            progress.update(task, completed=done, words=words)

        yield step
