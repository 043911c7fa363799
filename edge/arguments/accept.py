"""Site acceptance: play local cases with pathology through the whole pipeline and print how it does.

Each case is a still or a clip. It goes through capture, gates, preparation, network and evidence as at the
cart, and its risk is the one that the screen would have shown with the most frames behind it; where none was
shown, the case counts as withheld, with the reason.

Examples:
  sonocart accept bundle --cases cases
  sonocart accept bundle --cases cases/manifest.csv --precision int8 --report accept.html
  sonocart accept bundle --cases cases --baseline /var/lib/sonocart/baseline.json --json

CASES is a folder with benign/ and malignant/, or with a manifest.csv (path,label,...), of images and clips.
The site's sensitivity and specificity are held against what the operating point promised on the images that
it was chosen on: as promised (at most 10 points below, with 95 % certainty), below, or too few cases to tell.
Name the patients in a manifest (column patient): several cases of one patient do not tell more than one does.
Exit code 1 if one is below the promise, or if not a single case was given a risk.
The baseline is what drift is watched against: the risks' distribution at this site, on this bundle. None is
written where no case was given a risk.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.contract.spec import PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by sonocart export")
    parser.add_argument("--cases", type=Path, required=True, metavar="DIR", help="folder or manifest.csv")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default fp32")
    parser.add_argument("--operating-point", metavar="NAME", help="default: the model's own")
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="a page for the site's file")
    parser.add_argument("--baseline", type=Path, metavar="OUT.json", help="what drift is watched against")
    parser.add_argument("--json", action="store_true", help="print the figures and every case as JSON")
