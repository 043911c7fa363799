"""The passport that `sonocart passport` wrote for this cart, as far as the cart needs it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.errors import DataError, NoInputError


@dataclass(frozen=True, slots=True)
class Running:
    """What a passport must speak of.

    Attributes:
        bundle: its id.
        precision: of the engine.
        engine: runtime and device in words, as engines name themselves.
        board: from the device tree; None where the machine has none.
        cpu: the processor's own name.
    """

    bundle: str
    precision: str
    engine: str
    board: str | None
    cpu: str


class _Environment(msgspec.Struct, frozen=True):
    board: str | None
    cpu: str


class _Passport(msgspec.Struct, frozen=True):
    bundle: str
    measured: dict[str, str]
    environment: _Environment


def read_passport_id(path: Path, running: Running) -> str:
    """The id of a passport: the first digits of its hash, so that no other passport has it.

    Raises:
        NoInputError: the file cannot be read.
        DataError: it is no passport, or of another bundle, precision or machine than what runs.
    """
    try:
        data = path.read_bytes()
        found = msgspec.json.decode(data, type=_Passport)
    except OSError as error:
        raise NoInputError(f"cannot read the passport '{path}': {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(
            f"'{path}' is no passport: {error}. Run: sonocart passport BUNDLE --out DIR"
        ) from error
    measured = found.measured.get(running.precision)
    if measured is None:
        precisions = ", ".join(found.measured) or "none"
        raise _differs(path, "precision", precisions, running.precision)
    for what, its, ours in (
        ("bundle", found.bundle, running.bundle),
        ("board", found.environment.board, running.board),
        ("CPU", found.environment.cpu, running.cpu),
        ("device", _device(measured), _device(running.engine)),
    ):
        if its != ours:
            raise _differs(path, what, its, ours)
    return hashlib.sha256(data).hexdigest()[:12]


def _differs(path: Path, what: str, its: str | None, ours: str | None) -> DataError:
    return DataError(
        f"passport '{path}' is of {what} {its or 'unknown'}, and {ours or 'unknown'} runs. "
        "Run here: sonocart passport BUNDLE --out DIR"
    )


def _device(engine: str) -> str:
    """The GPU's name, or CPU: what stands behind the runtime and its version."""
    return [*engine.split(", "), ""][1]
