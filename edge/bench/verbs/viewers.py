"""Starts `sonocart run` with its page and visits it on loopback, in turns: one viewer, 50 viewers,
one viewer beside 1000 connections that say nothing. Prints how fast the cart presents, the age of its risk,
its CPU time, what all viewers are sent together (the page bounds it), how long the first picture and an
order's effect take, and when a viewer that has stalled is let go; then each aim with its verdict. Ratios are
of turns that follow each other. The visitors run on the same machine: where it has no core to spare, they are
what is measured.
"""

from __future__ import annotations

import argparse

from edge.bench.verbs.options import add_model, print_figures, progress_bar
from edge.contract.bundle import open_bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_model(parser)
    parser.add_argument("--source", default="phantom:", help="default: phantom:")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a turn (default: 10)")
    parser.add_argument("--turns", type=int, default=3, help="default: 3")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    from edge.bench.viewers import AIMS, measure_viewers

    open_bundle(args.bundle).model(args.precision)
    arguments = ["--source", args.source, "--precision", args.precision]
    with progress_bar("turns") as progress:
        figures = measure_viewers(args.bundle, arguments, args.seconds, max(1, args.turns), progress)
    return print_figures(figures, args.json, AIMS)
