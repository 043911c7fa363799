"""Write the passport of a bundle on this machine: what an engineer files when an engine is qualified.

It names every file by its hash, who signed it, the calibration set, the clinical gate's figures for each
precision, the engines with what really runs in which precision, this machine with clocks and power mode, and
the latency measured now by the bench's rule. Nothing of it is written into the bundle, so a signature stays.

Examples:
  sonocart passport runs/bundle --out passports/cart-3
  sonocart passport runs/bundle --out passports/cart-3 --trust /etc/sonocart/trust --queries 10000
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder for passport.json and .html"
    )
    parser.add_argument("--trust", type=Path, metavar="DIR", help="folder with the trusted .pub files")
    parser.add_argument(
        "--queries", type=int, default=1000, metavar="N", help="of each precision (default 1000)"
    )
    parser.add_argument("--json", action="store_true", help="print the passport as JSON too")
