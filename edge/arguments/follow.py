"""How well a marked lesion is followed, on synthetic sweeps with their truth.

Examples:
  sonocart follow
  sonocart follow --sweeps 40 --seed 7000 --json

The lesion is marked by its true box where the sweep cuts it largest, and followed to both ends, at 30
pictures a second. It is also measured how well the depth scale is read, and with it the lesion's size.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--sweeps", type=int, default=20, metavar="N", help="lesions, default 20")
    parser.add_argument("--seed", type=int, default=7000, help="of the first patient, default 7000")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
