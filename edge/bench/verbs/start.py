"""Starts `sonocart run` again and again and watches its log: seconds from the process's
creation to the first presented picture and to the first risk, and the memory it then holds. A phantom is
scanned first, which takes its own time; give a video file to measure the cart alone.
"""

from __future__ import annotations

import argparse

from edge.bench.verbs.options import add_model, add_outputs, finish, progress_bar
from edge.contract.bundle import open_bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_model(parser)
    parser.add_argument("--source", default="phantom:", help="default: phantom:")
    parser.add_argument("--runs", type=int, default=10, help="default: 10")
    add_outputs(parser)


def main(args: argparse.Namespace) -> int:
    """Measure, write and print."""
    from edge.bench.report import html_report
    from edge.bench.start import measure_start

    bundle = open_bundle(args.bundle)
    arguments = ["--source", args.source, "--loop", "--precision", args.precision]
    with progress_bar("starts") as progress:
        result = measure_start(bundle, arguments, args.runs, {"runs": args.runs}, progress)
    return finish(result, html_report(result), args)
