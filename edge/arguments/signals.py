"""Try the signal's state machine: play scripted cases and print how often each state is told from the others.

Examples:
  sonocart signals
  sonocart signals --cases 1000 --json

A case is a sweep that turns after a while into a probe held still, a freeze, a stall or a lost signal, or
goes on; and then sweeps again. Rate, jitter, the scanner's own picture rate, re-encoding and the moment are
drawn by the case's number. Exit code 1 if less than 99 % of the states are right one second after the turn,
or if one case is not live again two seconds after its end.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--cases", type=int, default=100, metavar="N", help="of each kind (default 100)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
