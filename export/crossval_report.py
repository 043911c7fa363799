"""The figures of a cross-validation, and the table that shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.bootstrap import patient_bootstrap
from export.calibration_error import perfect_calibration_error
from export.fold import FoldResult
from export.statistics import (
    ConfusionMatrix,
    Figure,
    auc,
    brier,
    expected_calibration_error,
)

ALL = "all"
"""Branch of the deployed graph."""


class Pooled:
    """Out-of-fold predictions of every image, one row a seed.

    Attributes:
        malignant: bool (N,).
        groups: of each image.
        risks: float64 (seeds, N) by branch.
    """

    def __init__(self, results: Sequence[FoldResult]):
        seeds = sorted({result.seed for result in results})
        images = sorted({image for result in results for image in result.images})
        column = {image: number for number, image in enumerate(images)}
        self.malignant = np.zeros(len(images), bool)
        self.groups = np.zeros(len(images), object)
        self.risks = {name: np.full((len(seeds), len(images)), np.nan) for name in results[0].risks}
        for result in results:
            own = [column[image] for image in result.images]
            self.malignant[own] = result.malignant
            self.groups[own] = result.groups
            for name, risks in result.risks.items():
                self.risks[name][seeds.index(result.seed), own] = risks

    def interval(self, figure: Callable[[NDArray[np.int64]], float]) -> Figure:
        """A figure of the images with the given indices, with its interval over groups of images."""
        return patient_bootstrap(list(self.groups), figure)

    def mean_auc(self, branch: str) -> Figure:
        """Mean over seeds of the area over all out-of-fold predictions."""
        return self.interval(lambda own: self._mean(branch, own))

    def difference(self, branch: str, other: Pooled, other_branch: str) -> Figure:
        """Mean area of `branch` minus that of another cross-validation of the same images."""
        return self.interval(lambda own: self._mean(branch, own) - other._mean(other_branch, own))

    def _mean(self, branch: str, own: NDArray[np.int64]) -> float:
        truth = self.malignant[own]
        return float(np.mean([auc(truth, row[own]).value for row in self.risks[branch]]))


def summarise(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Every figure of the table, ready for JSON."""
    pooled = Pooled(results)
    branches = list(pooled.risks)
    by_fold = {name: [fold_auc(result, name) for result in results] for name in branches}
    risks = pooled.risks[ALL]
    perfect = [perfect_calibration_error(row) for row in risks]
    return {
        "images": {"benign": int((~pooled.malignant).sum()), "malignant": int(pooled.malignant.sum())},
        "groups": len(set(pooled.groups)),
        "seeds": len(risks),
        "folds": [
            {
                "seed": result.seed,
                "fold": result.fold,
                "images": len(result.images),
                "malignant": sum(result.malignant),
                "auc": {name: round(by_fold[name][number], 4) for name in branches},
                "choice": result.choice,
                "temperature": round(result.temperature, 3),
                "seconds": round(result.seconds, 1),
            }
            for number, result in enumerate(results)
        ],
        "auc_over_folds": {
            name: {"mean": round(float(np.mean(areas)), 4), "sd": round(float(np.std(areas, ddof=1)), 4)}
            for name, areas in by_fold.items()
        },
        "auc_pooled": {name: pooled.mean_auc(name).json() for name in branches},
        "auc_above": {name: pooled.difference(ALL, pooled, name).json() for name in branches if name != ALL},
        "auc_pooled_by_seed": [auc(pooled.malignant, row).json() for row in risks],
        "calibration": {
            "ece_by_seed": [round(expected_calibration_error(pooled.malignant, row), 4) for row in risks],
            "ece_if_perfect": [
                {"mean": round(error.mean, 4), "95th_percentile": round(error.high, 4)} for error in perfect
            ],
            "brier_by_seed": [round(brier(pooled.malignant, row), 4) for row in risks],
        },
        "transfer": [_transfer(results, number) for number in range(len(results[0].points))],
    }


def fold_auc(result: FoldResult, branch: str) -> float:
    """Area over the images of one fold."""
    return auc(result.malignant, result.risks[branch]).value


def _transfer(results: Sequence[FoldResult], number: int) -> dict[str, Any]:
    """What a threshold promised where it was chosen, and what came of it on the folds."""
    matrices = [
        ConfusionMatrix.at(result.malignant, result.risks[ALL], result.points[number].threshold)
        for result in results
    ]
    got = [matrix.figures() for matrix in matrices]
    out: dict[str, Any] = {"name": results[0].points[number].name}
    out["threshold"] = _spread([result.points[number].threshold for result in results])
    for name in ("sensitivity", "specificity"):
        out[name] = {
            "chosen": _spread([getattr(result.points[number], name) for result in results]),
            "got": _spread([figures[name].value for figures in got]),
        }
    called = sum(matrix.true_positive for matrix in matrices) / sum(matrix.malignant for matrix in matrices)
    cleared = sum(matrix.true_negative for matrix in matrices) / sum(matrix.benign for matrix in matrices)
    out["sensitivity"]["pooled"], out["specificity"]["pooled"] = round(called, 4), round(cleared, 4)
    return out


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "mean": round(float(np.mean(values)), 4),
        "low": round(float(np.min(values)), 4),
        "high": round(float(np.max(values)), 4),
    }


def table(report: dict[str, Any]) -> str:
    """The report for a terminal."""
    branches = list(report["auc_pooled"])
    images = report["images"]
    lines = [
        f"{images['benign']} benign and {images['malignant']} malignant images in {report['groups']} groups; "
        f"{report['seeds']} seed(s), {len(report['folds'])} folds judged",
        "",
        f"{'AUC':<24}" + "".join(f"{name:>24}" for name in branches),
    ]
    lines += [
        f"seed {row['seed']} fold {row['fold']:<3} {row['images']:>4}/{row['malignant']:<5}"
        + "".join(f"{row['auc'][name]:>24.3f}" for name in branches)
        for row in report["folds"]
    ]
    spread = report["auc_over_folds"]
    lines.append(
        f"{'mean (sd) of folds':<24}"
        + "".join(f"{spread[name]['mean']:>16.3f} ({spread[name]['sd']:.3f})" for name in branches)
    )
    lines.append(
        f"{'out-of-fold, pooled':<24}"
        + "".join(
            f"{'{value:.3f} ({low:.3f}-{high:.3f})'.format(**report['auc_pooled'][name]):>24}"
            for name in branches
        )
    )
    lines.append(
        f"{'all above it':<24}{'':>24}"
        + "".join(
            f"{'{value:+.3f} ({low:+.3f},{high:+.3f})'.format(**figure):>24}"
            for figure in report["auc_above"].values()
        )
    )
    lines += [
        f"  seed {seed}, DeLong" + "{value:>12.3f} ({low:.3f}-{high:.3f})".format(**figure)
        for seed, figure in enumerate(report["auc_pooled_by_seed"])
    ]
    lines += [
        "",
        "Thresholds: chosen within the learnt part -> got on the fold; mean (lowest to highest fold)",
    ]
    for row in report["transfer"]:
        lines.append(f"{row['name']:<18} risk {_text(row['threshold'])}")
        lines += [
            f"  {name:<16} {_text(row[name]['chosen'])} -> {_text(row[name]['got'])}, "
            f"pooled {row[name]['pooled']:.3f}"
            for name in ("sensitivity", "specificity")
        ]
    found = report["calibration"]
    number = images["benign"] + images["malignant"]
    lines += ["", f"Calibration, out-of-fold, {number} images; in brackets what a perfect model would show"]
    lines += [
        f"  seed {seed}: ECE {ece:.3f} ({perfect['mean']:.3f}, one time in twenty over "
        f"{perfect['95th_percentile']:.3f}), Brier {score:.3f}"
        for seed, (ece, perfect, score) in enumerate(
            zip(found["ece_by_seed"], found["ece_if_perfect"], found["brier_by_seed"], strict=True)
        )
    ]
    seconds = sum(row["seconds"] for row in report["folds"])
    lines += ["", f"Intervals: 95 %, over groups. {seconds / 60:.0f} minutes of all processes together."]
    return "\n".join(lines)


def _text(spread: dict[str, float]) -> str:
    return "{mean:.3f} ({low:.3f}-{high:.3f})".format(**spread)
