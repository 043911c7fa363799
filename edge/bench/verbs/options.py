"""What several benches share: arguments, a bar that disturbs nobody, and how a result is handed over."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge.bench.aims import Aim
from edge.contract.spec import PRECISIONS

if TYPE_CHECKING:
    from edge.bench.result import Result


def add_model(parser: argparse.ArgumentParser) -> None:
    """The bundle and one of its precisions."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--precision", choices=PRECISIONS, default="int8", help="default: int8")


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """How ONNX Runtime runs a network."""
    parser.add_argument("--threads", type=int, default=2, help="that one inference may use (default: 2)")
    parser.add_argument("--spin", action="store_true", help="wait busily instead of sleeping")


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Where the result goes."""
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--out", type=Path, help="new folder for result.json and report.html")


def finish(result: Result, html: str, args: argparse.Namespace) -> int:
    """Write the folder and print the figures."""
    from edge.bench.report import text_report
    from edge.bench.result import write_result

    out = args.out or Path("runs/bench") / f"{result.bench}-{time.strftime('%Y%m%d-%H%M%S')}"
    write_result(result, html, out)
    if args.json:
        fields = msgspec.to_builtins(result)
        del fields["tracks"]  # the samples are in the file
        print(msgspec.json.format(msgspec.json.encode({**fields, "out": str(out)}), indent=2).decode())
    else:
        print(text_report(result))
        print(f"\nwritten: {out / 'result.json'} and {out / 'report.html'}")
    return 0


def print_figures(figures: dict[str, float], as_json: bool, aims: Sequence[Aim] = ()) -> int:
    """Figures that are no result with samples; for people, also whether they reach their aims."""
    if as_json:
        print(json.dumps(figures))
    else:
        width = max(map(len, figures))
        print("\n".join(f"{name:<{width}}  {value:.3f}" for name, value in figures.items()))
        print("".join(f"\n{aim.judge(figures)}" for aim in aims))
    return 0


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr, redrawn only between turns: rich's own refreshing thread would be measured too."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        drawn = time.monotonic()

        def show(done: float) -> None:
            nonlocal drawn
            if time.monotonic() - drawn > 0.5:
                drawn = time.monotonic()
                progress.update(task, completed=done, refresh=True)

        yield show
