"""All of the kit on a synthetic study: phantom, training, export, INT8, evaluation, live overlay."""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from edge.atomic import new_file
from edge.cli import KEYBOARD_INTERRUPT
from edge.errors import CannotCreateError, SonocartError
from export.demo_report import write_report

STEPS_FILE = "steps.json"


@dataclass(frozen=True, slots=True)
class Step:
    """One verb of the demo.

    Attributes:
        title: what it does, for the person who watches.
        argv: the verb and its arguments.
        makes: file or folder that is there when it is done.
        json_to: where its report on stdout goes; None leaves stdout alone.
    """

    title: str
    argv: tuple[str, ...]
    makes: Path
    json_to: Path | None = None


class StepFailedError(SonocartError):
    """A step ended with an exit code of its own, which the demo passes on."""

    def __init__(self, step: Step, code: int):
        super().__init__(f"'{step.title}' failed with exit code {code}. Run it alone: {_shown(step.argv)}")
        self.exit_code = code


def preparation(out: Path, patients: int, seed: int) -> list[Step]:
    """The steps before the live picture, in order; each stands on those before it."""
    study, run, bundle, clip = out / "study", out / "run", out / "bundle", out / "clip.mp4"
    return [
        Step(
            f"Make a synthetic salivary-gland study of {patients} patients",
            ("phantom", "--out", f"{study}", "--patients", f"{patients}", "--seed", f"{seed}"),
            study,
        ),
        Step(
            "Make a scanner's video, a sweep over a lesion of a patient outside the study",
            (
                *("phantom", "--video", f"{clip}", "--seconds", "20", "--size", "1920x1080"),
                *("--seed", f"{seed + 1000}", "--label", "malignant"),
            ),
            clip,
        ),
        Step(
            "Train the compact network",
            (
                *("train", f"{study}", "--out", f"{run}", "--seed", f"{seed}"),
                *("--network", "compact", "--members", "1", "--epochs", "80"),
            ),
            run,
        ),
        Step(
            "Export it to ONNX and check parity",
            ("export", f"{run}", "--out", f"{bundle}", "--name", "phantom-compact"),
            bundle,
        ),
        Step(
            "Quantise it to INT8 and compare with FP32",
            ("calibrate", f"{bundle}", "--frames", f"{study}", "--precision", "int8", "--json"),
            out / "agreement.json",
            out / "agreement.json",
        ),
        Step(
            "Judge INT8 on patients that training never saw",
            (
                *("evaluate", f"{bundle}", f"{study}", "--precision", "int8", "--json"),
                *("--report", f"{out / 'evaluation.html'}"),
            ),
            out / "evaluation.json",
            out / "evaluation.json",
        ),
    ]


def live(out: Path, page: str, seconds: float | None) -> Step:
    """The last step: the live overlay on the repeated video."""
    argv = ["run", f"{out / 'bundle'}", "--source", f"{out / 'clip.mp4'}", "--loop", "--precision", "int8"]
    argv += [
        "--page",
        page,
        "--record-raw",  # no patient is behind the phantom
        "--record",
        f"{out / 'overlay.mp4'}",
        "--log",
        f"{out / 'session.jsonl'}",
        "--json",
    ]
    if seconds is not None:
        argv += ["--seconds", f"{seconds:g}"]
    return Step("Overlay the risk on live video", tuple(argv), out / "overlay.mp4", out / "session.json")


def run_step(step: Step) -> None:
    """Run a verb in a process of its own; its report appears whole or not at all.

    Raises:
        StepFailedError: it ended with another code than 0.
    """
    command = [sys.executable, "-m", "edge", *step.argv]
    if step.json_to is None:
        code = _wait(subprocess.Popen(command))
    else:
        partial = step.json_to.with_suffix(".partial")
        with partial.open("wb") as file:
            code = _wait(subprocess.Popen(command, stdout=file))
        if code == 0:
            partial.replace(step.json_to)
        else:
            partial.unlink()
    if code == KEYBOARD_INTERRUPT:
        raise KeyboardInterrupt
    if code != 0:
        raise StepFailedError(step, code)


def prepare(steps: list[Step], out: Path, say: Callable[[str], None]) -> None:
    """Run the steps whose results are not there yet, and every step after the first such one."""
    record = out / STEPS_FILE
    done: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    stale = False
    for number, step in enumerate(steps, 1):
        key = hashlib.sha256("\0".join((version("sonocart"), *step.argv)).encode()).hexdigest()
        stale = stale or done.get(step.title) != key or not step.makes.exists()
        if not stale:
            say(f"[green]✓[/] {number}/{len(steps)} {step.title} [dim](kept)[/]")
            continue
        say(f"\n[bold]{number}/{len(steps)} {step.title}[/]\n[dim]$ {_shown(step.argv)}[/]")
        # What stands on this step is no longer true, also if the step is cut off.
        for later in steps[number - 1 :]:
            done.pop(later.title, None)
        _record(record, done)
        _remove(step.makes)
        began = time.monotonic()
        run_step(step)
        done[step.title] = key
        _record(record, done)
        say(f"[green]✓[/] {step.title} [dim]({time.monotonic() - began:.0f} s)[/]")


def main(args: argparse.Namespace) -> int:
    """Prepare what is missing, go on air, write the report."""
    out: Path = args.out
    say = Console(stderr=True, highlight=False, soft_wrap=True).print
    if args.fresh:
        _remove(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreateError(f"cannot make the folder '{out}': {error.strerror}") from error
    prepare(preparation(out, args.patients, args.seed), out, say)
    for name in ("session.json", "session.jsonl", "overlay.mp4"):
        _remove(out / name)  # of an earlier start: `run` would go on behind it, and record beside it
    write_report(out)
    step = live(out, args.page, args.seconds)
    say(f"\n[bold]{step.title}[/]\n[dim]$ {_shown(step.argv)}[/]")
    end = "Ctrl-C ends it" if args.seconds is None else f"for {args.seconds:g} s"
    say(f"[bold]Open http://{args.page}[/] ({end})")
    run_step(step)
    report = write_report(out)
    say("\nEverything is here:")
    for name in ("study", "bundle", "evaluation.json", "agreement.json", "overlay.mp4", "session.jsonl"):
        say(f"  {out / name}")
    say(f"  [bold]{report}[/]  the figures, to be opened in a browser")
    return 0


def _shown(argv: tuple[str, ...]) -> str:
    return shlex.join(("sonocart", *argv))


def _record(path: Path, done: dict[str, str]) -> None:
    with new_file(path) as partial:
        partial.write_text(json.dumps(done, indent=2), encoding="utf-8")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The child's exit code. Ctrl-C reaches the child by itself; SIGTERM is passed on."""
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # noqa: PERF203 - each one is answered
                continue  # the child has got it too and ends in its own way
    finally:
        signal.signal(signal.SIGTERM, before)
