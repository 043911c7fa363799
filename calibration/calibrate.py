"""Write INT8 into a bundle's graph and report how far it departs from FP32.

Ranges come from images of the model's own training and validation parts, never from others; the agreement
is judged on images that the model has never met. The bundle is replaced only when everything holds.

Examples:
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8 --method percentile --json
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn

from calibration.agreement import compare, run_frames
from calibration.frames import MAX_FRAMES, calibration_set, load_tensors, thin
from calibration.graph import parse
from calibration.int8 import quantise
from calibration.ranges import METHODS
from calibration.report import CalibrationReport, describe, encode_report
from edge.contract.bundle import Bundle, NewFile, amend_bundle, cpu_file, model_file, open_bundle
from edge.engines.golden import RISK_TOLERANCE, golden_outputs, read_golden_tensors, run_golden
from edge.engines.onnx import OnnxEngine, reference_engine
from edge.errors import InternalError
from edge.study.cases import Study
from edge.study.parts import held_out, used_in_making
from edge.study.read import read_study

PRECISIONS = ("int8",)

Track = Callable[[str, int], Callable[[], None]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="made by sonocart export")
    parser.add_argument(
        "--frames", type=Path, required=True, metavar="STUDY", help="the study that the model was made with"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="int8", help="default: %(default)s")
    parser.add_argument(
        "--method",
        choices=("auto", *METHODS),
        default="auto",
        help="how a range follows from a histogram; auto measures all and takes the best (default)",
    )
    parser.add_argument("--keep", nargs="+", default=[], metavar="LAYER", help="layers that stay in FP32")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    bundle = open_bundle(args.bundle)
    study = read_study(args.frames)
    methods = METHODS if args.method == "auto" else (args.method,)
    with Progress(
        SpinnerColumn(),
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(file=sys.stderr),
    ) as progress:

        def track(title: str, steps: int) -> Callable[[], None]:
            task = progress.add_task(title, total=steps)
            return lambda: progress.advance(task)

        report = calibrate_int8(bundle, study, methods, args.keep, track)
    print(encode_report(report).decode() if args.json else describe(report))
    return 0


def calibrate_int8(
    bundle: Bundle, study: Study, methods: Collection[str], keep: Collection[str], track: Track
) -> CalibrationReport:
    """Add INT8 to `bundle`: graphs, golden outputs and the report, in one swap.

    Args:
        bundle: with FP32; replaced on disk.
        study: that the model was made with.
        methods: of `METHODS`, to be compared.
        keep: layers that stay in FP32.
        track: called with a title and a number of steps; gives the function to call after each step.

    Raises:
        DataError: the study is not the model's own, or nothing in it is left to judge on.
        InternalError: a rule of the audit or a golden frame does not hold. The bundle is as it was.
    """
    precision = "int8"
    spec = bundle.spec
    threads = len(os.sched_getaffinity(0))
    source = bundle.model("fp32")
    cases = thin(used_in_making(bundle, study), MAX_FRAMES)
    unseen = held_out(bundle, study)
    tensors = load_tensors(cases, spec.preprocessing, track("frames", len(cases)))
    frames = calibration_set(tensors, len(cases))
    made = quantise(parse(source), spec, frames, methods=methods, keep=keep, threads=threads, track=track)
    judged = OnnxEngine(made.engine, spec, precision, threads=threads, optimise=False)
    fused = OnnxEngine(made.cpu, spec, precision, threads=threads)

    test = load_tensors(unseen, spec.preprocessing, track("held-out frames", len(unseen)))
    malignant = np.array([case.malignant for case in unseen])
    threshold = spec.point().threshold
    step = track("agreement", 3 * len(unseen))
    reference = run_frames(reference_engine(bundle, "fp32", threads=threads), test, step)
    agreement, agreement_cpu = (
        compare(reference, run_frames(engine, test, step), malignant, threshold, name)
        for engine, name in ((judged, "graph as written"), (fused, f"fused, {fused.name}"))
    )

    golden = read_golden_tensors(bundle)
    outputs = run_golden(judged, golden)
    difference = float(np.abs(outputs.risk - run_golden(fused, golden).risk).max())
    if not difference <= RISK_TOLERANCE[precision]:
        raise InternalError(
            f"this machine's INT8 kernels differ by {difference:.4f} from the graph's own meaning on the "
            f"golden frames (allowed: {RISK_TOLERANCE[precision]}); the bundle was not changed"
        )
    report = CalibrationReport(
        precision=precision,
        model_sha256=hashlib.sha256(made.engine).hexdigest(),
        fp32_sha256=bundle.sha256(model_file("fp32")),
        bytes=len(made.engine),
        fp32_bytes=len(source),
        calibration_sha256=frames.sha256,
        calibration_images=frames.count,
        method=made.method,
        trials_db=dict(made.trials_db),
        quantised_layers=list(made.layers.quantised),
        kept_layers=list(made.layers.kept),
        agreement=agreement,
        agreement_cpu=agreement_cpu,
    )
    name = model_file(precision)
    amend_bundle(
        bundle,
        {
            name: NewFile(made.engine, model_file("fp32")),
            cpu_file(precision): NewFile(made.cpu, model_file("fp32")),
            f"reports/agreement.{precision}.json": NewFile(encode_report(report), name),
            **golden_outputs(precision, outputs),
        },
    )
    return report
