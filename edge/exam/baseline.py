"""What the risks at this site looked like when the bundle was accepted, and how far they have moved since."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge.errors import DataError, NoInputError

BINS = 10
_FEW = 1e-3  # an empty bin counts as this share: the index has a logarithm


class Baseline(msgspec.Struct, frozen=True):
    """Written by `sonocart accept`.

    Attributes:
        bundle, precision: whose risks these are.
        cases: that gave a risk.
        edges: of the bins of risk, `BINS` + 1, from 0 to 1.
        share: of the cases in each bin.
        withheld: share of all cases without a risk.
    """

    bundle: str
    precision: str
    cases: int
    edges: tuple[float, ...]
    share: tuple[float, ...]
    withheld: float


def read_baseline(path: Path, bundle: str) -> Baseline:
    """The baseline in a file.

    Raises:
        NoInputError: the file cannot be read.
        DataError: it is none, of no case, or of another bundle.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        raise NoInputError(f"cannot read the baseline '{path}': {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' is no baseline: {error}. Run: sonocart accept --baseline") from error
    if found.cases < 1:
        raise DataError(f"baseline '{path}' is of no case with a risk. Run: sonocart accept --baseline")
    if len(found.share) != BINS or found.bundle != bundle:
        raise DataError(
            f"baseline '{path}' is of bundle {found.bundle} with {len(found.share)} bins, expected {bundle} "
            f"and {BINS}. Run: sonocart accept --baseline"
        )
    return found


def drift(share: Sequence[float], counts: Sequence[int]) -> float:
    """Population stability index of `counts` against `share`, bin by bin (Siddiqi 2006).

    Below 0.1 is little, above 0.25 much; 0 without any count. A live sweep gives many risks of one lesion, so
    some hundred patients have to pass before it says anything.
    """
    total = sum(counts)
    if not total:
        return 0.0
    pairs = ((max(a, _FEW), max(b / total, _FEW)) for a, b in zip(share, counts, strict=True))
    return sum((b - a) * math.log(b / a) for a, b in pairs)
