"""Do a site's cases hold what the operating point promised, or are there too few to tell?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.accept.share import Share
from edge.exam.performance import Performance
from edge.figures import wilson

TOLERANCE = 0.10
"""By so much a site may lie below the promise, which was counted on few images of other patients."""

AS_PROMISED, BELOW, TOO_FEW = "as promised", "below the promise", "too few to tell"
_MOST = 10_000  # cases


def compare(promised: Performance | None, shares: Mapping[str, Share]) -> dict[str, Any]:
    """Verdict on sensitivity and specificity, ready for JSON; empty where the bundle promises nothing.

    Args:
        promised: of the operating point, on the validation images that it was chosen on.
        shares: sensitivity and specificity of the site's cases with a risk.
    """
    if promised is None:
        return {}
    promises = {"sensitivity": promised.sensitivity, "specificity": promised.specificity}
    return {
        name: {
            "promised": round(promise, 4),
            "verdict": _verdict(promise, shares[name]),
            "cases": shares[name].cases,
            "patients": shares[name].patients,
            "enough_patients": _enough(promise),
        }
        for name, promise in promises.items()
    }


def verdict(figures: dict[str, Any]) -> str:
    """In one sentence, whether the site holds what was promised; or why nothing can be said."""
    number, promise = figures["n"], figures["promise"]
    cases = number["benign"] + number["malignant"]
    if number["withheld"] == cases:
        reason, count = next(iter(figures["reasons"].items()), ("no picture came", cases))
        return (
            f"No verdict can be given: none of the {cases} cases was given a risk. "
            f"The most frequent reason, in {count}: {reason}."
        )
    if not promise:
        return "No verdict can be given: the bundle records no promise to hold these figures against."
    said = {row["verdict"] for row in promise.values()}
    if BELOW in said:
        names = " and ".join(name for name, row in promise.items() if row["verdict"] == BELOW)
        return f"Below the promise: {names}."
    if TOO_FEW in said:
        return "No verdict can be given yet: too few cases to tell, see below."
    return "As promised: sensitivity and specificity."


def sentences(figures: dict[str, Any]) -> list[str]:
    """What a report says of the promise; `figures` are those of `edge.accept.verdict.judge`."""
    number = figures["n"]
    if number["withheld"] == number["benign"] + number["malignant"]:
        return ["no case was given a risk, so nothing was tested"]
    return [
        f"{name} {row['promised']:.3f} on validation images: {row['verdict']}, {_counted(row, number)}"
        + (f"; some {row['enough_patients']} patients would tell" if row["verdict"] == TOO_FEW else "")
        for name, row in figures["promise"].items()
    ] or ["the bundle records none, so these figures are held against nothing"]


def _counted(row: dict[str, Any], number: dict[str, Any]) -> str:
    if number["patients"]:
        return f"{row['cases']} cases of {row['patients']} patients here"
    return f"{row['cases']} cases here, each counted as another patient's where none is named"


def _verdict(promised: float, share: Share) -> str:
    got = share.figure
    if share.cases == 0:
        return TOO_FEW
    if got.low >= promised - TOLERANCE:
        return AS_PROMISED
    return BELOW if got.high < promised else TOO_FEW


def _enough(promised: float) -> int:
    """The fewest cases, each of another patient, that show the promise held, where they show that share."""
    numbers = (n for n in range(1, _MOST) if wilson(round(promised * n), n).low >= promised - TOLERANCE)
    return next(numbers, _MOST)
