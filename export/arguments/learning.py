"""What training, cross-validation and ablation are all told."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from export.architecture import NETWORKS
from export.recipe import Recipe

RECIPE = Recipe()
NETWORK, MEMBERS = "light", 5
"""What is trained unless told otherwise; docs/measurements/crossval-busi.md says why."""


def add_learning_arguments(
    parser: argparse.ArgumentParser, network: str | None = NETWORK, members: int = MEMBERS
) -> None:
    """Declare what cross-validation and ablation share with training; no `network`, no choice of it."""
    if network is not None:
        parser.add_argument(
            "--network",
            choices=NETWORKS,
            default=network,
            help=f"all but resnet18 suit few images (default {network})",
        )
    parser.add_argument(
        "--members", type=int, default=members, metavar="K", help=f"networks in the graph (default {members})"
    )
    parser.add_argument(
        "--init", type=Path, metavar="FILE", help="weights to start from, torchvision's names"
    )
    parser.add_argument(
        "--region",
        choices=("field", "lesion"),
        default="field",
        help="look at the ultrasound field (default) or at the lesion with its surroundings",
    )
    parser.add_argument(
        "--epochs", type=int, default=RECIPE.epochs, help=f"at most (default {RECIPE.epochs})"
    )


def add_crossing_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what cross-validation and ablation share."""
    parser.add_argument("--folds", type=int, default=5, metavar="K", help="default 5")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="repetitions (default 1)")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--jobs", type=int, default=cores, metavar="N", help="folds at once (default: cores)")
    parser.add_argument("--resume", action="store_true", help="keep the folds that are done")
    parser.add_argument("--json", action="store_true", help="print JSON")
