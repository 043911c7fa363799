"""Make, judge and measure every precision that this machine can run, and name the fastest that passes.

Missing precisions are calibrated with the study; where there is a GPU with TensorRT, engines are built too.
Then all of them run interleaved, one query after the other. FP32 is the reference and always passes. A
precision on which the study has too few malignant cases to tell is measured, but never advised. What is made
drops the bundle's signature: sign again.

Examples:
  sonocart advise runs/bundle --frames studies/phantom
  sonocart advise runs/bundle --frames studies/phantom --queries 5000 --json
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="made by sonocart export")
    parser.add_argument(
        "--frames", type=Path, required=True, metavar="STUDY", help="the study that the model was made with"
    )
    parser.add_argument(
        "--queries", type=int, default=1000, metavar="N", help="of each precision (default 1000)"
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
