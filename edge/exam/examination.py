"""What is known from frame to frame: where tissue is, what the signal is worth, what the risk is."""

from __future__ import annotations

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.engines.worker import Answer
from edge.exam.evidence import Evidence, NoEstimate, RiskEstimate
from edge.exam.roi import FieldFinder
from edge.exam.signal import Signal, State


class Examination:
    """Fed with every frame and every answer of the network; says what may be analysed and shown."""

    def __init__(self, chosen: Roi | None, wanted: str):
        """Start.

        Args:
            chosen: the operator's region; None looks for the ultrasound field.
            wanted: what the model looks at, "field" or "lesion"; a lesion is never found by itself.
        """
        self.signal = Signal()
        self.finder = FieldFinder()
        self.region: Roi | None = None
        self.risks = 0
        self.failures = 0
        self._chosen = chosen
        self._wanted = wanted
        self._evidence = Evidence()
        self._scene = 0  # answers about frames before this sequence are about another scene

    @property
    def analysable(self) -> bool:
        """True if the network may be asked about the present frame: live, new, and its region known."""
        return self.region is not None and self.signal.fresh and self.signal.state is State.LIVE

    def look(self, frame: Frame, now_ns: int) -> None:
        """Take a frame into account, before anything is drawn into it."""
        field = self.finder.look(frame)
        if self._chosen is not None:
            self.region = self._chosen if self._chosen.inside(frame.bounds) else None
        else:
            self.region = field if self._wanted == "field" else None
        self.signal.frame(frame, self.region or field or frame.bounds, now_ns)
        if self.signal.cut:
            self._scene = frame.sequence
            self._evidence.reset("the scene has changed")

    def take(self, answer: Answer | None) -> None:
        """Take the network's answer into account, if there is one."""
        if answer is None:
            return
        if answer.inference is None:
            self.failures += 1
            self._evidence.reset(answer.reason)
        elif answer.sequence >= self._scene:
            self.risks += 1
            self._evidence.add(answer.inference.risk, answer.sequence, answer.captured_ns)

    def estimate(self, now_ns: int, paused: str | None) -> RiskEstimate | NoEstimate:
        """The risk, unless something speaks against showing one; `paused` is the network's own reason."""
        reason = self.signal.reason(now_ns) or paused or self._no_region()
        return self._evidence.estimate(now_ns) if reason is None else NoEstimate(reason)

    def _no_region(self) -> str | None:
        if self.region is not None:
            return None
        if self._chosen is not None:
            return "the chosen region leaves the picture"
        if self._wanted == "lesion":
            return "no lesion is marked; give --roi"
        return "looking for the ultrasound field"
