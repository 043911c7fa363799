"""ONNX Runtime with 1, 2, 4 ... threads, sleeping and spinning, in turns on this machine, and what to write
into the cart's configuration: the fastest of the settings that waste no CPU time. TensorRT needs no choice.
"""

from __future__ import annotations

import argparse
import sys

from edge.bench.verbs.options import add_model, add_outputs, finish, progress_bar
from edge.contract.bundle import open_bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_model(parser)
    add_outputs(parser)
    parser.add_argument("--min-queries", type=int, default=300, help="of each setting (default: 300)")
    parser.add_argument("--min-seconds", type=float, default=3.0, help="of each setting (default: 3)")


def main(args: argparse.Namespace) -> int:
    """Measure, write and print."""
    from edge.bench.environment import read_environment
    from edge.bench.report import html_report
    from edge.bench.rule import Rule
    from edge.bench.threads import measure_threads, settings_for
    from edge.engines.onnx import onnx_engine

    bundle = open_bundle(args.bundle)
    with progress_bar("threads") as progress:
        chosen, result = measure_threads(
            bundle,
            args.precision,
            settings_for(read_environment().cores_allowed),
            lambda tried: onnx_engine(bundle, args.precision, threads=tried.threads, spin=tried.spin),
            Rule(args.min_queries, args.min_seconds),
            {name: getattr(args, name) for name in ("min_queries", "min_seconds")},
            progress,
        )
    code = finish(result, html_report(result), args)
    words = f"threads = {chosen.threads}\nspin = {str(chosen.spin).lower()}"
    print(f"\nfor the configuration:\n[model]\n{words}", file=sys.stderr)
    return code
