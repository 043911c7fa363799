"""List capture cards: formats, sizes, rates, what arrives, USB speed, and who has them open.

Examples:
  sonocart devices
  sonocart devices --json

The first column of each card is what `sonocart run BUNDLE --source` takes. Exit code 69 if there is none.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
