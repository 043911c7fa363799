"""Site acceptance: play local cases with pathology through the whole pipeline and print how it does."""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import track

from edge.accept.play import CLIPS, play
from edge.accept.promise import BELOW, sentences
from edge.accept.report import write_report
from edge.accept.verdict import baseline, judge
from edge.atomic import new_file
from edge.contract.bundle import open_bundle
from edge.engines.choose import open_checked
from edge.engines.worker import EngineWorker
from edge.exam.baseline import Baseline
from edge.outputs.writable import require_writable
from edge.study.parts import held_out
from edge.study.read import read_study
from edge.timing import Timing


def main(args: argparse.Namespace) -> int:
    """Play every case, print the figures."""
    for option in ("report", "baseline"):
        if getattr(args, option) is not None:
            require_writable(getattr(args, option), f"--{option}")
    bundle = open_bundle(args.bundle)
    bundle.model(args.precision)
    point = bundle.spec.point(args.operating_point)
    study = read_study(args.cases, clips=CLIPS)
    cases, timing = held_out(bundle, study), Timing()
    threads = max(1, os.cpu_count() or 1)
    worker = EngineWorker(partial(open_checked, bundle, args.precision, threads=threads), timing)
    try:
        worker.wait_ready()
        console = Console(stderr=True)
        rows = track(cases, "playing cases", console=console, transient=True, disable=not console.is_terminal)
        verdicts = [play(case, study.root, bundle, point, worker, timing) for case in rows]
    finally:
        worker.close()
    patients = [case.patient for case in cases]
    figures = judge(bundle, args.precision, point, verdicts, patients, timing)
    figures["left out"] = len(study.cases) - len(cases)
    if args.baseline is not None:
        _write_baseline(args.baseline, baseline(figures, verdicts))
    if args.report is not None:
        write_report(args.report, figures, verdicts)
    if args.json:
        print(json.dumps({**figures, "cases": msgspec.to_builtins(verdicts)}))
    else:
        print(_text(figures))
    below = any(row["verdict"] == BELOW for row in figures["promise"].values())
    return int(below or figures["n"]["withheld"] == len(verdicts))


def _write_baseline(path: Path, found: Baseline) -> None:
    if not found.cases:
        print(f"no baseline is written to '{path}': no case was given a risk", file=sys.stderr)
        return
    with new_file(path) as partial_file:
        partial_file.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _times(stage: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {value:.2f} ms" for name, value in stage.items() if value is not None)


def _of_patients(number: dict[str, Any]) -> str:
    return f" of {number['patients']} patients" if number["patients"] else "; patients are not named"


def _text(figures: dict[str, Any]) -> str:
    number, point, matrix = figures["n"], figures["operating_point"], figures["confusion_matrix"]
    lines = [
        f"model        {figures['model']}, bundle {figures['bundle']}, {figures['precision']}",
        f"cases        {number['benign']} benign, {number['malignant']} malignant{_of_patients(number)}"
        f"; {figures['left out']} left out, since the model was made with them or their patients",
        f"threshold    {point['threshold']:.3f} ({point['name']})",
        f"withheld     {number['withheld']} cases, {number['withheld_malignant']} of them malignant",
        *(f"             {count} x {reason}" for reason, count in figures["reasons"].items()),
        "",
        f"{'':<13}value  95 % interval over patients, of the cases with a risk",
    ]
    for name in ("accuracy", "sensitivity", "specificity", "ppv", "npv", "abstention"):
        figure = figures[name]
        said = "    -" if figure["value"] is None else "{value:.3f}  {low:.3f} to {high:.3f}".format(**figure)
        lines.append(f"{name:<13}{said}")
    if figures["brier"] is not None:
        lines.append(f"{'ECE':<13}{figures['expected_calibration_error']:.3f}   Brier {figures['brier']:.3f}")
    lines += [
        *(f"{'promise':<13}{sentence}" for sentence in sentences(figures)),
        "",
        f"{'':<13}called malignant  called benign",
        f"{'malignant':<13}{matrix['true_positive']:>16}  {matrix['false_negative']:>13}",
        f"{'benign':<13}{matrix['false_positive']:>16}  {matrix['true_negative']:>13}",
        "",
        *(f"{name:<13}{_times(stage)}" for name, stage in figures["latency_ms"].items()),
    ]
    return "\n".join(lines)
