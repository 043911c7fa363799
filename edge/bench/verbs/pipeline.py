"""The cart's own loop on a video, as fast as it goes, every frame analysed and encoded, in turns
with its floor (copy, luma preprocessing, engine alone, panel, JPEG from planes) and, with --against naive,
with the loop that most people would write. Ratios come from one interleaved run.
"""

from __future__ import annotations

import argparse

from edge.bench.verbs.options import add_engine_options, add_model, add_outputs, finish, progress_bar
from edge.contract.bundle import open_bundle
from edge.errors import UsageError
from edge.sources.pace import Pace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_model(parser)
    parser.add_argument("--source", required=True, help="a video file, or phantom: for the synthetic scanner")
    parser.add_argument(
        "--against",
        metavar="KIND,KIND",
        help="also loops that others write: naive (ONNX Runtime), openvino, ultralytics, where installed",
    )
    parser.add_argument(
        "--pace",
        type=Pace,
        choices=list(Pace),
        default=Pace.MAX,
        metavar="{live,max}",
        help="max: every frame as fast as possible, beside the floor; live: latency at the source's own rate",
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="of the run, at least (default: 30)")
    add_engine_options(parser)
    add_outputs(parser)


def main(args: argparse.Namespace) -> int:
    """Measure, write and print."""
    from edge.bench.clip import as_clip
    from edge.bench.live import STAGES as LIVE_STAGES
    from edge.bench.live import TRACKS as LIVE_TRACKS
    from edge.bench.live import measure_live
    from edge.bench.peers import PACKAGES
    from edge.bench.pipeline import FLOOR, PRODUCT, STAGES, measure_pipeline
    from edge.bench.report import html_report
    from edge.bench.setup import Setup
    from edge.sources.open import open_source

    if args.against and args.pace is Pace.LIVE:
        raise UsageError("--against needs --pace max: loops take turns as fast as they go")
    setup = Setup(open_bundle(args.bundle), args.precision, args.threads, args.spin)
    settings = {name: getattr(args, name) for name in ("threads", "spin", "seconds", "against")}
    if args.pace is Pace.LIVE:
        source = open_source(args.source, pace=Pace.LIVE, repeat=True)
        with progress_bar("live") as progress:
            result = measure_live(setup, source, args.seconds, settings, progress)
        return finish(result, html_report(result, LIVE_STAGES, LIVE_TRACKS), args)
    against = list(dict.fromkeys(args.against.split(","))) if args.against else []
    unknown = [kind for kind in against if kind not in PACKAGES]
    if unknown:
        raise UsageError(f"--against {','.join(unknown)}: expected {', '.join(PACKAGES)}")
    with as_clip(args.source) as clip, progress_bar("turns") as progress:
        result = measure_pipeline(setup, clip, against, args.seconds, settings, progress)
    others = dict.fromkeys(found.reference for found in result.comparisons if found.reference != FLOOR)
    return finish(result, html_report(result, STAGES, [PRODUCT, *others]), args)
