"""The lesion that the operator has marked: where it is now, how large it is, what it looks like."""

from __future__ import annotations

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.features import LesionFeatures, measure_lesion
from edge.exam.tracker import LOST, LesionTracker

MEASURE_EVERY_NS = 200_000_000
CUT_OFF = "lesion cut off by the edge of the field"
CONTRADICTION = "low risk, but regular shape with posterior enhancement: known for false benigns"

_DARK = 6  # grey levels above black; beside a sector there is nothing brighter
_AT, _AWAY = 200, 20  # parts of the field's width: so near to its edge is cut off, so far is no longer
_MISSING = 0.3  # of one of the box's sides that may lie beside the tissue


class Lesion:
    """Fed with every picture; measures some times a second."""

    def __init__(self) -> None:
        """Nothing is marked."""
        self.box: Roi | None = None
        self.features: LesionFeatures | None = None
        self.reason: str | None = None  # why the lesion may not be judged
        self._mark: Roi | None = None
        self._tracker = LesionTracker()
        self._measured_ns: int | None = None

    @property
    def marked(self) -> bool:
        """True once the operator has drawn a box, also if the lesion is lost since."""
        return self._mark is not None

    def look(self, frame: Frame, mark: Roi | None, field: Roi | None, now_ns: int, *, fresh: bool) -> bool:
        """Follow the lesion into `frame`.

        Args:
            frame: before anything is drawn into it.
            mark: the operator's box. A new object is a new mark, also of the same place: that is how a lost
                lesion is marked again.
            field: the ultrasound field, if it is known.
            now_ns: on the clock that all calls use.
            fresh: the picture differs from the one before; in a frozen one nothing moves.

        Returns:
            True if another lesion is marked since the last picture.
        """
        again = mark is not self._mark
        if again:
            self._mark, self.features, self._measured_ns = mark, None, None
            self.reason = None  # what was said of another box says nothing of this one
            self.box = mark if mark is not None and mark.inside(frame.bounds) else None
            self._tracker.lose()
            if self.box is not None:
                self._tracker.mark(frame, self.box)
        elif self.box is not None and (fresh or not self.box.inside(frame.bounds)):
            self.box = self._tracker.follow(frame)
        self.reason = self._judge(frame, field)
        if self.box is None:
            self.features = None
        elif self._measured_ns is None or not 0 <= now_ns - self._measured_ns < MEASURE_EVERY_NS:
            self.features, self._measured_ns = measure_lesion(frame, self.box), now_ns
        return again

    def lose(self) -> None:
        """Another scene: the lesion has to be marked again."""
        self._tracker.lose()
        self.box = self.features = None
        self.reason = LOST if self.marked else None

    def _judge(self, frame: Frame, field: Roi | None) -> str | None:
        if self._mark is None:
            return None
        if self.box is None:
            inside = self._mark.inside(frame.bounds)
            return LOST if inside else "the chosen region leaves the picture"
        # What is left of a lesion that is cut off is followed too, and shrinks away from the edge.
        part = _AWAY if self.reason == CUT_OFF else _AT
        return CUT_OFF if cut_off(frame, self.box, field, part) else None


def size_of(box: Roi, px_per_mm: float) -> tuple[float, float]:
    """Width and height in millimetres, to a tenth."""
    return round(box.width / px_per_mm, 1), round(box.height / px_per_mm, 1)


def cut_off(frame: Frame, box: Roi, field: Roi | None, part: int = _AT) -> bool:
    """True if a lesion's box reaches the field's edge, or one of its sides lies where there is no tissue.

    Nearer than one `part` of the field's width is at its edge.
    """
    if field is not None:
        margin = max(1, field.width // part)
        inner = Roi(
            field.x + margin, field.y, max(1, field.width - 2 * margin), max(1, field.height - margin)
        )
        if not box.inside(inner):
            return True
    luma = frame.luma(box)
    dark = (0 if frame.full_range else 16) + _DARK
    columns = max(1, box.width // 20)
    sides = (luma[:, :columns], luma[:, -columns:])
    return any(float((side <= dark).mean()) > _MISSING for side in sides)
