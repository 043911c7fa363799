"""How far a precision departs from FP32, on images that neither has been made with."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.contract.spec import ModelSpec
from edge.engines.base import Engine
from edge.engines.golden import Outputs, collect_outputs

_CEILING_DB = 200.0  # stands for "no difference", which has no logarithm


class Agreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One precision against FP32 on the same images.

    Attributes:
        engine: that ran the precision, in words.
        images: number of images.
        max_difference: of the risk, absolute.
        mean_difference: of the risk, absolute.
        threshold: of the operating point.
        flips: images whose decision at the threshold is another one.
        flips_by_point: the same at each operating point, by its name.
        withheld: images that get a risk in one precision and not in the other, for their `ood`.
        auc_fp32: area under the ROC curve.
        auc: same, of the precision.
        sqnr_risk_db: signal to quantisation noise of the risk, 10 log10(sum r^2 / sum (r - q)^2).
        sqnr_heatmap_db: same, of the heat map's values.
        sqnr_ood_db: same, of the distance from the training images.
        heatmap_correlation: Pearson's, over all values of all maps; null where a map never varies.
    """

    engine: str
    images: int
    max_difference: float
    mean_difference: float
    threshold: float
    flips: int
    flips_by_point: dict[str, int]
    withheld: int
    auc_fp32: float
    auc: float
    sqnr_risk_db: float
    sqnr_heatmap_db: float
    sqnr_ood_db: float
    heatmap_correlation: float | None


def run_frames(engine: Engine, tensors: NDArray[np.uint8], step: Callable[[], None]) -> Outputs:
    """Outputs of `engine` for uint8 (N, 1, height, width); `step` is called after each frame."""
    results = []
    for tensor in tensors:
        results.append(engine.infer(tensor[None]))
        step()
    return collect_outputs(results)


def compare(
    reference: Outputs, other: Outputs, malignant: NDArray[np.bool_], spec: ModelSpec, engine: str
) -> Agreement:
    """Agreement of `other` with the FP32 `reference`.

    Args:
        reference: of FP32.
        other: of the precision, on the same frames.
        malignant: (N,) pathology; both classes occur.
        spec: with the operating points and the threshold of `ood`.
        engine: that gave `other`, in words.
    """
    from sklearn.metrics import roc_auc_score

    difference = np.abs(reference.risk - other.risk)
    flips = {
        point.name: int(((reference.risk >= point.threshold) != (other.risk >= point.threshold)).sum())
        for point in spec.operating_points
    }
    strange, other_strange = (outputs.ood > spec.ood_threshold for outputs in (reference, other))
    return Agreement(
        engine=engine,
        images=len(reference.risk),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        threshold=spec.point().threshold,
        flips=flips[spec.operating_point],
        flips_by_point=flips,
        withheld=int((strange != other_strange).sum()),
        auc_fp32=float(roc_auc_score(malignant, reference.risk)),
        auc=float(roc_auc_score(malignant, other.risk)),
        sqnr_risk_db=sqnr(reference.risk, other.risk),
        sqnr_heatmap_db=sqnr(reference.heatmap, other.heatmap),
        sqnr_ood_db=sqnr(reference.ood, other.ood),
        heatmap_correlation=_correlation(reference.heatmap, other.heatmap),
    )


def score(reference: Outputs, other: Outputs) -> float:
    """The lower of the SQNR of risk and heat map, dB: one number to rank by."""
    return min(sqnr(reference.risk, other.risk), sqnr(reference.heatmap, other.heatmap))


def sqnr(reference: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Signal to quantisation noise ratio in dB, at most 200."""
    signal = float(np.square(reference, dtype=np.float64).sum())
    noise = float(np.square(reference - other, dtype=np.float64).sum())
    if noise == 0.0:
        return _CEILING_DB
    return min(_CEILING_DB, 10 * float(np.log10(max(signal, 1e-30) / noise)))


def _correlation(reference: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    if np.ptp(reference) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(reference.ravel(), other.ravel())[0, 1])
