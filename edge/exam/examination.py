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
from edge.exam.gates import NO_TISSUE, NOT_ULTRASOUND, Gate, Gates
from edge.exam.heat import HeatMap
from edge.exam.lesion import CONTRADICTION, Lesion, size_of
from edge.exam.profiles import Profiles
from edge.exam.roi import TRIES, FieldFinder
from edge.exam.scale import DepthScale
from edge.exam.signal import Signal, State
from edge.exam.spread import UNMEASURED, Spread

UNLIKE = "unlike the training images"
LOOKING = "looking for the ultrasound field"
NOT_FOUND = "no ultrasound field found: draw it on the page"
OTHER_SIZE = "the field was drawn for another picture size: draw it again"
NEW_CASE = "a new case has begun"
SURE_NS = 300_000_000
"""Without a closed gate, until a field that was drawn is believed to show tissue after a cut."""
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
        self._scale = DepthScale()
        self._chosen: Roi | None = None
        self._chosen_for: tuple[int, int] | None = None  # the size of the pictures that it was drawn on
        self._named = named
        self._unsure_ns: int | None = None  # since when the field may show something else than tissue
        self._size = (0, 0)
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
        return whole and live and self.lesion.reason is None and self.lacking() is None

    @property
    def covered(self) -> bool:
        """True unless the field is known to show tissue and nothing else: names may stand there too.

        A list of patients passes gates that are made for tissue. So at the start and after a cut it is the
        field that has to be seen, by its motion or texture.
        """
        return self._gates.closed in NO_TISSUE or self._gates.menu or self._unsure_ns is not None

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
        size = frame.width, frame.height
        begun = case != self._case
        if begun:
            self._case = case
            self.lesion.lose()
            self._forget(NEW_CASE, frame.sequence)
        asked = chosen
        if self._wanted == "lesion" and mark is None:
            mark, chosen = chosen, None
        if chosen != self._chosen and self.region is not None:
            self._forget("another region is looked at", frame.sequence)
        if asked is None and self._chosen is not None:
            self.finder.undraw(frame)
        if chosen is not self._chosen:
            self._chosen, self._chosen_for = chosen, None
        if chosen is not None and self._chosen_for is None and chosen.inside(frame.bounds):
            self._chosen_for = size
            self.finder.draw(frame, chosen)
        silent = self.signal.interrupted
        chosen = chosen if self._chosen_for == size else None
        old = self.finder.field
        # A lesion's own box moves with it and cannot be compared from frame to frame.
        watched = chosen or (old if size == self._size else None) or frame.bounds
        self.signal.frame(frame, watched, now_ns)
        cut = self.signal.cut and watched == self._watched
        if cut:
            self.lesion.lose()
            self.finder.again()
        field = self.finder.look(frame, tissue=self._gates.closed is None)
        self._watched = chosen or field or frame.bounds
        if self._watched != watched:
            self.signal.watch(frame, self._watched)
        if old is not None and field != old:
            self._forget("the ultrasound field has changed", frame.sequence)
        if cut or size != self._size:
            self._unsure_ns, self._size = now_ns, size
        if cut or self.signal.patched:
            self._gates.hurry()
        if self.lesion.look(frame, mark, field, now_ns, fresh=self.signal.fresh):
            self._forget("another lesion is looked at", frame.sequence)
        self._scale.look(frame, field, now_ns, cut=cut)
        if self._wanted == "lesion":
            self.region = self.lesion.box
        else:
            self.region = chosen if self._chosen is not None else field
        if silent and self.signal.state in (State.LIVE, State.STILL):
            # Freeze, move the probe, go on: what was seen before says nothing of what is seen now.
            self._forget("the picture has just come back", frame.sequence)
        before = self._gates.closed
        region = field or chosen  # never a lesion's own box: what a gate measures is true of fields
        if region is None:
            self._gates.forget()
        else:
            self._gates.look(frame, region, now_ns, self.signal.fresh)
        closed = self._gates.closed
        if before is Gate.NOISE and closed is not before:
            self.finder.forget()
            self._unsure_ns = now_ns
            self.region = self.region if self._wanted == "lesion" else chosen  # no longer the noise's field
        elif closed is None and before is not None:
            self.finder.again()
        if closed is not None and before is None:
            self._forget(closed.value, frame.sequence + 1)
        elif cut:
            self._forget("the scene has changed", frame.sequence)
        if begun:  # goes before what it takes along: mark and region
            self.evidence.reset(NEW_CASE)
        if self._unsure_ns is not None and self._shows_tissue(now_ns - self._unsure_ns):
            self._unsure_ns = None

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
        box, features, px_per_mm = self.lesion.box, self.lesion.features, self._scale.px_per_mm
        low = isinstance(estimate, RiskEstimate) and estimate.risk < threshold
        lost = self.lesion.marked and box is None
        return Findings(
            lesion=box,
            px_per_mm=px_per_mm,
            size_mm=None if box is None or px_per_mm is None else size_of(box, px_per_mm),
            features=features,
            contradiction=CONTRADICTION if low and features is not None and features.looks_benign else None,
            lost=lost,
            best=() if lost else self.evidence.best,
            quality=self._gates.quality,
        )

    def _shows_tissue(self, after_ns: int) -> bool:
        """True if the field has been seen to show tissue, as far as can be told on this screen."""
        if not self.finder.drawn:
            return self.finder.confirmed
        named = self.finder.field == self._named  # by the source itself, with each picture
        return self._gates.closed is None and (named or not 0 <= after_ns < SURE_NS)

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
        if self._chosen is not None and self.region is None and self._wanted == "field":
            return OTHER_SIZE if self._chosen_for is not None else "the chosen region leaves the picture"
        if self.region is not None and (self._wanted == "field" or self.finder.field is not None):
            return None
        if self._wanted == "lesion" and self.region is None:
            return "no lesion is marked: draw it on the page, or give --roi"
        return LOOKING if self.finder.tries < TRIES else NOT_FOUND
