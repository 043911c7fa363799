"""Write a lower precision into a bundle's graph and judge what it costs against FP32.

int8 and fp16 put their types into the graph itself, so one file serves TensorRT 10.3 to 11 and this
machine's reference. Ranges come from images of the model's own training and validation parts, never from
others; the verdict from images that the model has never met. The bundle is replaced only when everything
holds: the graph's rules, the golden frames, and the clinical gate. The change drops its
signature: sign again.

Head, first layer and residual shortcuts always stay in FP32: a twentieth of the work, and most of the error.
Where INT8 misses --min-sqnr all the same, the most sensitive layers are named with what keeping them would
give and cost; --keep does it.

Examples:
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8+fp16 --method percentile --json
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8 --rank-layers
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8 --keep auto
  sonocart calibrate runs/bundle --frames studies/phantom --precision int8 --keep node_Conv_188,node_Conv_190
"""

from __future__ import annotations

import argparse
from pathlib import Path

from calibration.request import METHODS, MIN_SQNR_DB, Keep
from edge.contract.spec import PRECISIONS


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
        "--keep",
        type=_keep,
        default=(),
        metavar="WHICH",
        help="layers that stay in FP32 too: names with commas between, N for the N most sensitive ones, or "
        "auto for as many as --min-sqnr takes, while half of the multiplications stay INT8 (default: none)",
    )
    parser.add_argument(
        "--min-sqnr",
        type=float,
        default=MIN_SQNR_DB,
        metavar="DB",
        help="how close risk and heat map are to be to FP32's on calibration frames (default %(default)g)",
    )
    parser.add_argument(
        "--rank-layers", action="store_true", help="table of the layers, each measured alone in INT8"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _keep(text: str) -> Keep:
    if text == "auto":
        return "auto"
    return int(text) if text.isdecimal() else tuple(text.split(","))
