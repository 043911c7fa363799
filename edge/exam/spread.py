"""How far a model's risk varies over one lesion, as measured on sweeps; it travels in the model's bundle."""

from __future__ import annotations

import math

import msgspec

from edge.contract.bundle import Bundle
from edge.errors import DataError

SPREAD = "reports/spread.json"


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the interval of the running risk rests on before the lesion itself has told.

    Attributes:
        deviation: logit, root mean square over lesions, of single frames about the mean of their sweep.
        reach: looks after the first until the error of the running mean is taken for deviation / sqrt(2).
        sweeps: lesions that it was measured on; 0 if it is assumed.
    """

    deviation: float
    reach: float
    sweeps: int

    @property
    def words(self) -> str:
        """What it is worth, in a line."""
        if not self.sweeps:
            return "of an assumed spread, not measured with this model; run sonocart coverage BUNDLE --fit"
        return (
            f"{self.sweeps} sweeps: the risk varies over a lesion by {self.deviation:.2f} (logit), and "
            f"{self.reach:.1f} looks after the first its mean's squared error is taken to have halved"
        )


UNMEASURED = Spread(deviation=0.9, reach=1.8, sweeps=0)
"""As of a model that was well trained; wide for a weak one, whose risks hardly vary."""


def read_spread(bundle: Bundle) -> Spread:
    """The spread that the bundle carries, or `UNMEASURED`.

    Raises:
        DataError: it carries one that makes no sense.
    """
    if not bundle.has(SPREAD):
        return UNMEASURED
    try:
        spread = msgspec.json.decode(bundle.read(SPREAD), type=Spread)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{SPREAD} of bundle {bundle.id} is not valid: {error}") from error
    if not (0.0 < spread.deviation < math.inf and 0.0 < spread.reach < math.inf):
        raise DataError(f"{SPREAD} of bundle {bundle.id}: expected a deviation and a reach above 0")
    return spread
