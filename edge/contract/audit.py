"""An append-only record of what a qualified person must be able to ask for later: hash-chained JSON lines.

Each line carries the SHA-256 of the line before it, so a changed, inserted or removed line shows. The number
of lines and the last one's hash also stand in a file beside it, so that a cut end shows. Whoever can write
both files can forge both: this is against mistakes and damage; keep the last hash elsewhere for more.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from edge.errors import DataError, NoInputError, TransferError

_FIRST = "0" * 64
_HEAD = ".head"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line.

    Attributes:
        time: ISO 8601, UTC.
        event: one word of what happened, "refused".
        detail: in a sentence; no patient's data.
        previous: SHA-256 of the line before it as it stands in the file; zeros for the first.
    """

    time: str
    event: str
    detail: str
    previous: str


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lines: int
    sha256: str


def append(path: Path, event: str, detail: str) -> None:
    """Add a line and force it to the disk; several processes may do it at once.

    A last line that a power cut tore was never complete, and makes room. An end that was cut otherwise is
    noted as "damaged" before the new line, which would hide it.

    Raises:
        TransferError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                file.truncate(len(whole))
            lines = whole.splitlines()
            head = path.with_name(path.name + _HEAD)
            damage = _damage(head, lines)
            entries = ([] if damage is None else [("damaged", damage)]) + [(event, detail)]
            for word, words in entries:
                entry = Entry(
                    time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                    event=word,
                    detail=words,
                    previous=_hash(lines),
                )
                lines.append(msgspec.json.encode(entry))
                file.write(lines[-1] + b"\n")
            file.flush()
            os.fsync(file.fileno())
            partial = head.with_name(head.name + ".partial")
            partial.write_bytes(msgspec.json.encode(_Head(len(lines), _hash(lines))))
            partial.replace(head)
    except OSError as error:
        raise TransferError(f"cannot write the audit log '{path}': {error.strerror}") from error


def _hash(lines: list[bytes]) -> str:
    """Of the last line."""
    return hashlib.sha256(lines[-1]).hexdigest() if lines else _FIRST


def _damage(head: Path, lines: list[bytes]) -> str | None:
    """How the log's end differs from what its head says; None where it does not.

    A power cut between a line and the head leaves the head one line behind.
    """
    try:
        known = msgspec.json.decode(head.read_bytes(), type=_Head)
    except FileNotFoundError:
        return None if len(lines) <= 1 else f"{len(lines)} lines are here, and no head beside them"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "its head was altered"
    if (known.lines, known.sha256) in ((len(lines), _hash(lines)), (len(lines) - 1, _hash(lines[:-1]))):
        return None
    return f"{len(lines)} lines were here; the head says {known.lines}, the last with SHA-256 {known.sha256}"


def verify(path: Path) -> list[Entry]:
    """All entries, once the whole chain holds.

    Raises:
        NoInputError: there is no such log.
        DataError: the first line that is not as it was written, by its number.
    """
    try:
        content = path.read_bytes()
        head_file = path.with_name(path.name + _HEAD)
        head = msgspec.json.decode(head_file.read_bytes(), type=_Head)
    except OSError as error:
        raise NoInputError(f"cannot read the audit log '{error.filename}': {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}{_HEAD}' was altered: {error}") from error
    lines = content.splitlines()
    entries, previous = [], _FIRST
    for number, line in enumerate(lines, start=1):
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DataError(f"audit log '{path}', line {number} was altered: {error}") from error
        if entry.previous != previous:
            raise DataError(
                f"audit log '{path}': line {number} does not follow line {number - 1}; one of them was "
                "altered, or a line between them removed"
            )
        entries.append(entry)
        previous = hashlib.sha256(line).hexdigest()
    # A power cut between the line and the head leaves the head one line behind.
    known = {len(lines): previous, len(lines) - 1: entries[-1].previous if entries else _FIRST}
    if known.get(head.lines) != head.sha256:
        raise DataError(
            f"audit log '{path}' has {len(lines)} lines; '{path}{_HEAD}' says {head.lines}: its end was cut, "
            f"or its last line, {len(lines)}, altered"
        )
    return entries
