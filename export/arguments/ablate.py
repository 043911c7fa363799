"""Do feature images and measured features help? `sonocart ablate STUDY --out FOLDER`.

Two cross-validations on the same folds, one with and one without feature images, give four classifiers: the
fused network with both, with one of them, and with neither. Each difference is tested in pairs, on the same
images: DeLong for each seed, a bootstrap over patients or near-duplicate groups of the mean over seeds, and
the corrected t-test over folds (Nadeau and Bengio 2003). It is called beyond noise only where bootstrap and
t-test agree.

FOLDER/fused and FOLDER/measured are folders of `sonocart crossval` and may stem from it.

Examples:
  sonocart ablate study --out ablation
  sonocart ablate study --out ablation --seeds 3 --resume --json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from export.arguments.learning import add_crossing_arguments, add_learning_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder for results")
    add_learning_arguments(parser, network=None, members=3)
    add_crossing_arguments(parser)
