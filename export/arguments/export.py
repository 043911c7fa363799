"""Write a run as a bundle: `sonocart export RUN --out BUNDLE`.

The bundle has one ONNX file with everything inside (uint8 frame in; risk, heat map and ood out), golden
frames, the split, the training log and a model card. Torch and ONNX Runtime must agree,
or nothing is written (exit 70). It also keeps how far the risk varies over a lesion, measured on synthetic
sweeps; the interval of the live risk rests on it.

Examples:
  sonocart export runs/first --out bundle
  sonocart export runs/first --out bundle --no-spread
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder that sonocart train wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="new folder for the bundle")
    parser.add_argument("--name", help="of the model, for the screen and reports (default: the run's folder)")
    parser.add_argument(
        "--no-spread",
        dest="spread",
        action="store_false",
        help="leave the interval's spread to be assumed, or to sonocart coverage --fit",
    )
