"""Write a lower precision into a bundle's graph and judge what it costs against FP32."""

from __future__ import annotations

import argparse

from calibration.lower import lower
from calibration.report import describe, encode_report
from calibration.request import METHODS, Request
from calibration.track import progress_bars
from edge.contract.bundle import open_bundle
from edge.contract.signature_loss import telling_of_signature
from edge.errors import UsageError
from edge.study.read import read_study


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    if args.precision == "fp16" and (args.method != "auto" or args.rank_layers):
        raise UsageError("--method and --rank-layers are about INT8 ranges; leave them out with fp16")
    if args.precision == "fp16" and not isinstance(args.keep, tuple):
        raise UsageError(f"--keep {args.keep} ranks INT8 layers; with fp16 give names")
    request = Request(
        precision=args.precision,
        methods=METHODS if args.method == "auto" else (args.method,),
        keep=args.keep,
        min_sqnr_db=args.min_sqnr,
        rank_layers=args.rank_layers,
    )
    bundle = open_bundle(args.bundle)
    study = read_study(args.frames)
    with telling_of_signature(args.bundle), progress_bars() as track:
        report = lower(bundle, study, request, track)
    print(encode_report(report).decode() if args.json else describe(report))
    return 0
