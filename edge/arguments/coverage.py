"""How often the interval of the running risk holds what it is for, on synthetic sweeps over many lesions.

Examples:
  sonocart coverage bundle
  sonocart coverage bundle --sweeps 120 --seed 9000 --json
  sonocart coverage bundle --fit

Each sweep passes over a whole lesion of another synthetic patient; the network is asked about every picture
that cuts the lesion. What the interval is for is the mean of these risks, over their logits. The sweep is
then played from a random place, in a random direction, at several speeds, and the interval is looked at on
the way.
Exit code 1 if its coverage is more than 3 points off what it says.

--fit measures on other lesions how far this model's risk varies over one, and writes it into the bundle,
where the cart reads it; sign afterwards. `sonocart export` has done so unless it was told not to.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.contract.spec import PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by sonocart export")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default fp32")
    parser.add_argument("--sweeps", type=int, default=60, metavar="N", help="lesions, default 60")
    parser.add_argument("--seed", type=int, default=9000, help="of the first patient, default 9000")
    parser.add_argument("--fit", action="store_true", help="measure the model's spread and keep it")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
