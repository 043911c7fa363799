"""How well a marked lesion is followed, on synthetic sweeps with their truth.

Examples:
  sonocart follow
  sonocart follow --sweeps 40 --seed 7000 --json
  sonocart follow --live 6

The lesion is marked where the sweep cuts it largest, by its true box and by four boxes as hands draw them:
each side 0.7 to 1.6 times the lesion's, the centre off by up to a quarter of a side. It is followed to both
ends, at 30 pictures a second. What is shown is compared with the drawn box, moved and scaled as the true one
is. It is also measured how well the depth scale is read, and with it the lesion's size. With --live some
lesions are marked at random times too, and followed for 20 seconds: probe held still, and swept slowly.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--sweeps", type=int, default=20, metavar="N", help="lesions, default 20")
    parser.add_argument("--seed", type=int, default=7000, help="of the first patient, default 7000")
    parser.add_argument("--live", type=int, default=0, metavar="N", help="lesions followed live, default 0")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
