"""Asks beforehand whether an output can be written, so that nothing is begun in vain."""

from __future__ import annotations

from pathlib import Path

from edge.contract.bundle import MANIFEST_HASH
from edge.errors import CannotCreateError


def require_writable(path: Path, what: str) -> None:
    """Make missing folders, and raise CannotCreateError unless `path` can be created or replaced.

    Nothing may be written into a bundle: with a file that its manifest does not list it is refused.
    """
    for folder in path.resolve().parents:
        if (folder / MANIFEST_HASH).exists():
            raise CannotCreateError(
                f"the {what} '{path}' would be in the bundle '{folder}', which nothing may be "
                "added to; choose another place"
            )
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
