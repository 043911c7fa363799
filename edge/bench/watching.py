"""What the benches at a source's own rate share: waiting for its pictures, and watching while they pass."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.bench.conditions import LOOK_SECONDS, Conditions, Watch
from edge.bench.product import Product
from edge.errors import DataError

FIRST_SECONDS = 60.0
"""Without a picture; longer, and the source has none."""

PICTURES = 20
"""Of a measurement at least, however slow the source or the machine is."""


def await_first(product: Product, source: str) -> None:
    """Return with the first picture of an opened `product`, or when its source named `source` is over.

    Raises:
        DataError: no picture came within `FIRST_SECONDS`.
    """
    _await_pictures(product, source, 1)


def watch_pictures(
    product: Product, source: str, seconds: float, progress: Callable[[float], None]
) -> Conditions:
    """Watch for `seconds`, longer until `PICTURES` more have passed, shorter if the source ends.

    Raises:
        DataError: no picture came within `FIRST_SECONDS`.
    """
    watch, begin, wanted = Watch(), time.monotonic(), product.encoded + PICTURES
    while (passed := time.monotonic() - begin) < seconds and not product.ended:
        watch.look()
        progress(passed / seconds)
        time.sleep(LOOK_SECONDS)
    _await_pictures(product, source, wanted)
    return watch.conditions()


def _await_pictures(product: Product, source: str, wanted: int) -> None:
    encoded, since = product.encoded, time.monotonic()
    while product.encoded < wanted and not product.ended:
        time.sleep(LOOK_SECONDS)
        if product.encoded > encoded:
            encoded, since = product.encoded, time.monotonic()
        elif time.monotonic() - since > FIRST_SECONDS:
            raise DataError(
                f"{source} has given no picture for {FIRST_SECONDS:g} s; check it with sonocart run"
            )
