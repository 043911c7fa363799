"""What the operator has chosen: where to look, at which operating point, and whether the risk is shown."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import msgspec

from edge.contract.roi import Roi
from edge.contract.spec import ModelSpec, OperatingPoint
from edge.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class Choices:
    """One state of the desk.

    Attributes:
        roi: the lesion or field that the operator has drawn; None looks for the field.
        point: the operating point in use.
        hidden: the risk is computed and logged, but neither drawn nor sent to the page.
    """

    roi: Roi | None
    point: OperatingPoint
    hidden: bool = False


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change that a viewer asks for; fields that are left out stay as they are."""

    roi: tuple[int, int, int, int] | msgspec.UnsetType | None = msgspec.UNSET
    point: str | msgspec.UnsetType = msgspec.UNSET
    hidden: bool | msgspec.UnsetType = msgspec.UNSET


class Desk:
    """Choices that any thread may change and any thread may read."""

    def __init__(self, spec: ModelSpec, choices: Choices):
        """Begin with `choices`; only operating points of `spec` can be chosen later."""
        self._spec = spec
        self._lock = threading.Lock()
        self._choices = choices

    @property
    def choices(self) -> Choices:
        """As of now; the object itself never changes."""
        return self._choices

    @property
    def points(self) -> tuple[OperatingPoint, ...]:
        """What can be chosen."""
        return self._spec.operating_points

    def follow(self, message: str | bytes, bounds: Roi) -> None:
        """Carry out an order in JSON, as a whole or not at all.

        Args:
            message: see `Order`.
            bounds: of the picture that the order speaks of.

        Raises:
            UsageError: not an order, or a region outside the picture.
            DataError: an operating point that the model does not have, or a region that is none.
        """
        try:
            order = msgspec.json.decode(message, type=Order)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UsageError(f"not understood: {error}") from error
        with self._lock:
            choices = self._choices
            if not isinstance(order.roi, msgspec.UnsetType):
                choices = replace(choices, roi=_inside(order.roi, bounds))
            if not isinstance(order.point, msgspec.UnsetType):
                choices = replace(choices, point=self._spec.point(order.point))
            if not isinstance(order.hidden, msgspec.UnsetType):
                choices = replace(choices, hidden=order.hidden)
            self._choices = choices


def _inside(box: tuple[int, int, int, int] | None, bounds: Roi) -> Roi | None:
    if box is None:
        return None
    roi = Roi(*box)
    if not roi.inside(bounds) or min(roi.width, roi.height) < 16:
        raise DataError(
            f"region {','.join(map(str, box))} must lie in the picture of {bounds.width}x{bounds.height} "
            "pixels and be 16 pixels or more each way"
        )
    return roi
