"""Shows pictures with a number burnt in, and finds each again where the product presents it.
Screen, cable and capture card are software here: an H.264 encoder, a pipe and a decoder. Prints the
way's parts (shown to captured, captured to presented, presented to frame out), the age on the glass of
what the risk was made from, jitter, and pictures that were lost, doubled or out of order; a recording is
made and its numbers are checked.
"""

from __future__ import annotations

import argparse

from edge.bench.verbs.options import add_engine_options, add_model, add_outputs, finish, progress_bar
from edge.contract.bundle import open_bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_model(parser)
    parser.add_argument("--source", default="phantom:", help="phantom: with its options (default: phantom:)")
    parser.add_argument("--seconds", type=float, default=20.0, help="measured (default: 20)")
    add_engine_options(parser)
    add_outputs(parser)


def main(args: argparse.Namespace) -> int:
    """Measure, write and print."""
    from edge.bench.cable import open_cable
    from edge.bench.glass import SPLITS, measure_glass
    from edge.bench.report import html_report
    from edge.bench.setup import Setup

    setup = Setup(open_bundle(args.bundle), args.precision, args.threads, args.spin)
    cable = open_cable(args.source)
    settings = {name: getattr(args, name) for name in ("threads", "spin", "seconds")}
    with progress_bar("glass to glass") as progress:
        result = measure_glass(setup, cable, args.seconds, settings, progress)
    return finish(result, html_report(result, SPLITS), args)
