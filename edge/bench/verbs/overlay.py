"""CPU time of the overlay on a 1080p frame, in turns with a blend of the whole frame."""

from __future__ import annotations

import argparse

from edge.bench.verbs.options import print_figures, progress_bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--frames", type=int, default=1000, help="default: 1000")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    from edge.bench.overlay import AIMS, measure_overlay

    with progress_bar("frames") as progress:
        figures = measure_overlay(max(1, args.frames), progress)
    return print_figures(figures, args.json, AIMS)
