"""Site acceptance: play local cases with pathology through the whole pipeline and print how it does.

Each case is a still or a clip. It goes through capture, gates, preparation, network and evidence as at the
cart, and its risk is the one that the screen would have shown with the most frames behind it; where none was
shown, the case counts as withheld, with the reason.

Examples:
  sonocart accept bundle --cases cases
  sonocart accept bundle --cases cases/manifest.csv --precision int8 --report accept.html
  sonocart accept bundle --cases cases --baseline /var/lib/sonocart/baseline.json --json

CASES is a folder with benign/ and malignant/, or with a manifest.csv (path,label,...), of images and clips.
The baseline is what drift is watched against: the risks' distribution at this site, on this bundle.
"""

from __future__ import annotations

import argparse
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import track

from edge.accept.play import CLIPS, play
from edge.accept.report import write_report
from edge.accept.verdict import baseline, judge
from edge.atomic import new_file
from edge.contract.bundle import Bundle, open_bundle
from edge.contract.spec import PRECISIONS
from edge.engines.base import Engine
from edge.engines.worker import EngineWorker
from edge.study.parts import held_out
from edge.study.read import read_study
from edge.timing import Timing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by sonocart export")
    parser.add_argument("--cases", type=Path, required=True, metavar="DIR", help="folder or manifest.csv")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default fp32")
    parser.add_argument("--operating-point", metavar="NAME", help="default: the model's own")
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="a page for the site's file")
    parser.add_argument("--baseline", type=Path, metavar="OUT.json", help="what drift is watched against")
    parser.add_argument("--json", action="store_true", help="print the figures and every case as JSON")


def main(args: argparse.Namespace) -> int:
    """Play every case, print the figures."""
    bundle = open_bundle(args.bundle)
    bundle.model(args.precision)
    point = bundle.spec.point(args.operating_point)
    study = read_study(args.cases, clips=CLIPS)
    cases, timing = held_out(bundle, study), Timing()
    worker = EngineWorker(partial(_engine, bundle, args.precision), timing)
    try:
        worker.wait_ready()
        console = Console(stderr=True)
        rows = track(cases, "playing cases", console=console, transient=True, disable=not console.is_terminal)
        verdicts = [play(case, study.root, bundle, point, worker, timing) for case in rows]
    finally:
        worker.close()
    figures = judge(bundle, args.precision, point, verdicts, timing)
    figures["left out"] = len(study.cases) - len(cases)
    if args.baseline is not None:
        with new_file(args.baseline) as partial_file:
            partial_file.write_bytes(msgspec.json.format(msgspec.json.encode(baseline(figures, verdicts))))
    if args.report is not None:
        write_report(args.report, figures, verdicts)
    if args.json:
        print(json.dumps({**figures, "cases": msgspec.to_builtins(verdicts)}))
    else:
        print(_text(figures))
    return 0


def _engine(bundle: Bundle, precision: str) -> Engine:
    from edge.engines.choose import open_engine
    from edge.engines.golden import check_golden

    engine = open_engine(bundle, precision, threads=max(1, os.cpu_count() or 1))
    check_golden(bundle, engine, precision)
    return engine


def _text(figures: dict[str, Any]) -> str:
    number, point, matrix = figures["n"], figures["operating_point"], figures["confusion_matrix"]
    lines = [
        f"model        {figures['model']}, bundle {figures['bundle']}, {figures['precision']}",
        f"cases        {number['benign']} benign, {number['malignant']} malignant"
        f"; {figures['left out']} left out, since the model was made with them or their patients",
        f"threshold    {point['threshold']:.3f} ({point['name']})",
        f"withheld     {number['withheld']} cases, {number['withheld_malignant']} of them malignant",
        *(f"             {count} x {reason}" for reason, count in figures["reasons"].items()),
        "",
        f"{'':<13}value  95 % interval, of the cases with a risk",
    ]
    for name in ("accuracy", "sensitivity", "specificity", "ppv", "npv", "abstention"):
        figure = figures[name]
        said = "    -" if figure["value"] is None else "{value:.3f}  {low:.3f} to {high:.3f}".format(**figure)
        lines.append(f"{name:<13}{said}")
    if figures["brier"] is not None:
        lines.append(f"{'ECE':<13}{figures['expected_calibration_error']:.3f}   Brier {figures['brier']:.3f}")
    lines += [
        "",
        f"{'':<13}called malignant  called benign",
        f"{'malignant':<13}{matrix['true_positive']:>16}  {matrix['false_negative']:>13}",
        f"{'benign':<13}{matrix['false_positive']:>16}  {matrix['true_negative']:>13}",
        "",
        *(
            f"{name:<13}p50 {t['p50']:.2f} ms, p99 {t['p99']:.2f} ms"
            for name, t in figures["latency_ms"].items()
        ),
    ]
    return "\n".join(lines)
