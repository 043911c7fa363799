"""Images from an OpenIGTLink server, such as PLUS: `igtl://host:18944`.

An own reader: pyigtl reads whatever length a header declares, checks no checksum, and spins for ever on a
header that is cut off. OpenIGTLink protocol, versions 1 to 3: header, extended header, IMAGE.
"""

from __future__ import annotations

import logging
import re
import socket
import struct
import threading
import time
from collections import Counter

import numpy as np

from edge.contract.frame import Frame, Matrix, PixelFormat, Plane
from edge.errors import UsageError
from edge.sources.base import Condition, Outage, SourceEnded, SourceInfo
from edge.sources.crc64 import crc64
from edge.sources.messages import MAX_PIXELS
from edge.sources.slabs import Slabs

logger = logging.getLogger(__name__)

SCHEME = "igtl://"
PORT = 18944
SILENCE_S = 3.0  # to connect, and for a message to be whole
RETRY_S = 0.5  # after a connection that was of no use
RATE = 30.0  # the protocol does not say
_HEADER = struct.Struct(">H12s20sQQQ")  # version, type, device, time, size of the body, its checksum
_EXTENDED = struct.Struct(">HHII")  # own size, sizes of the metadata's header and of the metadata, number
_IMAGE = struct.Struct(">HBBBB3H12f3H3H")  # version, components, scalar, endian, coordinates, size, ...
_UINT8 = 3
_FORMATS = {1: PixelFormat.GRAY8, 3: PixelFormat.RGB24}
MAX_BODY = 3 * MAX_PIXELS + (1 << 16)
_CHUNK = 1 << 16
_LOOK_S = 0.1


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `igtl://HOST[:PORT]`.

    Raises:
        UsageError: it is no such address.
    """
    found = re.fullmatch(r"igtl://(\[[0-9a-f:]+\]|[^:/\[\]]+)(?::(\d{1,5}))?/?", text)
    if found is None or not 0 < int(found[2] or PORT) < 65536:
        raise UsageError(f"'{text}' is no OpenIGTLink address; expected igtl://HOST or igtl://HOST:{PORT}")
    return found[1].strip("[]"), int(found[2] or PORT)


class _BrokenError(Exception):
    """The connection is of no use any more; the text says why."""


class IgtlSource:
    """A client of one server. What is damaged is dropped and counted; what is not an image is passed over."""

    def __init__(self, text: str):
        """Connect and wait a moment for the first image; that nobody sends one is said by the first `read`.

        Raises:
            UsageError: `text` is no address.
        """
        self._address = parse_address(text)
        self._name = text
        self._closed = threading.Event()
        self._slabs = Slabs()
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._due_s = 0.0
        self._said = ""  # the newest outage
        self._info = SourceInfo(text, 0, 0, RATE)
        self.counts: Counter[str] = Counter()
        self._first: Frame | None = None
        self._outage: Outage | None = None  # to be raised by the first `read`
        try:
            self._first = self._try()
        except Outage as outage:
            self._outage = outage

    @property
    def info(self) -> SourceInfo:
        """Of the newest image; without pixels until there is one."""
        return self._info

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        frame, self._first = self._first, None
        outage, self._outage = self._outage, None
        if outage is not None:
            raise outage
        while frame is None:
            if self._closed.is_set():
                self._hang_up()
                raise SourceEnded
            frame = self._try()
        return frame

    def close(self) -> None:
        """End a waiting `read`, which lets go of the connection."""
        self._closed.set()

    def _try(self) -> Frame | None:
        try:
            if self._socket is None:
                self._connect()
            frame = self._image(time.monotonic() + SILENCE_S)
        except Outage as outage:
            self._say(outage)
            return None
        except _BrokenError as error:
            self._hang_up()
            self._due_s = time.monotonic() + RETRY_S
            self._say(Outage(Condition.NO_SIGNAL, f"'{self._name}': {error}; trying again"))
            return None
        self._info, self._said = SourceInfo(self._name, frame.width, frame.height, RATE), ""
        return frame

    def _say(self, outage: Outage) -> None:
        if str(outage) != self._said and not self._closed.is_set():
            self._said = str(outage)
            raise outage

    def _connect(self) -> None:
        self._closed.wait(max(0.0, self._due_s - time.monotonic()))
        try:
            self._socket = socket.create_connection(self._address, timeout=SILENCE_S)
            self._socket.settimeout(_LOOK_S)
        except OSError as error:
            raise _BrokenError(f"cannot connect: {error.strerror or error}") from error

    def _hang_up(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _image(self, end_s: float) -> Frame:
        """The next image that is whole."""
        while True:
            header = bytes(self._take(_HEADER.size, end_s))
            captured_ns = time.monotonic_ns()
            version, kind, _, _, size, crc = _HEADER.unpack(header)
            if not 1 <= version <= 3 or size > MAX_BODY:
                raise _BrokenError(f"found a message of version {version} and {size} bytes")
            if kind.rstrip(b"\0") != b"IMAGE":
                self._skip(size, end_s)
                continue
            body = self._take(size, end_s)
            self._sequence += 1
            if crc64(body) != crc:
                self._drop("checksum")
                continue
            content = _content(body) if version > 1 else body
            frame = None if content is None else self._frame(content, captured_ns)
            if frame is not None:
                return frame
            self._drop("malformed")

    def _frame(self, content: Plane, captured_ns: int) -> Frame | None:
        """The image in a message's content; None where its sizes do not fit.

        Raises:
            Outage: pixels of a kind that is not taken.
        """
        if content.size < _IMAGE.size:
            return None
        _, components, scalar, _, _, width, height, depth, *_ = _IMAGE.unpack_from(content.data)
        if scalar != _UINT8 or components not in _FORMATS or depth != 1:
            raise Outage(
                Condition.UNSUPPORTED,
                f"images of {width}x{height}x{depth}, {components} components of scalar type {scalar}; "
                "expected one slice of 8-bit grey or RGB",
            )
        pixels = content[_IMAGE.size :]
        if not width * height or pixels.size != width * height * components:
            return None
        shape = (height, width) if components == 1 else (height, width, components)
        planes = self._slabs.copy([pixels.reshape(shape)])
        number = self._sequence - 1
        return Frame(planes, _FORMATS[components], number, captured_ns, full_range=True, matrix=Matrix.BT601)

    def _drop(self, how: str) -> None:
        self.counts[how] += 1
        if self.counts[how] & (self.counts[how] - 1) == 0:  # the 1st, 2nd, 4th, 8th...: no flood
            logger.warning("%s: %d images dropped: %s", self._name, self.counts[how], how)

    def _skip(self, size: int, end_s: float) -> None:
        while size:
            size -= self._take(min(size, _CHUNK), end_s).size

    def _take(self, size: int, end_s: float) -> Plane:
        """So many bytes, until `end_s` of time.monotonic. Memory grows with what arrives, not as declared."""
        assert self._socket is not None
        data = bytearray()
        while len(data) < size:
            if self._closed.is_set() or time.monotonic() > end_s:
                raise _BrokenError(f"no whole image for {SILENCE_S:g} s")
            try:
                part = self._socket.recv(min(size - len(data), 1 << 20))
            except TimeoutError:
                continue
            except OSError as error:
                raise _BrokenError(f"{error.strerror or error}") from error
            if not part:
                raise _BrokenError("the server has hung up")
            data += part
        return np.frombuffer(data, np.uint8)


def _content(body: Plane) -> Plane | None:
    """Of a message with an extended header, without it and the metadata."""
    if body.size < _EXTENDED.size:
        return None
    own, metadata_header, metadata, _ = _EXTENDED.unpack_from(body.data)
    end = body.size - metadata_header - metadata
    return body[own:end] if _EXTENDED.size <= own <= end else None
