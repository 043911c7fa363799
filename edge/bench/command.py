"""Measure latency honestly, and compare two measurements.

Examples:
  sonocart bench engine runs/demo/bundle --precision int8
  sonocart bench engine runs/demo/bundle --interleave fp32,int8 --out before
  sonocart bench threads runs/demo/bundle --precision int8
  sonocart bench pipeline runs/demo/bundle --source runs/demo/clip.mp4 --against naive
  sonocart bench pipeline runs/demo/bundle --source runs/demo/clip.mp4 --pace live --json
  sonocart bench start runs/demo/bundle --runs 5
  sonocart bench glass runs/demo/bundle --seconds 30
  sonocart bench soak runs/demo/bundle --source runs/demo/clip.mp4 --minutes 30 --faults 1
  sonocart bench viewers runs/demo/bundle
  sonocart bench overlay
  sonocart bench compare before/result.json after/result.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

from edge.atomic import require_new_folder
from edge.subverbs import add_verb

BENCHES = {
    "engine": "latency of the engine alone",
    "threads": "threads and spinning, by measurement",
    "pipeline": "the whole way of a frame",
    "start": "cold start of sonocart run",
    "glass": "from a picture's showing to its presentation",
    "soak": "does it stay as it began?",
    "viewers": "what visitors of the page cost",
    "overlay": "the overlay beside a blend",
    "compare": "regression verdict on two results",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `bench`'s own verbs, each of a file in `edge/bench/verbs`."""
    verbs = parser.add_subparsers(title="benches", dest="bench", required=True, metavar="BENCH")
    for name, summary in BENCHES.items():
        verb = import_module(f"edge.bench.verbs.{name}")
        verb.add_arguments(add_verb(verbs, name, summary, str(verb.__doc__), verb.main, __doc__))


def main(args: argparse.Namespace) -> int:
    """Run the chosen bench."""
    if getattr(args, "out", None) is not None:
        require_new_folder(args.out)
    run: Callable[[argparse.Namespace], int] = args.run
    return run(args)
