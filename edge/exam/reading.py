"""What is said about one presented picture. Overlay, page, log and recording all say this."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as field_

from edge.blit import Patch
from edge.contract.roi import Roi
from edge.exam.desk import Choices
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.findings import NOTHING, Findings
from edge.exam.heat import HeatMap
from edge.exam.signal import State


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model speaks: its name, its bundle's id, the precision, the engine's passport if it has one."""

    model: str
    bundle: str
    precision: str
    passport: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of everything as one picture is presented.

    Attributes:
        sequence: of the picture.
        captured_ns: of the picture, CLOCK_MONOTONIC.
        state: of the signal.
        estimate: the risk or the reason why there is none.
        age_ms: from the capture of the newest frame in `estimate` to this reading; None without a risk.
        rate: pictures presented a second, over the last second; one that repeats the one before is none.
        dropped: pictures that were captured and never presented, since the start.
        torn: pictures that were presented and not analysed because a part of them was older, since the start.
        field: the ultrasound field; None until it is found.
        region: the part that the network looks at; None while there is none.
        choices: of the operator, as of this picture.
        under: what the overlay has covered, so that `edge.blit.restored` gives the source's own picture.
        panel: where the overlay's panel is; None before it is drawn.
        findings: what is measured of the marked lesion.
        slowed: why the network is asked less often than it could be; empty where it is not.
        celsius: of the cart's hottest zone; None where it has none.
        heat: of the newest picture that was analysed in this scene; None before the first.
        covered: it is not known that the field shows tissue and nothing else.
    """

    sequence: int
    captured_ns: int
    state: State
    estimate: RiskEstimate | NoEstimate
    age_ms: float | None
    rate: float
    dropped: int
    field: Roi | None
    region: Roi | None
    choices: Choices
    under: tuple[Patch, ...] = field_(default=(), compare=False)
    panel: Roi | None = None
    findings: Findings = NOTHING
    torn: int = 0
    slowed: str = ""
    celsius: float | None = None
    heat: HeatMap | None = field_(default=None, compare=False)
    covered: bool = False

    @property
    def kept(self) -> Roi | None:
        """What is known to be ultrasound, so that a mask keeps it; all else may show the patient's name."""
        return None if self.covered else self.field or self.region

    @property
    def shown(self) -> RiskEstimate | NoEstimate:
        """What may be shown: the estimate, unless the operator has hidden it or has to grade first."""
        reason = self.choices.concealed
        return self.estimate if reason is None else NoEstimate(reason)
