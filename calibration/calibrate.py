"""Write a lower precision into a bundle's graph and judge what it costs against FP32.

int8 and fp16 put their types into the graph itself, so one file serves TensorRT 10.3 to 11 and this
machine's reference. Ranges come from images of the model's own training and validation parts, never from
others; the verdict from images that the model has never met. The bundle is replaced only when everything
holds: the graph's rules, the golden frames, and the clinical gate.

Examples:
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8+fp16 --method percentile --json
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8 --rank-layers
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8 --keep node_conv2d_3
"""

from __future__ import annotations

import argparse
from pathlib import Path

from calibration.lower import MIN_SQNR_DB, Request, lower
from calibration.ranges import METHODS
from calibration.report import describe, encode_report
from calibration.track import progress_bars
from edge.contract.bundle import open_bundle
from edge.contract.spec import PRECISIONS
from edge.errors import UsageError
from edge.study.read import read_study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="made by sonocart export")
    parser.add_argument(
        "--frames", type=Path, required=True, metavar="STUDY", help="the study that the model was made with"
    )
    parser.add_argument("--precision", choices=PRECISIONS[1:], default="int8", help="default: %(default)s")
    parser.add_argument(
        "--method",
        choices=("auto", *METHODS),
        default="auto",
        help="how an INT8 range follows from a histogram; auto measures all and takes the best (default)",
    )
    parser.add_argument(
        "--keep", nargs="+", default=[], metavar="LAYER", help="layers that stay in higher precision"
    )
    parser.add_argument(
        "--min-sqnr",
        type=float,
        default=MIN_SQNR_DB,
        metavar="DB",
        help="keep the most sensitive layers too, until risk and heat map are this close to FP32's; 0 keeps "
        "none (default %(default)g)",
    )
    parser.add_argument(
        "--rank-layers", action="store_true", help="measure each INT8 layer alone, the most sensitive first"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    if args.precision == "fp16" and (args.method != "auto" or args.rank_layers):
        raise UsageError("--method and --rank-layers are about INT8 ranges; leave them out with fp16")
    request = Request(
        precision=args.precision,
        methods=METHODS if args.method == "auto" else (args.method,),
        keep=tuple(args.keep),
        min_sqnr_db=args.min_sqnr,
        rank_layers=args.rank_layers,
    )
    bundle = open_bundle(args.bundle)
    study = read_study(args.frames)
    with progress_bars() as track:
        report = lower(bundle, study, request, track)
    print(encode_report(report).decode() if args.json else describe(report))
    return 0
