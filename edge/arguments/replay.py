"""Run a black box's recording again: prepare, network and evidence, compared bit by bit.

Examples:
  sonocart replay blackbox-000001-20310301T101500.sono bundle
  sonocart replay blackbox-000001-20310301T101500.sono bundle --operating-point high-sensitivity --json

Exit code 1 if anything differs, but for one grey level in a tensor that a GPU made: that is said. Another
machine or runtime may round otherwise; then the first difference and the largest are named.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="written by the cart's black box")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle that ran")
    parser.add_argument("--operating-point", metavar="NAME", help="what another one would have said")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
