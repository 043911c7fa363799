"""Latency of the engine alone, by MLPerf's single-stream rules: after a warm-up, the next query is
sent when the last has returned, for at least 1,000 queries and 10 seconds. Timed is what the cart calls: from
the uint8 tensor in host memory to risk and heat map in host memory. Each engine must give the golden outputs
first.

comparable with trtexec, whose flags must be:
  TensorRT 10: trtexec --loadEngine=PLAN --useCudaGraph --useSpinWait --exposeDMA --infStreams=1
               --warmUp=1000 --iterations=1000 --duration=10 --avgRuns=1 --percentile=50,90,95,99,99.9
  TensorRT 11: trtexec --loadEngine=PLAN --includeDataTransfers --exposeDMA --infStreams=1
               --warmUp=1000 --iterations=1000 --duration=10 --avgRuns=1 --percentile=50,90,95,99,99.9
Then trtexec's "Latency" is transfer in + compute + transfer out, its "GPU Compute Time" is compute. The wall
time here also holds the host's part: checks, launch, wake-up, and the outputs' copy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.bench.rule import STANDARD, Rule
from edge.bench.verbs.options import add_engine_options, add_outputs, finish, progress_bar
from edge.contract.bundle import open_bundle
from edge.contract.spec import PRECISIONS
from edge.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--precision", choices=PRECISIONS)
    which.add_argument(
        "--interleave",
        metavar="P,P",
        help="precisions to measure side by side in one run; ratios are to the first",
    )
    add_engine_options(parser)
    add_outputs(parser)
    parser.add_argument("--min-queries", type=int, default=STANDARD.min_queries)
    parser.add_argument("--min-seconds", type=float, default=STANDARD.min_seconds)


def main(args: argparse.Namespace) -> int:
    """Measure, write and print."""
    from edge.bench.engine import measure_engines
    from edge.bench.report import html_report
    from edge.engines.choose import open_engine

    precisions = [args.precision] if args.precision else args.interleave.split(",")
    unknown = sorted(set(precisions) - set(PRECISIONS))
    if unknown or len(set(precisions)) != len(precisions):
        raise UsageError(
            f"--interleave {args.interleave}: expected different ones of {', '.join(PRECISIONS)}"
        )
    bundle = open_bundle(args.bundle)
    names = ("threads", "spin", "min_queries", "min_seconds")
    with progress_bar("single stream") as progress:
        result = measure_engines(
            bundle,
            precisions,
            lambda precision: open_engine(bundle, precision, threads=args.threads, spin=args.spin),
            Rule(min_queries=args.min_queries, min_seconds=args.min_seconds),
            {name: getattr(args, name) for name in names},
            progress,
        )
    return finish(result, html_report(result), args)
