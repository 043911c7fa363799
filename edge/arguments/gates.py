"""Try the gates: draw each fault into clips of every kind, and print how often it is found and how often good
pictures are withheld.

Examples:
  sonocart gates
  sonocart gates --clip clip.mp4 --clip still.dcm --json

Without --clip, synthetic clips are made: linear and sector probes, both screens, sweeps and a still probe. A
still picture (PNG, JPEG, DICOM) is played with some noise, as a probe held still. The faults are those that a
scanner's own modes draw, those of `faults:`, and a lesion that moves out of the field.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--clip", action="append", metavar="SOURCE", help="video or phantom:...; repeatable")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
