"""What is known from frame to frame: where tissue is, what the signal is worth, what the risk is."""

from __future__ import annotations

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.engines.worker import Answer
from edge.exam.evidence import Evidence, NoEstimate, RiskEstimate
from edge.exam.gates import NOT_ULTRASOUND, Gates
from edge.exam.roi import FieldFinder
from edge.exam.signal import Signal, State


class Examination:
    """Fed with every frame and every answer of the network; says what may be analysed and shown."""

    def __init__(self, wanted: str):
        """Start; the model looks at the "field", or at a "lesion", which is never found by itself."""
        self.signal = Signal()
        self.finder = FieldFinder()
        self.region: Roi | None = None
        self.risks = 0
        self.failures = 0
        self._chosen: Roi | None = None
        self._wanted = wanted
        self._gates = Gates()
        self._evidence = Evidence()
        self._scene = 0  # answers about frames before this sequence are about another scene

    @property
    def analysable(self) -> bool:
        """True if the network may be asked about the present frame: live tissue, new, its region known."""
        live = self.signal.state in (State.LIVE, State.STILL) and self._gates.closed is None
        return self.region is not None and self.signal.fresh and live

    @property
    def state(self) -> State:
        """Of the signal, and whether it is ultrasound at all."""
        if self._gates.closed in NOT_ULTRASOUND and self.signal.arriving:
            return State.NOT_ULTRASOUND
        return self.signal.state

    def look(self, frame: Frame, now_ns: int, chosen: Roi | None = None) -> None:
        """Take a frame into account, before anything is drawn into it; `chosen` is the operator's region."""
        if chosen != self._chosen and self.region is not None:
            self._forget("another region is looked at", frame.sequence)
        self._chosen = chosen
        field = self.finder.look(frame)
        if self._chosen is not None:
            self.region = self._chosen if self._chosen.inside(frame.bounds) else None
        else:
            self.region = field if self._wanted == "field" else None
        silent = self.signal.interrupted
        self.signal.frame(frame, self.region or field or frame.bounds, now_ns)
        if silent and self.signal.state in (State.LIVE, State.STILL):
            # Freeze, move the probe, go on: what was seen before says nothing of what is seen now.
            self._forget("the picture has just come back", frame.sequence)
        before = self._gates.closed
        region = field or self.region
        closed = self._gates.look(frame, region, now_ns, self.signal.fresh) if region else None
        if closed is not None and before is None:
            self._forget(closed.value, frame.sequence + 1)
        elif self.signal.cut:
            self._forget("the scene has changed", frame.sequence)

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
        reason = self.withheld(now_ns) or paused
        return self._evidence.estimate(now_ns) if reason is None else NoEstimate(reason)

    def withheld(self, now_ns: int) -> str | None:
        """What in the picture speaks against a risk, or None."""
        closed = self._gates.closed if self.signal.arriving else None
        if closed in NOT_ULTRASOUND:
            return closed.value
        return self.signal.reason(now_ns) or (closed and closed.value) or self._no_region()

    def _forget(self, reason: str, scene: int) -> None:
        """Drop the evidence, and every answer still to come about frames before `scene`."""
        self._scene = scene
        self._evidence.reset(reason)

    def _no_region(self) -> str | None:
        if self.region is not None:
            return None
        if self._chosen is not None:
            return "the chosen region leaves the picture"
        if self._wanted == "lesion":
            return "no lesion is marked: draw it on the page, or give --roi"
        return "looking for the ultrasound field"
