"""Look at a study before training, or at reported figures.

Examples:
  sonocart study check study --sheet pairs.png
  sonocart study split study --out study/split.csv --seed 1
  sonocart study split study --out study/folds.csv --folds 5
  sonocart study split study --out study/fold-2.csv --folds 5 --test-fold 2
  sonocart study figures --accuracy 0.8544 --sensitivity 0.8667 --specificity 0.8627 --ppv 0.701
    --npv 0.915 --auc 0.863 --n 98 --parts 698,197,98 --total 984
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.subverbs import add_verb
from export.consistency import MAX_N, PROPORTIONS

_CHECK = """Print what a study holds, its near-duplicates (copies, crops, mirror images), contradicting labels
and burned-in marks by class; or, where images or lines of the manifest are broken, those. Exit code 65 then,
and where a split as it stands would leak or teach contradictions."""
_SPLIT = """Write a manifest whose column `part` (or `fold`) keeps patients and near-duplicates together, and
that train (or crossval) takes as it is."""
_FIGURES = """Say whether reported figures can come from one confusion matrix, and why not. Exit code 65 if
they cannot."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    verbs = parser.add_subparsers(dest="action", required=True, metavar="check|split|figures")
    check = add_verb(verbs, "check", "print what is wrong with a study", _CHECK, _check, __doc__)
    check.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    check.add_argument(
        "--sheet", type=Path, metavar="PNG", help="picture of the pairs found, doubtful ones first"
    )
    check.add_argument("--json", action="store_true", help="print JSON")
    split = add_verb(verbs, "split", "write a manifest with parts or folds", _SPLIT, _split, __doc__)
    split.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    split.add_argument("--out", type=Path, required=True, metavar="CSV", help="new manifest")
    split.add_argument("--seed", type=int, default=0, help="default 0")
    split.add_argument("--folds", type=int, metavar="K", help="folds instead of 71/20/10 parts")
    split.add_argument(
        "--test-fold",
        type=int,
        metavar="N",
        help="of the folds: parts, with fold N to test and the next to validate",
    )
    figures = add_verb(
        verbs, "figures", "can reported figures come from one confusion matrix?", _FIGURES, _figures, __doc__
    )
    for name in (*PROPORTIONS, "auc"):
        figures.add_argument(f"--{name}", metavar="P", help="as printed: 0.8667 or 86.67%%")
    figures.add_argument("--n", type=int, help=f"images that the figures are for, up to {MAX_N}")
    figures.add_argument("--parts", metavar="N,N,N", help="sizes of the parts of the split")
    figures.add_argument("--total", type=int, metavar="N", help="images in the whole study")
    figures.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    """Do what the subcommand says."""
    return int(args.run(args))


def _check(args: argparse.Namespace) -> int:
    from export.study_check import check

    return check(args.study, args.sheet, as_json=args.json)


def _split(args: argparse.Namespace) -> int:
    from export.study_split import split

    return split(args)


def _figures(args: argparse.Namespace) -> int:
    from export.study_figures import figures

    return figures(args)
