"""Judge a way of training by cross-validation: `sonocart crossval STUDY --out FOLDER`.

The study is divided into folds that share no patient and no near-duplicate; images with contradicting labels
are left out. For each seed and fold a classifier is learnt as `sonocart train` learns it, on the other folds
alone: early stopping, the kernel machines' costs and reaches, their share, temperature and thresholds are all
chosen within them. Then the fold is judged. A manifest with a column `fold` (`sonocart study split --folds`)
keeps its folds for every seed; else each seed draws new ones.

A fold that is done is not done again: after a kill, or to add seeds, give the same command with --resume.

Examples:
  sonocart crossval study --out cv
  sonocart crossval study/folds.csv --out cv --seeds 3 --resume
  sonocart crossval study --out cv --network compact --members 1 --json > cv.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from export.arguments.learning import add_crossing_arguments, add_learning_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder for results")
    add_learning_arguments(parser)
    add_crossing_arguments(parser)
