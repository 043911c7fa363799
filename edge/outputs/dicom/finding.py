"""What the kit found, as the report needs it: a risk with its interval and everything that made it."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from edge.contract.roi import Roi
from edge.errors import DataError, NoInputError

_LARGEST = 1 << 20  # bytes; a finding has a few hundred

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model said it. `passport_id` is the compiled engine's, None where none was compiled."""

    name: Text
    version: Text
    precision: Text
    bundle_id: Text
    passport_id: Text | None


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One lesion's estimate.

    Attributes:
        risk: calibrated probability of malignancy.
        low: lower end of its interval.
        high: upper end.
        confidence: of the interval, 0.95 for 95 %.
        operating_point: name of the decision threshold in use.
        threshold: on `risk`; at or above it the finding is in the upper category.
        frames_used: pictures that entered the estimate.
        captured_at: of the newest of them, with its offset from UTC.
        box: of the lesion, pixels of the clean still; None where no lesion was marked.
        model: which model said it.
    """

    risk: Probability
    low: Probability
    high: Probability
    confidence: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
    operating_point: Text
    threshold: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
    frames_used: Annotated[int, msgspec.Meta(ge=1)]
    captured_at: Annotated[datetime, msgspec.Meta(tz=True)]
    box: Roi | None
    model: Model

    def __post_init__(self) -> None:
        if not self.low <= self.risk <= self.high:  # NaN fails too
            raise DataError(f"risk {self.risk} does not lie in its interval, {self.low} to {self.high}")
        for name, text in (
            ("operating_point", self.operating_point),
            *msgspec.structs.asdict(self.model).items(),
        ):
            if text is not None and re.search(r"[\x00-\x1f\x7f-\x9f\\]", text):
                raise DataError(f"'{name}' of the finding holds control characters or a backslash")

    @property
    def above(self) -> bool:
        """True if the risk is at or above the operating point."""
        return self.risk >= self.threshold


def read_finding(path: Path) -> Finding:
    """Read a finding from its JSON file.

    Raises:
        NoInputError: the file cannot be read.
        DataError: not JSON, a missing or unknown field, or figures that make no sense.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise NoInputError(f"cannot read the finding '{path}': {error.strerror}") from error
    if len(raw) > _LARGEST:
        raise DataError(f"'{path}' has more than {_LARGEST} bytes, so it is no finding")
    try:
        return msgspec.json.decode(raw, type=Finding)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' is no finding: {error}") from error
