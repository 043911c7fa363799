"""What the black box writes and `sonocart replay` reads: msgpack of these structures, compressed."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec

from edge.atomic import new_file
from edge.errors import DataError, NoInputError

SCHEMA = 1
_LARGEST = 4 << 30  # bytes unpacked; a file may claim any size


class Sums(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of the evidence, see `edge.exam.evidence.Sums`; the key is float32 bytes or null."""

    n: int
    weight: float
    total: float
    squares: float
    looks: int
    part: float
    newest: tuple[int, int]
    key: bytes | None


class Entry(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One picture that the network was asked about.

    Attributes:
        sequence, captured_ns: of the picture.
        picture: its width and height.
        region: left, top, width, height of what the network saw.
        full_range: see `Frame`.
        tensor: uint8 bytes (height, width), what was handed to the network.
        luma: uint8 bytes of `region`; null where the box had no room for it any more.
        quality: 0 to 1.
        risk: of the network; null where it failed or did not answer.
        reason: why there is no risk.
        before, after: the evidence; null where the answer did not count.
        on_device: the tensor was made by the network's own device, which is held to one grey level of
            `prepare`; where it gave no risk, the tensor is not known.
        point, threshold: operating point in force; of an older package's file that of the start.
    """

    sequence: int
    captured_ns: int
    picture: tuple[int, int]
    region: tuple[int, int, int, int]
    full_range: bool
    tensor: bytes
    luma: bytes | None
    quality: float
    risk: float | None = None
    reason: str = ""
    before: Sums | None = None
    after: Sums | None = None
    on_device: bool = False
    point: str = ""
    threshold: float | None = None


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ran: model, bundle, precision, runtime, and the operating point of the start."""

    model: str
    bundle: str
    precision: str
    engine: str
    point: str
    threshold: float


class Recording(msgspec.Struct, forbid_unknown_fields=True):
    """A dumped box; `created` is UTC in ISO 8601, `reason` why it was dumped."""

    schema: int
    created: str
    reason: str
    subject: Subject
    width: int
    height: int
    entries: list[Entry]


def write_recording(path: Path, recording: Recording) -> None:
    """Write it whole or not at all, for owner and group alone: it holds a patient's pictures.

    Raises:
        CannotCreateError: it cannot be written.
    """
    packed = zlib.compress(msgspec.msgpack.encode(recording), 1)
    with new_file(path, private=True) as partial:
        partial.write_bytes(packed)


def read_recording(path: Path) -> Recording:
    """Read what `write_recording` wrote.

    Raises:
        NoInputError: the file cannot be read.
        DataError: it is no recording of a black box, damaged, or of another version.
    """
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise NoInputError(f"cannot read '{path}': {error.strerror}") from error
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(packed, _LARGEST)
        if not unpacker.eof:
            raise DataError(f"'{path}' is cut off or too large for a black box's recording")
        recording = msgspec.msgpack.decode(raw, type=Recording)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise DataError(f"'{path}' is no black box's recording: {error}") from error
    if recording.schema != SCHEMA:
        raise DataError(f"'{path}' has schema {recording.schema}, expected {SCHEMA}")
    return recording
