"""Judge a bundle on cases that it has never met: `sonocart evaluate BUNDLE STUDY`.

Of the study that the bundle was made with, only the test part is used; of any other study, every image. All
proportions come from one confusion matrix at the bundle's operating point.

Examples:
  sonocart evaluate bundle study
  sonocart evaluate bundle study --precision int8 --point high-sensitivity
  sonocart evaluate bundle study --json > evaluation.json
  sonocart evaluate bundle study --report report.html --card CARD.md --prevalence 0.2
  sonocart evaluate bundle study --unlike thyroid/ eye.mp4

--report writes report.json beside report.html. --unlike asks how well pictures that the model was not made
for are told: the named ones, and test pictures with faults drawn into them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.contract.spec import PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder that sonocart export wrote")
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default fp32")
    parser.add_argument("--point", metavar="NAME", help="operating point (default: the bundle's own)")
    parser.add_argument("--report", type=Path, metavar="HTML", help="write a page for a clinical reviewer")
    parser.add_argument("--card", type=Path, metavar="MD", help="write the model card with these figures")
    parser.add_argument(
        "--unlike", type=Path, nargs="*", metavar="PATH", help="folders of images, images or clips"
    )
    parser.add_argument("--prevalence", type=float, metavar="P", help="of the clinic, for PPV and NPV there")
    parser.add_argument("--json", action="store_true", help="print JSON")
