"""A manifest whose column `part` or `fold` keeps patients and near-duplicates together."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from pathlib import Path

from edge.atomic import new_file
from edge.contract.roi import Roi
from edge.errors import CannotCreateError, UsageError
from edge.study.cases import PARTS, Case
from edge.study.manifest import COLUMNS
from edge.study.parts import EXCLUDED
from edge.study.read import read_study
from export.grouping import group_study
from export.split import assign_folds, split_study


def split(args: argparse.Namespace) -> int:
    """Group, split, write and print the parts."""
    if args.out.exists():
        raise CannotCreateError(f"'{args.out}' exists already; choose another --out")
    if args.seed < 0 or (args.folds is not None and args.folds < 2):
        raise UsageError(f"found --seed {args.seed} --folds {args.folds}, expected 0 and 2 or more")
    if args.test_fold is not None and not 1 <= args.test_fold <= (args.folds or 0):
        raise UsageError(f"found --test-fold {args.test_fold}, expected 1 to the number that --folds gives")
    study = read_study(args.study)
    if args.folds is None:
        found = split_study(study, args.seed)
        column, values, notes = "part", found.parts, found.notes
    else:
        grouping = group_study(study)
        values = assign_folds(study, grouping, args.folds, args.seed)
        column, notes = "fold", grouping.notes
    for note in (*study.notes, *notes):
        print(f"note: {note}", file=sys.stderr)
    if args.test_fold is not None:
        role = {
            EXCLUDED: EXCLUDED,
            f"{args.test_fold}": "test",
            f"{args.test_fold % args.folds + 1}": "validation",
        }
        column, values = "part", tuple(role.get(fold, "train") for fold in values)
    with new_file(args.out) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file, [c for c in COLUMNS if c not in ("part", "fold")] + [column], lineterminator="\n"
        )
        writer.writeheader()
        for case, value in zip(study.cases, values, strict=True):
            if value != EXCLUDED:
                writer.writerow(_row(case, args.out.parent) | {column: value})
    for value in PARTS if column == "part" else sorted(set(values) - {EXCLUDED}):
        chosen = [case for case, own in zip(study.cases, values, strict=True) if own == value]
        print(f"{column} {value:<11} {len(chosen):>5} images, {sum(c.malignant for c in chosen)} malignant")
    return 0


def _row(case: Case, folder: Path) -> dict[str, object]:
    values: dict[str, object] = {
        name: getattr(case, name)
        for name in ("label", "patient", "pathology", "view", "scanner", "site", "px_per_mm", "frame")
    }
    values["path"] = Path(os.path.relpath(case.path, folder)).as_posix()
    for name, box in (("lesion", case.lesion), ("field", case.field)):
        if isinstance(box, Roi):
            sides = (box.x, box.y, box.width, box.height)
            values |= {f"{name}_{side}": value for side, value in zip("xywh", sides, strict=True)}
    return values
