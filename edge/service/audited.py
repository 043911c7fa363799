"""The service's line in the audit log; a disk that takes none must not keep the picture from the operator."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from edge.contract.audit import append
from edge.errors import TransferError

logger = logging.getLogger(__name__)


def audited(path: Path | None, event: str, detail: str, tell: Callable[[str], object]) -> None:
    """Add a line to the audit log at `path`, if there is one; `tell` is given why it could not be added."""
    if path is None:
        return
    try:
        append(path, event, detail)
    except TransferError as error:
        words = f"{error}; it lacks: {event}, {detail}"
        logger.error("%s", words)
        tell(words)
