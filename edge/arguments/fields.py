"""Try the field finder in noise: how often the field is found, how well, and how much text a mask would keep.

Examples:
  sonocart fields
  sonocart fields --seed 40 --screens 32 --noise 0,4,12 --json
  sonocart fields --clip scan.mp4@264,62,752,840 --clip still.dcm@371,22,1341,1433

Noise is that of an analogue converter: another value for each pixel and picture, over the whole screen,
white or smoothed along the lines. Without --clip, synthetic screens are made: linear and sector probes, both
layouts, four sizes, sweeps and still probes. A clip is given with its true field. Text is what stands out
from the ground outside the true field; above it is the header, with the patient's name. Exit code 1 if any
of the header is kept.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--clip", action="append", metavar="SOURCE@X,Y,W,H", help="with its true field; repeatable"
    )
    parser.add_argument(
        "--screens", type=int, default=16, metavar="N", help="synthetic ones, at most 32, default 16"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first patient, default 1")
    parser.add_argument(
        "--noise",
        default="0,2,4,8,12,20",
        metavar="SD,...",
        help="standard deviations in grey levels, default %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
