"""A network camera's or encoder's stream, decoded by FFmpeg. Only to be opened in a process of its own."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge.contract.frame import Frame
from edge.errors import UnavailableError
from edge.sources.base import SourceEnded, SourceInfo
from edge.sources.messages import MAX_PIXELS
from edge.sources.slabs import Slabs
from edge.sources.video import as_frame

if TYPE_CHECKING:
    from av.container import InputContainer

SCHEMES = ("rtsp://", "rtsps://")
SILENCE_S = 3.0  # to open, and between two packets
_OPTIONS = {
    "rtsp_transport": "tcp",  # lost packets of UDP tear pictures without a word
    "protocol_whitelist": "rtsp,rtp,tcp,tls,udp",
    "max_pixels": str(MAX_PIXELS),
    "fflags": "nobuffer",
    "flags": "low_delay",
    "analyzeduration": "500000",  # microseconds; five seconds by default
}


def without_password(address: str) -> str:
    """For messages and logs."""
    return re.sub(r"//[^/@]*@", "//", address)


class StreamSource:
    """Frames as they come, stamped when they are decoded; an end of any kind is an error."""

    def __init__(self, address: str, slabs: Slabs | None = None):
        """Open it, within `SILENCE_S` where FFmpeg heeds its own limits; frames lie in `slabs`.

        Raises:
            UnavailableError: it does not answer, or not with video.
        """
        import av

        self._name = without_password(address)
        self._closed = threading.Event()
        self._slabs = Slabs() if slabs is None else slabs
        try:
            self._container: InputContainer = av.open(
                address, options=dict(_OPTIONS), timeout=(SILENCE_S, SILENCE_S), metadata_errors="ignore"
            )
        except (av.FFmpegError, OSError) as error:
            raise UnavailableError(f"'{self._name}' does not deliver: {_words(error)}") from error
        if not self._container.streams.video:
            raise UnavailableError(f"'{self._name}' has no video stream")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "SLICE"  # threads over frames would hold every picture back
        context = self._stream.codec_context
        rate = self._stream.average_rate or self._stream.guessed_rate
        self._info = SourceInfo(self._name, context.width, context.height, float(rate) if rate else 25.0)
        self._frames = self._decode()

    @property
    def info(self) -> SourceInfo:
        """As the server describes it."""
        return self._info

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        if self._closed.is_set():
            raise SourceEnded
        return next(self._frames)

    def close(self) -> None:
        """End the next `read`."""
        self._closed.set()

    def _decode(self) -> Iterator[Frame]:
        import av

        sequence = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    pictures = packet.decode()
                except av.InvalidDataError:
                    continue  # one damaged picture; the next key frame mends it
                for picture in pictures:
                    yield as_frame(picture, sequence, time.monotonic_ns(), self._slabs)
                    sequence += 1
        except (av.FFmpegError, OSError) as error:
            raise UnavailableError(f"'{self._name}' has stopped: {_words(error)}") from error
        raise UnavailableError(f"'{self._name}' has ended")


def _words(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
