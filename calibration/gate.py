"""The clinical gate: what a precision may cost in sensitivity, judged on images that it has never met."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.contract.qualification import Verdict
from edge.contract.spec import OperatingPoint

RESAMPLES = 2000
_SEED = 0  # the same figures at every run
_LEVEL = (2.5, 97.5)  # percentiles of a two-sided 95 % interval


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A figure of a precision minus the same of FP32, with its 95 % interval."""

    value: float
    low: float
    high: float


class PointGate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One operating point, paired image by image with FP32.

    Attributes:
        name: of the operating point.
        threshold: malignant if risk >= threshold.
        verdict: of this point alone.
        sensitivity: difference, by the bootstrap.
        specificity: difference, by the bootstrap.
        flips: images whose decision is another one.
        lost_groups: malignant groups with an image that FP32 calls and this precision does not.
        malignant_groups: groups with a malignant image.
        worst_loss: upper end of the exact 95 % interval of the share of malignant groups that lose a call
            (Clopper, Pearson 1934), also where no call was lost at all and the bootstrap's interval is
            therefore empty. Groups count alike here, however many images they have; that a large one may
            weigh more in the sensitivity is the bootstrap's to see.
        needed_groups: malignant groups with which the `lost_groups` of this sample would pass; the present
            number where it does.
    """

    name: str
    threshold: float
    verdict: Verdict
    sensitivity: Difference
    specificity: Difference
    flips: int
    lost_groups: int
    malignant_groups: int
    worst_loss: float
    needed_groups: int


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a precision costs at every operating point that an operator may choose.

    Attributes:
        verdict: the worst of all points'.
        limit: the bundle's own, negative: what a difference in sensitivity must stay above.
        points: in the specification's order.
        auc: difference of the areas under the ROC curves.
        temperature: that would calibrate this precision's risks anew on the validation part (Guo et al.
            2017); nothing is changed by it. Far from `temperature_fp32`, the risks mean something else.
        temperature_fp32: same, of FP32; near 1, for the network's own temperature is inside the graph. Below
            1 with several networks, since all but one of them have learnt those images.
        resamples: of the bootstrap.
        groups: patients, or clusters of like images, that were resampled.
    """

    verdict: Verdict
    limit: float
    points: tuple[PointGate, ...]
    auc: Difference
    temperature: float
    temperature_fp32: float
    resamples: int
    groups: int

    @property
    def weakest(self) -> PointGate:
        """The point that decides: of the worst verdict, the one with the largest possible loss."""
        return max(self.points, key=lambda point: (_SEVERITY[point.verdict], point.worst_loss))


_SEVERITY = {Verdict.PASSES: 0, Verdict.TOO_FEW: 1, Verdict.FAILS: 2}


def judge(
    reference: NDArray[np.float32],
    risk: NDArray[np.float32],
    malignant: NDArray[np.bool_],
    groups: Sequence[str],
    points: Sequence[OperatingPoint],
    limit: float,
    temperatures: tuple[float, float],
) -> Gate:
    """Judge a precision by a paired bootstrap over groups (Efron, Tibshirani 1993, chapter 8), and exactly.

    A point fails where the bootstrap's lower bound of the difference in sensitivity is not above `limit`. It
    passes where the exact bound keeps the limit too. Between the two nothing speaks against the precision,
    but the malignant groups are too few to tell.

    Args:
        reference: FP32's risks, (N,).
        risk: of the precision, same images.
        malignant: (N,) pathology; both classes occur.
        groups: (N,) patient of each image: images of one patient are drawn together.
        points: at least one; all are judged.
        limit: negative; what the lower bound of the sensitivity's difference must stay above.
        temperatures: of the precision and of FP32, from `fit_temperature`.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    # The first row is the sample itself; the others weight each image by how often its group was drawn.
    weights = np.vstack([np.ones(len(names)), drawn])[:, member]
    positive, negative = weights[:, malignant], weights[:, ~malignant]
    usable = (positive.sum(axis=1) > 0) & (negative.sum(axis=1) > 0)
    positive, negative = positive[usable], negative[usable]

    def gained(own: NDArray[np.float64], after: NDArray[np.bool_], before: NDArray[np.bool_]) -> Difference:
        return _difference(np.asarray(own @ (after.astype(float) - before) / own.sum(axis=1)))

    def area(risks: NDArray[np.float32]) -> NDArray[np.float64]:
        gap = risks[malignant][:, None] - risks[~malignant][None, :]
        above = (gap > 0) + 0.5 * (gap == 0)
        total = np.einsum("bi,ij,bj->b", positive, above, negative, optimize=True)
        return np.asarray(total / (positive.sum(axis=1) * negative.sum(axis=1)))

    def at(point: OperatingPoint) -> PointGate:
        called, before = risk >= point.threshold, reference >= point.threshold
        sensitivity = gained(positive, called[malignant], before[malignant])
        lost = len(np.unique(member[malignant & before & ~called]))
        cases = len(np.unique(member[malignant]))
        worst = upper_bound(lost, cases)
        if not sensitivity.low > limit:
            verdict = Verdict.FAILS
        else:
            verdict = Verdict.PASSES if worst < -limit else Verdict.TOO_FEW
        return PointGate(
            name=point.name,
            threshold=point.threshold,
            verdict=verdict,
            sensitivity=sensitivity,
            specificity=gained(negative, ~called[~malignant], ~before[~malignant]),
            flips=int((called != before).sum()),
            lost_groups=lost,
            malignant_groups=cases,
            worst_loss=worst,
            needed_groups=needed(lost, cases, -limit),
        )

    judged = tuple(at(point) for point in points)
    return Gate(
        verdict=max((point.verdict for point in judged), key=lambda verdict: _SEVERITY[verdict]),
        limit=limit,
        points=judged,
        auc=_difference(area(risk) - area(reference)),
        temperature=temperatures[0],
        temperature_fp32=temperatures[1],
        resamples=int(usable.sum()) - 1,
        groups=len(names),
    )


def stricter(first: Gate, second: Gate) -> Gate:
    """The one with the worse verdict; of equals the one with the larger possible loss, or the first."""
    return max(first, second, key=lambda gate: (_SEVERITY[gate.verdict], gate.weakest.worst_loss))


def upper_bound(lost: int, cases: int) -> float:
    """Upper end of the exact two-sided 95 % interval of a share (Clopper, Pearson, Biometrika 26, 1934)."""
    from scipy.stats import beta

    return 1.0 if lost >= cases else float(beta.ppf(_LEVEL[1] / 100, lost + 1, cases - lost))


def needed(lost: int, cases: int, margin: float) -> int:
    """The smallest number of cases, at least `cases`, with which `lost` of them stay below `margin`."""
    while upper_bound(lost, cases) >= margin:
        cases += 1
    return cases


def fit_temperature(risk: NDArray[np.float32], malignant: NDArray[np.bool_]) -> float:
    """The temperature that makes the labels most likely given risks (N,), between 1/20 and 20.

    Platt's (1999) softened targets keep a perfectly separated part from driving it to zero.
    """
    from scipy.optimize import minimize_scalar

    p = np.clip(risk.astype(np.float64), 1e-7, 1 - 1e-7)
    logit = np.log(p / (1 - p))
    positives, negatives = int(malignant.sum()), int((~malignant).sum())
    target = np.where(malignant, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(log_temperature: float) -> float:
        z = logit * np.exp(-log_temperature)
        return float(np.mean(np.logaddexp(0.0, z) - target * z))

    best = minimize_scalar(loss, bounds=(-np.log(20), np.log(20)), method="bounded")
    return float(np.exp(best.x))


def _difference(samples: NDArray[np.float64]) -> Difference:
    low, high = np.percentile(samples[1:], _LEVEL)
    return Difference(value=float(samples[0]), low=float(low), high=float(high))
