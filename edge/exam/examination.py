"""What is known from frame to frame: where tissue is, what the signal is worth, what the risk is."""

from __future__ import annotations

import math
from collections import deque

from edge.contract.frame import Frame
from edge.contract.preprocess import Tensor
from edge.contract.roi import Roi
from edge.engines.worker import Answer
from edge.exam.evidence import Evidence, NoEstimate, RiskEstimate, Shot, shot_of
from edge.exam.findings import Findings
from edge.exam.gates import NOT_ULTRASOUND, Gate, Gates
from edge.exam.heat import HeatMap
from edge.exam.lesion import CONTRADICTION, Lesion, size_of
from edge.exam.profiles import Profiles
from edge.exam.roi import TRIES, FieldFinder
from edge.exam.scale import read_scale
from edge.exam.signal import Signal, State
from edge.exam.spread import UNMEASURED, Spread

UNLIKE = "unlike the training images"
LOOKING = "looking for the ultrasound field"
NOT_FOUND = "no ultrasound field found: draw it on the page"
ANSWERS = 15
"""Most of so many answers must be strange before the risk is withheld for it: single frames are by chance."""


class Examination:
    """Fed with every frame and every answer of the network; says what may be analysed and shown."""

    def __init__(
        self,
        wanted: str,
        ood_threshold: float = math.inf,
        profiles: Profiles | None = None,
        spread: Spread = UNMEASURED,
        named: Roi | None = None,
    ):
        """Start.

        Args:
            wanted: the model looks at the "field", or at a "lesion", which is never found by itself.
            ood_threshold: answers whose `ood` is above it do not count.
            profiles: of screens that were seen before.
            spread: of the model's risk over a lesion.
            named: the field that the source itself names.
        """
        self.signal = Signal()
        self.finder = FieldFinder(profiles, named)
        self.region: Roi | None = None
        self.risks = 0
        self.failures = 0
        self.heat: HeatMap | None = None  # of this scene
        self._aimed: tuple[Roi, tuple[int, int]] | None = None
        self.lesion = Lesion()
        self.px_per_mm: float | None = None
        self._scaled: Roi | None = None  # the field beside which the scale was read
        self._chosen: Roi | None = None
        self._case = 0
        self._watched: Roi | None = None  # where the signal's changes were looked for
        self._wanted = wanted
        self._gates = Gates()
        self.evidence = Evidence(spread=spread)
        self.asked: Shot | None = None  # what the answer to come is about
        self._ood_threshold = ood_threshold
        self._strange: deque[bool] = deque(maxlen=ANSWERS)  # newest answers about this scene
        self._scene = 0  # answers about frames before this sequence are about another scene

    @property
    def analysable(self) -> bool:
        """True if the network may be asked about the present frame: live, new, whole, its region known."""
        live = self.signal.state in (State.LIVE, State.STILL) and self._gates.closed is None
        whole = self.signal.fresh and not self.signal.tearing.torn
        return self.region is not None and whole and live and self.lesion.reason is None

    @property
    def covered(self) -> bool:
        """True if the field shows no ultrasound, or a menu over it: names may stand there too."""
        return self._gates.closed in (*NOT_ULTRASOUND, Gate.MENU)

    @property
    def state(self) -> State:
        """Of the signal, and whether it is ultrasound at all."""
        if self._gates.closed in NOT_ULTRASOUND and self.signal.arriving:
            return State.NOT_ULTRASOUND
        return self.signal.state

    def look(
        self, frame: Frame, now_ns: int, chosen: Roi | None = None, mark: Roi | None = None, case: int = 0
    ) -> None:
        """Take a frame into account, before anything is drawn into it.

        Args:
            frame: the newest.
            now_ns: on the clock that all calls use.
            chosen: the field that the operator has drawn; where the model looks at a lesion and none is
                marked, the lesion's box.
            mark: the box that the operator has drawn around the lesion.
            case: another number is another patient: nothing seen before counts.
        """
        if case != self._case:
            self._case = case
            self.lesion.lose()
            self._forget("a new case has begun", frame.sequence)
        asked = chosen
        if self._wanted == "lesion" and mark is None:
            mark, chosen = chosen, None
        if chosen != self._chosen and self.region is not None:
            self._forget("another region is looked at", frame.sequence)
        if chosen is not None and chosen is not self._chosen and chosen.inside(frame.bounds):
            self.finder.draw(frame, chosen)
        elif asked is None and self._chosen is not None:
            self.finder.undraw(frame)
        self._chosen = chosen
        old, field = self.finder.field, self.finder.look(frame, tissue=self._gates.closed is None)
        if old is not None and field != old:
            self._forget("the ultrasound field has changed", frame.sequence)
        silent = self.signal.interrupted
        chosen = chosen if chosen is None or chosen.inside(frame.bounds) else None
        # A lesion's own box moves with it and cannot be compared from frame to frame.
        watched = chosen or field or frame.bounds
        self.signal.frame(frame, watched, now_ns)
        if self.signal.cut and watched == self._watched:
            self.lesion.lose()
            self.finder.again()
            self._gates.hurry()
        self._watched = watched
        if self.lesion.look(frame, mark, field, now_ns, fresh=self.signal.fresh):
            self._forget("another lesion is looked at", frame.sequence)
        self._read_scale(frame, field)
        if self._wanted == "lesion":
            self.region = self.lesion.box
        else:
            self.region = chosen if self._chosen is not None else field
        if silent and self.signal.state in (State.LIVE, State.STILL):
            # Freeze, move the probe, go on: what was seen before says nothing of what is seen now.
            self._forget("the picture has just come back", frame.sequence)
        before = self._gates.closed
        region = field or chosen  # never a lesion's own box: what a gate measures is true of fields
        closed = self._gates.look(frame, region, now_ns, self.signal.fresh) if region else before
        if before is Gate.NOISE and closed is not before:
            self.finder.forget()
            self.region = self.region if self._wanted == "lesion" else chosen  # no longer the noise's field
        elif closed is None and before is not None:
            self.finder.again()
        if closed is not None and before is None:
            self._forget(closed.value, frame.sequence + 1)
        elif self.signal.cut:
            self._forget("the scene has changed", frame.sequence)

    def aim(self, crop: Roi, size: tuple[int, int]) -> None:
        """The next answer is about `crop` of the frame looked at last, as a tensor of (width, height)."""
        self._aimed = crop, size

    def ask(self, tensor: Tensor) -> None:
        """The network is asked about `tensor`, made from the frame that was looked at last.

        A tensor that was made on the network's own device comes with the answer, a frame or two later.
        """
        self.asked = shot_of(tensor, self._gates.quality)

    def take(self, answer: Answer | None) -> None:
        """Take the network's answer into account, if there is one."""
        if answer is None:
            return
        if answer.tensor is not None:
            self.ask(answer.tensor)
        if answer.inference is None:
            self.failures += 1
            self.evidence.reset(answer.reason)
        elif answer.sequence >= self._scene:
            self.risks += 1
            assert self.asked is not None  # nobody answers without having been asked
            self._strange.append(answer.inference.ood > self._ood_threshold)
            if not self._strange[-1]:
                self.evidence.add(answer.inference.risk, answer.sequence, answer.captured_ns, self.asked)
                if self._aimed is not None:
                    crop, size = self._aimed
                    self.heat = HeatMap(answer.inference.heatmap, size, crop, answer.sequence)

    def estimate(self, now_ns: int, paused: str | None) -> RiskEstimate | NoEstimate:
        """The risk, unless something speaks against showing one; `paused` is the network's own reason."""
        reason = self.withheld(now_ns) or paused or self._unlike()
        return self.evidence.estimate(now_ns) if reason is None else NoEstimate(reason)

    def withheld(self, now_ns: int) -> str | None:
        """What in the picture speaks against a risk, or None."""
        closed = self._gates.closed if self.signal.arriving else None
        if closed in NOT_ULTRASOUND:
            return closed.value
        seen = (closed and closed.value) or self.signal.tearing.reason(now_ns)
        return self.signal.reason(now_ns) or seen or self.lesion.reason or self.lacking()

    def findings(self, estimate: RiskEstimate | NoEstimate, threshold: float) -> Findings:
        """What is known of the lesion beside `estimate`, which is low below `threshold`."""
        box, features = self.lesion.box, self.lesion.features
        low = isinstance(estimate, RiskEstimate) and estimate.risk < threshold
        lost = self.lesion.marked and box is None
        return Findings(
            lesion=box,
            px_per_mm=self.px_per_mm,
            size_mm=size_of(box, self.px_per_mm) if box is not None and self.px_per_mm is not None else None,
            features=features,
            contradiction=CONTRADICTION if low and features is not None and features.looks_benign else None,
            lost=lost,
            best=() if lost else self.evidence.best,
            quality=self._gates.quality,
        )

    def _read_scale(self, frame: Frame, field: Roi | None) -> None:
        """Once for each field: the scale stands beside it."""
        if field != self._scaled:
            self._scaled = field
            self.px_per_mm = None if field is None else read_scale(frame, field)

    def _forget(self, reason: str, scene: int) -> None:
        """Drop the evidence, and every answer still to come about frames before `scene`."""
        self._scene = scene
        self.heat = None
        self._strange.clear()
        self.evidence.reset(reason)

    def _unlike(self) -> str | None:
        return UNLIKE if 2 * sum(self._strange) > len(self._strange) else None

    def lacking(self) -> str | None:
        """Why there is no region to analyse, or None."""
        if self.region is not None:
            return None
        if self._chosen is not None:
            return "the chosen region leaves the picture"
        if self._wanted == "lesion":
            return "no lesion is marked: draw it on the page, or give --roi"
        return LOOKING if self.finder.tries < TRIES else NOT_FOUND
