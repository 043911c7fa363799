"""Outputs that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import CannotCreateError


@contextmanager
def new_folder(path: Path, *, replace: bool) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place when the block ends well.

    Args:
        path: must not exist, or be an empty folder, unless `replace` is set.
        replace: put the new folder in the old one's place.

    Raises:
        CannotCreateError: `path` is taken or cannot be written; also for any OSError inside the block.
    """
    _require_free(path, replace=replace)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise CannotCreateError(f"cannot write '{path}': {error.strerror or error}") from error
    try:
        partial.chmod(0o755)
        yield partial
        if path.exists():
            aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
            path.rename(aside)
            partial.rename(path)
            shutil.rmtree(aside)
        else:
            partial.rename(path)
    except OSError as error:
        raise CannotCreateError(f"cannot write '{path}': {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_new_folder(path: Path, *, replace: bool = False, hint: str = "") -> None:
    """Ask before long work whether `new_folder` can make `path`; `hint` is what else helps where it is taken.

    Raises:
        CannotCreateError: it is taken, or cannot be written.
    """
    _require_free(path, replace=replace, hint=hint)
    require_place(path)


def _require_free(path: Path, *, replace: bool, hint: str = "") -> None:
    if path.exists() and not path.is_dir():
        raise CannotCreateError(f"'{path}' is a file, expected a folder; choose another --out")
    if not replace and path.exists() and any(path.iterdir()):
        raise CannotCreateError(f"'{path}' exists and is not empty; choose another --out{hint}")


def require_place(path: Path) -> None:
    """Ask before long work whether `path` can be written; folders that are missing count as to be made.

    Raises:
        CannotCreateError: a part of the way is no folder, or the last folder that exists is not writable.
    """
    last = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=last)).rmdir()
    except OSError as error:
        raise CannotCreateError(
            f"cannot write '{path}': {error.strerror or error}; choose a place in a folder that is writable"
        ) from error


@contextmanager
def new_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A temporary name beside `path`, with its suffix, that is renamed to `path` when the block ends well.

    Args:
        path: new, or replaced.
        private: the file, and a folder that is made for it, are the owner's and the group's alone.

    Raises:
        CannotCreateError: the folder cannot be written; also for any OSError inside the block.
    """
    try:
        path.parent.mkdir(0o750 if private else 0o777, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise CannotCreateError(f"cannot write '{path}': {error.strerror or error}") from error
    try:
        partial = folder / path.name
        yield partial
        if private:
            partial.chmod(0o640)
        partial.replace(path)
    except OSError as error:
        raise CannotCreateError(f"cannot write '{path}': {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace_file(path: Path, data: bytes) -> None:
    """Put `data`, once it is on the disk, in the place of `path`: a power cut leaves the old or the new.

    The file is the owner's and the group's: what is kept of an examination is nobody else's.

    Raises:
        OSError: it cannot be written; the old file is still there.
    """
    partial = path.with_suffix(".partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
