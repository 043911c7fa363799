"""Look at a study before training, or at reported figures: `sonocart study check | split | figures`.

check prints what a study holds, its near-duplicates (copies, crops, mirror images), contradicting labels and
burned-in marks by class; it exits with 65 where a split would leak. split writes a manifest whose column
`part` (or `fold`) keeps patients and near-duplicates together, and that train (or crossval) takes as it is.
figures says whether reported figures can come from one confusion matrix, and why not; it exits with 65 if
they cannot.

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
import csv
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from edge.atomic import new_file
from edge.contract.roi import Roi
from edge.errors import CannotCreateError, DataError, UsageError
from edge.study.cases import LABELS, OTHER_LABELS, PARTS, Case, Study
from edge.study.images import read_image
from edge.study.manifest import COLUMNS
from edge.study.parts import EXCLUDED
from edge.study.read import read_study
from export.check import Findings, check_study
from export.consistency import MAX_N, PROPORTIONS, Reported, objections
from export.duplicates import near_duplicates
from export.progress import bar
from export.sheet import write_pairs
from export.split import assign_folds, group_study, split_study

SHOWN = 12  # findings of a kind that are printed by name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    verbs = parser.add_subparsers(dest="action", required=True, metavar="check|split|figures")
    check = verbs.add_parser("check", help="print what is wrong with a study")
    check.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    check.add_argument("--sheet", type=Path, metavar="PNG", help="write the pairs found as a contact sheet")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(action=_check)
    split = verbs.add_parser("split", help="write a manifest with parts or folds")
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
    split.set_defaults(action=_split)
    figures = verbs.add_parser("figures", help="can reported figures come from one confusion matrix?")
    for name in (*PROPORTIONS, "auc"):
        figures.add_argument(f"--{name}", metavar="P", help="as printed: 0.8667 or 86.67%%")
    figures.add_argument("--n", type=int, help=f"images that the figures are for, up to {MAX_N}")
    figures.add_argument("--parts", metavar="N,N,N", help="sizes of the parts of the split")
    figures.add_argument("--total", type=int, metavar="N", help="images in the whole study")
    figures.add_argument("--json", action="store_true", help="print JSON")
    figures.set_defaults(action=_figures)


def main(args: argparse.Namespace) -> int:
    """Do what the subcommand says."""
    return int(args.action(args))


def _check(args: argparse.Namespace) -> int:
    study = read_study(args.study, (*LABELS, *OTHER_LABELS))
    images = [read_image(case.path, case.frame) for case in study.cases]
    with bar("comparing images", 2 * len(images)) as step:
        findings = check_study(study, images, near_duplicates(images, step))
    if args.sheet and findings.pairs:
        pairs = sorted(findings.pairs, key=lambda pair: pair.correlation)  # the doubtful ones first
        captions = [f"{p.correlation:.2f} {p.found_by}{' mirrored' * p.mirrored}" for p in pairs]
        write_pairs(
            args.sheet,
            [(images[p.first], images[p.second], text) for p, text in zip(pairs, captions, strict=True)],
        )
    names = [_name(study, case) for case in study.cases]
    print(json.dumps(_json(findings, names), indent=2) if args.json else _text(study, findings, names))
    return DataError.exit_code if findings.grave else 0


def _split(args: argparse.Namespace) -> int:
    if args.out.exists():
        raise CannotCreateError(f"'{args.out}' exists already; choose another --out")
    if args.seed < 0 or (args.folds is not None and args.folds < 2):
        raise UsageError(f"found --seed {args.seed} --folds {args.folds}, expected 0 and 2 or more")
    if args.test_fold is not None and not 1 <= args.test_fold <= (args.folds or 0):
        raise UsageError(f"found --test-fold {args.test_fold}, expected 1 to the number that --folds gives")
    study = read_study(args.study)
    if args.folds is None:
        split = split_study(study, args.seed)
        column, values, notes = "part", split.parts, split.notes
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


def _figures(args: argparse.Namespace) -> int:
    try:
        given = [Reported.parse(name, text) for name in PROPORTIONS if (text := getattr(args, name))]
        auc = Reported.parse("auc", args.auc) if args.auc else None
        parts = [int(part) for part in args.parts.split(",")] if args.parts else []
    except ValueError as error:
        raise UsageError(
            f"found {error}, expected proportions such as 0.8667 or 86.67% and parts N,N,N"
        ) from error
    if args.n is not None and not 2 <= args.n <= MAX_N:
        raise UsageError(f"found --n {args.n}, expected 2 to {MAX_N}")
    if not given and not parts:
        raise UsageError("no figures given. Run: sonocart study figures --help")
    found = objections(given, auc, args.n, parts, args.total)
    if args.json:
        print(json.dumps({"possible": not found, "objections": found}, indent=2))
    elif found:
        print(f"These figures cannot all be true ({len(found)} objections):")
        print("\n".join(f"- {sentence}" for sentence in found))
    else:
        print("Nothing speaks against these figures: one confusion matrix can give them all.")
    return DataError.exit_code if found else 0


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


def _name(study: Study, case: Case) -> str:
    return Path(os.path.relpath(case.path, study.root)).as_posix() + (f" #{case.frame}" if case.frame else "")


def _text(study: Study, findings: Findings, names: list[str]) -> str:
    def listed(groups: Sequence[Sequence[int]]) -> list[str]:
        return [" " * 20 + ", ".join(names[index] for index in members) for members in groups[:SHOWN]]

    counts = ", ".join(f"{number} {label}" for label, number in findings.labels.items())
    patients = len({case.patient for case in study.cases}) if study.patients_known else "not named"
    mirrored = sum(pair.mirrored for pair in findings.pairs)
    found = f"{len(findings.pairs)} pairs, {mirrored} mirrored, {len(findings.groups)} groups"
    lines = [
        f"images              {len(study.cases)}: {counts}",
        f"patients            {patients}",
        *(f"note                {note}" for note in study.notes),
        f"near-duplicates     {found}",
        f"contradictions      {len(findings.contradicting)} groups with different labels",
        *listed(findings.contradicting),
    ]
    if study.patients_known:
        lines.append(f"between patients    {len(findings.between_patients)} near-duplicate pairs")
        lines += listed([(pair.first, pair.second) for pair in findings.between_patients])
    if findings.in_two_parts:
        lines.append(f"in two parts        {len(findings.in_two_parts)} pairs that belong together")
        lines += listed(findings.in_two_parts)
    lines += [
        f"{mark.kind:<19} {mark.benign:.1%} of benign, {mark.malignant:.1%} of malignant images"
        f" (p {mark.p_value:.2g}){'  <- tells the class' if mark.p_value < 0.01 else ''}"
        for mark in findings.shortcuts
    ]
    return "\n".join(lines)


def _json(findings: Findings, names: list[str]) -> dict[str, object]:
    return {
        "labels": findings.labels,
        "near_duplicates": [
            asdict(pair) | {"first": names[pair.first], "second": names[pair.second]}
            for pair in findings.pairs
        ],
        "groups": len(findings.groups),
        "contradicting": [[names[index] for index in members] for members in findings.contradicting],
        "between_patients": [[names[p.first], names[p.second]] for p in findings.between_patients],
        "in_two_parts": [[names[first], names[second]] for first, second in findings.in_two_parts],
        "marks": [asdict(shortcut) for shortcut in findings.shortcuts],
        "grave": findings.grave,
    }
