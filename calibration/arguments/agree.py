"""Compare a precision with FP32 on images that the models have never met, and hold it to the kit's aims.

Give one bundle, or one for each fold of a cross-validation: each is judged on its own held-out images, and
the figures are those of all images together. A study that shares no image with a bundle's own is judged
whole. It exits with 70 where an aim is missed. `make agreement STUDY=...` does all of it, fold by fold.

Examples:
  sonocart agree runs/bundle --frames studies/new-patients --precision int8
  sonocart agree runs/fold*/bundle --frames studies/busi --precision int8 --json
  sonocart agree runs/fold*/bundle --frames studies/busi --precision fp16
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.contract.spec import PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE", help="with the precision")
    parser.add_argument(
        "--frames", type=Path, required=True, metavar="STUDY", help="images and their pathology"
    )
    parser.add_argument("--precision", choices=PRECISIONS[1:], default="int8", help="default: %(default)s")
    parser.add_argument(
        "--kernels",
        action="store_true",
        help="judge what this machine's fused kernels give instead of the graph as written",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
