"""One state of the signal at a time, from what arrives and when. The clock is the caller's."""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.tearing import Tearing
from edge.sources.base import Outage


class State(Enum):
    """What the picture is worth; the value is what overlay, page and log say."""

    LIVE = "live"
    STILL = "probe still"  # pictures differ by their noise only
    NOT_ULTRASOUND = "not ultrasound"  # black, a menu, a test picture
    FROZEN = "frozen"  # pictures arrive and are all the same
    STALLED = "stalled"  # pictures have stopped arriving
    NO_SIGNAL = "no signal"  # none has ever arrived, or the source knows that none can
    NO_LOCK = "no lock"  # as the source says, see `edge.sources.base.Condition`
    UNSUPPORTED = "unsupported signal"
    DEVICE_LOST = "device lost"
    ENDED = "ended"  # the source has said that it is over


FROZEN_AFTER_NS = 500_000_000
"""Scanners that show 4 pictures a second repeat each for 250 ms on a 60 Hz output; that is not a freeze."""

STALLED_AFTER_NS = 500_000_000
STILL_AFTER_NS = 800_000_000
STEADY_AFTER_NS = 250_000_000
"""Of pictures after an outage, before they count as live: a plug that flutters shows some in between."""
_ROWS = 32  # rows compared between pictures: whole rows, because those lie in one piece in memory
_SAME = 0.02  # mean grey levels: a re-encoded frozen picture stays below, the quietest speckle is far above
_STILL = 2.5  # mean grey levels: noise alone stays below, a moved probe changes the speckle far more
_CUT = 18.0  # mean grey levels over blocks that average the speckle away; the fastest sweep stays below 12
_BLOCKS = (16, 8)
_LEVEL = 30.0  # grey levels between two averages of a block that no sweep changes at once
_TEXTURE, _OTHER = 3.0, 0.5  # the same for its texture, and as a share of the larger one
_PARTS = 6  # blocks of so many that a dialog covers, and half of them all is another scene


class Signal:
    """The state machine. `frame` for each picture, `silence` while there is none."""

    def __init__(self) -> None:
        """Before the first picture there is no signal."""
        self.state = State.NO_SIGNAL
        self.fresh = False  # the last picture differed from the one before it
        self.cut = False  # the last picture shows another scene than the one before it
        self.patched = False  # or a part of it does: a dialog has come, or gone
        self.tearing = Tearing()
        self._rows: NDArray[np.uint8] | None = None
        self._blocks: NDArray[np.int16] | None = None  # their level and texture, averaged over blocks
        self._last_ns = 0  # newest picture
        self._changed_ns = 0  # newest picture that differed
        self._moved_ns = 0  # newest picture that differed by more than noise
        self._outage: Outage | None = None
        self._back_ns: int | None = None  # first picture after the outage

    def frame(self, frame: Frame, region: Roi, now_ns: int) -> None:
        """A picture has arrived. Only `region` of it counts: a running clock outside changes nothing."""
        before, old = self._rows, self._blocks
        rows = self.watch(frame, region)
        self.tearing.look(rows, now_ns)
        if before is None or old is None or before.shape != rows.shape:
            self.fresh, self.cut, moved = True, before is not None, True
            self.patched = self.cut
        else:
            change = cv2.norm(before, rows, cv2.NORM_L1) / rows.size
            self.fresh, moved = change > _SAME, change > _STILL
            assert self._blocks is not None
            level, texture = np.abs(self._blocks - old)
            other = (texture > _TEXTURE) & (texture > _OTHER * np.maximum(self._blocks[1], old[1]))
            parts = int(np.count_nonzero(other | (level > _LEVEL)))
            self.patched = parts >= _PARTS
            self.cut = float(level.mean()) > _CUT or 2 * parts > level.size
        resumed = not self.arriving
        self._last_ns = now_ns
        self._changed_ns = now_ns if self.fresh or resumed else self._changed_ns
        self._moved_ns = now_ns if moved or resumed else self._moved_ns
        if self._outage is not None:
            self._back_ns = now_ns if self._back_ns is None else self._back_ns
            if now_ns - self._back_ns < STEADY_AFTER_NS:
                return
            self._outage = None
        if now_ns - self._changed_ns >= FROZEN_AFTER_NS:
            self.state = State.FROZEN
        else:
            self.state = State.STILL if now_ns - self._moved_ns >= STILL_AFTER_NS else State.LIVE

    def watch(self, frame: Frame, region: Roi) -> NDArray[np.uint8]:
        """Compare the next picture with `region` of this one; some of its rows, uint8, in one piece."""
        step = max(1, region.height // _ROWS)
        self._rows = np.ascontiguousarray(frame.luma(region)[::step])
        self._blocks = _blocks(self._rows)
        return self._rows

    def silence(self, now_ns: int) -> None:
        """No picture has arrived up to now."""
        if self.arriving and now_ns - self._last_ns >= STALLED_AFTER_NS:
            self.state = State.STALLED

    def lose(self, outage: Outage) -> None:
        """The source knows why no picture comes; that stays until pictures have come for a while."""
        self.state, self._outage, self._back_ns = State[outage.condition.name], outage, None

    def end(self) -> None:
        """The source is over."""
        self.state = State.ENDED

    @property
    def interrupted(self) -> bool:
        """True while pictures that came before do not come, or show nothing new."""
        return self._outage is not None or self.state in (State.FROZEN, State.STALLED)

    @property
    def arriving(self) -> bool:
        """True while pictures come, be they what they may."""
        return self.state in (State.LIVE, State.STILL, State.FROZEN)

    def reason(self, now_ns: int) -> str | None:
        """Why no risk may be shown, or None while pictures are live."""
        if self.state in (State.LIVE, State.STILL):
            return None
        if self.state is State.FROZEN:
            return f"picture frozen for {(now_ns - self._changed_ns) / 1e9:.0f} s"
        if self.state is State.STALLED:
            return f"no new picture for {(now_ns - self._last_ns) / 1e9:.0f} s"
        if self.state is State.ENDED:
            return "the source has ended"
        return "no signal" if self._outage is None else str(self._outage)


def _blocks(rows: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Level and texture of a picture in `_BLOCKS` blocks: int16 (2, down, across), grey levels.

    Texture is the mean difference of neighbours in a row. Speckle that is renewed changes neither.
    """
    differences = cv2.absdiff(rows[:, 1:], rows[:, :-1])
    return np.stack(
        [cv2.resize(p, _BLOCKS, interpolation=cv2.INTER_AREA) for p in (rows, differences)]
    ).astype(np.int16)
