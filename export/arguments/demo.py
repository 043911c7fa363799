"""All of the kit on a synthetic study: phantom, training, export, INT8, evaluation, live overlay.

Each step is the command that you would type, printed before it runs. What is there already is kept, so a
second start is live within seconds; --fresh begins anew.

Examples:
  sonocart demo                      until Ctrl-C, with the page on http://127.0.0.1:8765
  sonocart demo --seconds 20         ends by itself
  sonocart demo --out /tmp/try --fresh
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder for everything (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, help="end after so long on air; default: until Ctrl-C")
    parser.add_argument("--patients", type=int, default=240, help="size of the study (%(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of study, video and training (%(default)s)")
    parser.add_argument("--page", default="127.0.0.1:8765", help="where the page listens (%(default)s)")
    parser.add_argument("--fresh", action="store_true", help="begin anew instead of keeping what is there")
