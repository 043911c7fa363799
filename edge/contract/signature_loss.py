"""Says that a change of a bundle has dropped its signature."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.contract.signing import claimed_signature


@contextmanager
def telling_of_signature(bundle: Path) -> Iterator[None]:
    """One line on standard error if the bundle's signature is gone when the block ends, well or not."""
    before = claimed_signature(bundle)
    try:
        yield
    finally:
        if before is not None and claimed_signature(bundle) is None:
            print(
                f"the signature of version {before.version} is gone with the change: sign again. "
                f"Run: sonocart sign {bundle} --key KEY --version {before.version + 1}",
                file=sys.stderr,
            )
