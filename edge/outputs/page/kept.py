"""The list of recordings on the page: look, download, protect, delete; by id, never by a file's name."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge.errors import UnavailableError, UsageError
from edge.outputs.recordings import PARTS, Recordings


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to become of a recording: protected or not, or deleted."""

    id: str
    protect: bool | msgspec.UnsetType = msgspec.UNSET
    delete: bool = False


def listed(recordings: Recordings | None) -> list[dict[str, object]]:
    """The rows of the list, newest first, with the parts that can be downloaded.

    Raises:
        UnavailableError: there is no folder of recordings.
    """
    rows: list[dict[str, object]] = []
    for clip in _there(recordings).clips():
        row: dict[str, object] = msgspec.to_builtins(clip)
        folder = _there(recordings).folder / clip.id
        row["parts"] = [part for part, name in PARTS.items() if (folder / name).is_file()]
        rows.append(row)
    return rows


def download(recordings: Recordings | None, clip: str, part: str) -> tuple[Path, str]:
    """The file of a part and the name that it is to have at the viewer's.

    Raises:
        NoInputError: no such recording or part.
        UnavailableError: there is no folder of recordings.
    """
    path = _there(recordings).open(clip, part)
    return path, f"sonocart-{clip}-{path.name}"


def change(recordings: Recordings | None, body: bytes) -> None:
    """Carry out a `Change` in JSON.

    Raises:
        UsageError: not a change.
        SonocartError: see `Recordings.protect` and `delete`.
    """
    try:
        wanted = msgspec.json.decode(body, type=Change)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"not understood: {error}") from error
    if not isinstance(wanted.protect, msgspec.UnsetType):
        _there(recordings).protect(wanted.id, wanted.protect)
    if wanted.delete:
        _there(recordings).delete(wanted.id)


def _there(recordings: Recordings | None) -> Recordings:
    if recordings is None:
        raise UnavailableError("there are no recordings here: start sonocart run with --recordings FOLDER")
    return recordings
