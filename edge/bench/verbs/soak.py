"""The product at the source's rate for N minutes: latency percentiles, drops, memory,
descriptors, threads and the hottest sensor minute by minute, and how fast each of them grows.
"""

from __future__ import annotations

import argparse

from edge.bench.verbs.options import add_engine_options, add_model, add_outputs, finish, progress_bar
from edge.contract.bundle import open_bundle
from edge.sources.pace import Pace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_model(parser)
    parser.add_argument("--source", required=True, help="a video file, phantom: or faults:SCRIPT;SOURCE")
    parser.add_argument("--minutes", type=int, default=30, help="default: 30")
    parser.add_argument(
        "--faults", type=int, metavar="SEED", help="with faults at random times, drawn from this seed"
    )
    add_engine_options(parser)
    add_outputs(parser)


def main(args: argparse.Namespace) -> int:
    """Measure, write and print."""
    from edge.bench.report import html_report
    from edge.bench.setup import Setup
    from edge.bench.soak import measure_soak
    from edge.sources.faults import FaultySource, random_script
    from edge.sources.open import open_source

    setup = Setup(open_bundle(args.bundle), args.precision, args.threads, args.spin)
    source = open_source(args.source, pace=Pace.LIVE, repeat=True)
    if args.faults is not None:
        source = FaultySource(source, random_script(args.faults, 60.0 * args.minutes))
    settings = {name: getattr(args, name) for name in ("threads", "spin", "minutes", "faults")}
    with progress_bar("soak") as progress:
        result = measure_soak(setup, source, args.minutes, settings, progress)
    return finish(result, html_report(result), args)
