"""Do feature images and measured features help? `sonocart ablate STUDY --out FOLDER`."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edge.errors import DataError
from export.crossval import cross_validate
from export.crossval_report import ALL, Pooled, fold_auc
from export.fold import FoldResult
from export.statistics import compare_auc, corrected_t_test

WITH, WITHOUT = "fused", "measured"
LEVEL = 0.05


class Cell(NamedTuple):
    """A classifier of the ablation: a cross-validation, and the branch of it that speaks."""

    network: str
    branch: str


CELLS = {
    "feature images and measures": Cell(WITH, ALL),
    "feature images": Cell(WITH, "network"),
    "measures": Cell(WITHOUT, ALL),
    "neither": Cell(WITHOUT, "network"),
    "measures without a network": Cell(WITH, "measures"),
}
QUESTIONS = (
    ("do feature images help the network?", "feature images", "neither"),
    ("do they help beside measures?", "feature images and measures", "measures"),
    ("do measures help the network?", "measures", "neither"),
    ("do they help beside feature images?", "feature images and measures", "feature images"),
    ("do both help the network?", "feature images and measures", "neither"),
    ("does the network help the measures?", "feature images and measures", "measures without a network"),
)


def main(args: argparse.Namespace) -> int:
    """Run what is missing of both cross-validations, and print areas, differences and verdicts."""
    results = {network: cross_validate(args, network, args.out / network) for network in (WITH, WITHOUT)}
    report = compare(results)
    print(json.dumps(report, indent=2) if args.json else _table(report))
    return 0


def compare(results: Mapping[str, Sequence[FoldResult]]) -> dict[str, Any]:
    """Areas of all `CELLS` and the answers to all `QUESTIONS`, ready for JSON.

    Raises:
        DataError: the two cross-validations did not judge the same images in the same folds.
    """
    judged = [[(r.seed, r.fold, r.images, r.malignant, r.groups) for r in own] for own in results.values()]
    if judged[0] != judged[1]:
        raise DataError(
            f"'{WITH}' and '{WITHOUT}' have other images, groups or folds and cannot be compared in pairs; "
            "begin anew with another --out"
        )
    pooled = {network: Pooled(own) for network, own in results.items()}
    return {
        "seeds": len({result.seed for result in results[WITH]}),
        "folds": len(results[WITH]),
        "images": len(pooled[WITH].malignant),
        "groups": len(set(pooled[WITH].groups)),
        "auc": {name: pooled[cell.network].mean_auc(cell.branch).json() for name, cell in CELLS.items()},
        "answers": [
            {"question": question, "with": more, "without": less}
            | _answer(results, pooled, CELLS[more], CELLS[less])
            for question, more, less in QUESTIONS
        ],
    }


def _answer(
    results: Mapping[str, Sequence[FoldResult]], pooled: Mapping[str, Pooled], more: Cell, less: Cell
) -> dict[str, Any]:
    first, second = pooled[more.network], pooled[less.network]
    difference = first.difference(more.branch, second, less.branch)
    by_fold = [
        fold_auc(one, more.branch) - fold_auc(other, less.branch)
        for one, other in zip(results[more.network], results[less.network], strict=True)
    ]
    judged = sum(len(result.images) for result in results[more.network])
    learnt = sum(result.learnt for result in results[more.network])
    over_folds, p_folds = corrected_t_test(by_fold, judged / learnt)
    rows = zip(first.risks[more.branch], second.risks[less.branch], strict=True)
    delong = [compare_auc(first.malignant, one, other)[1] for one, other in rows]
    beyond = (difference.low > 0 or difference.high < 0) and p_folds < LEVEL
    return {
        "difference": difference.json(),
        "difference_over_folds": over_folds.json(),
        "p_over_folds": round(p_folds, 4),
        "p_delong_by_seed": [None if math.isnan(p) else round(p, 4) for p in delong],
        "beyond_noise": beyond,
    }


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['images']} images in {report['groups']} groups, {report['seeds']} seed(s), "
        f"{report['folds']} folds judged",
        "",
        f"{'AUC, out-of-fold':<32}mean over seeds, 95 % interval over groups",
        *(
            f"{name:<32}" + "{value:.3f} ({low:.3f} to {high:.3f})".format(**figure)
            for name, figure in report["auc"].items()
        ),
    ]
    for answer in report["answers"]:
        p_values = ", ".join("not defined" if p is None else f"{p:.3f}" for p in answer["p_delong_by_seed"])
        verdict = "within noise"
        if answer["beyond_noise"]:
            verdict = f"{'yes' if answer['difference']['value'] > 0 else 'no, they harm'}, beyond noise"
        lines += [
            "",
            f"{answer['question']} {verdict}",
            "  difference {value:+.3f} ({low:+.3f} to {high:+.3f})".format(**answer["difference"])
            + f"; DeLong p {p_values}",
            "  over folds {value:+.3f} ({low:+.3f} to {high:+.3f})".format(**answer["difference_over_folds"])
            + f"; corrected t-test p {answer['p_over_folds']:.3f}",
        ]
    return "\n".join(lines)
