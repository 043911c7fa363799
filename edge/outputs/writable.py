"""Asks beforehand whether an output can be written, so that nothing is begun in vain."""

from __future__ import annotations

from pathlib import Path

from edge.errors import CannotCreateError


def require_writable(path: Path, what: str) -> None:
    """Make missing folders, and raise CannotCreateError unless `path` can be created or replaced."""
    existed = path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        raise CannotCreateError(
            f"cannot write the {what} '{path}': {error.strerror}. Give a file in a folder that may be "
            "written to"
        ) from error
    if not existed:
        path.unlink()
