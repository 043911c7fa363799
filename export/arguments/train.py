"""Train a classifier on a study: `sonocart train STUDY --out RUN`.

STUDY is a folder with manifest.csv, or with the folders benign/ and malignant/. It is split into training,
validation and test part by patient (or by near-duplicate group where no patients are named); the test part is
not looked at before `sonocart evaluate`.

What is trained without options suits a few hundred to a thousand images: five networks and a kernel machine
over measures, as one graph. Training and validation part are divided into five, and a network is trained
without each fifth. Temperature and thresholds are chosen on the images that each had not learnt: five times
as many as a network's validation part has, so they carry over better. --members 1 trains one network on the
training part alone and keeps the epoch that is best on the validation part.

Examples:
  sonocart train study --out runs/first
  sonocart train study --out runs/resnet --network resnet18 --init resnet18.safetensors --members 1
  sonocart train study --out runs/quick --network compact --members 1
  sonocart train study --out runs/first --resume
  torchrun --nproc_per_node 2 -m edge train study --out runs/two-gpus
"""

from __future__ import annotations

import argparse
from pathlib import Path

from export.arguments.learning import add_learning_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="new folder for the run")
    add_learning_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="of split and training (default 0)")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
