"""How often each operating point was right, and what that means at a clinic's own prevalence."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from edge.contract.bundle import Bundle

_REPORT = "reports/metrics.json"


@dataclass(frozen=True, slots=True)
class Performance:
    """Of one operating point, on the validation images that it was chosen on.

    Attributes:
        sensitivity, specificity: 0 to 1.
        malignant, benign: images that these were counted on.
    """

    sensitivity: float
    specificity: float
    malignant: int
    benign: int

    def ppv(self, prevalence: float) -> float:
        """Of those called malignant, the share that is (Bayes); 0 to 1."""
        true = self.sensitivity * prevalence
        false = (1.0 - self.specificity) * (1.0 - prevalence)
        return true / (true + false) if true + false else 0.0

    def npv(self, prevalence: float) -> float:
        """Of those called benign, the share that is (Bayes); 0 to 1."""
        true = self.specificity * (1.0 - prevalence)
        false = (1.0 - self.sensitivity) * prevalence
        return true / (true + false) if true + false else 0.0


class _Metrics(msgspec.Struct, frozen=True):
    performance: dict[str, Performance] = {}


def read_performance(bundle: Bundle) -> dict[str, Performance]:
    """By operating point; empty for a bundle that was trained before this was kept, or without a report."""
    if not bundle.has(_REPORT):
        return {}
    try:
        return msgspec.json.decode(bundle.read(_REPORT), type=_Metrics).performance
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
