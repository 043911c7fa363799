"""A network camera's or encoder's stream, decoded by FFmpeg. Only to be opened in a process of its own."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge.contract.frame import Frame
from edge.sources.base import Condition, Outage, SourceEnded, SourceInfo
from edge.sources.messages import MAX_PIXELS
from edge.sources.slabs import Slabs
from edge.sources.video import RATE, as_frame, info_of, lenient, words_of

if TYPE_CHECKING:
    from av.container import InputContainer

SCHEMES = ("rtsp://", "rtsps://")
SILENCE_S = 2.5  # to open, and between two packets
RETRY_S = 0.5  # after an attempt; one costs little in a process that has loaded FFmpeg already
_OPTIONS = {
    "rtsp_transport": "tcp",  # lost packets of UDP tear pictures without a word
    "protocol_whitelist": "rtsp,rtp,tcp,tls,udp",
    "max_pixels": str(MAX_PIXELS),
    "fflags": "nobuffer",
    "flags": "low_delay",
    "analyzeduration": "500000",  # microseconds; five seconds by default
}


def without_password(address: str) -> str:
    """For messages and logs: a file's name as it is, an address without who asks and how.

    What stands before an @ may hold any sign, also a slash that should have been escaped, and cameras take
    passwords in the query and in the path. So where it is not clear what is the host, none is named.
    """
    found = re.match(r"(\w+://|rtsps?:/*)(.*)", address, re.IGNORECASE | re.DOTALL)
    if found is None:
        return address
    scheme, rest = found.groups()
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(authority) :]:
        return f"{scheme}..."
    return scheme + re.split(r"[?#;&=]", rest.rpartition("@")[2], maxsplit=1)[0]


class StreamSource:
    """Frames as they come, stamped when they are decoded. An end of any kind is an outage, tried again."""

    def __init__(self, address: str, slabs: Slabs | None = None):
        """Try to open it once, within `SILENCE_S` where FFmpeg heeds its own limits; frames lie in `slabs`.

        That nobody answers is no error: the first `read` says so.
        """
        self._address = address
        self._name = without_password(address)
        self._closed = threading.Event()
        self._slabs = Slabs() if slabs is None else slabs
        self._sequence = 0
        self._info = SourceInfo(self._name, 0, 0, RATE)
        self._frames: Iterator[Frame] | None = None
        self._outage: Outage | None = None
        self._open()

    @property
    def info(self) -> SourceInfo:
        """As the server describes it; without pixels until it first has."""
        return self._info

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        if self._frames is None and self._outage is None:
            self._closed.wait(RETRY_S)
            self._open()
        if self._closed.is_set():
            raise SourceEnded
        if self._frames is not None:
            frame = next(self._frames, None)
            if frame is not None:
                return frame
            self._frames = None
        outage, self._outage = self._outage, None
        assert outage is not None
        raise outage

    def close(self) -> None:
        """End the next `read`."""
        self._closed.set()

    def _open(self) -> None:
        """Connect; what goes wrong is left in `_outage`."""
        import av

        try:
            container: InputContainer = av.open(
                self._address,
                options=dict(_OPTIONS),
                timeout=(SILENCE_S, SILENCE_S),
                **lenient(),
            )
        except (av.FFmpegError, OSError) as error:
            self._fail(f"does not deliver: {words_of(error)}")
            return
        if not container.streams.video:
            container.close()
            self._fail("has no video stream")
            return
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"  # threads over frames would hold every picture back
        self._info = info_of(stream, self._name)
        self._frames = self._decode(container)

    def _fail(self, how: str) -> None:
        how = how.replace(self._address, self._name)  # FFmpeg repeats the address in some of its errors
        self._outage = Outage(Condition.NO_SIGNAL, f"'{self._name}' {how}; trying again")

    def _decode(self, container: InputContainer) -> Iterator[Frame]:
        """Frames until the connection ends; why it did is left in `_outage`."""
        import av

        try:
            for packet in container.demux(container.streams.video[0]):
                try:
                    pictures = packet.decode()
                except av.InvalidDataError:
                    continue  # one damaged picture; the next key frame mends it
                for picture in pictures:
                    sequence, self._sequence = self._sequence, self._sequence + 1
                    yield as_frame(picture, sequence, time.monotonic_ns(), self._slabs)
            self._fail("has ended")
        except (av.FFmpegError, OSError) as error:
            self._fail(f"has stopped: {words_of(error)}")
        finally:
            container.close()
