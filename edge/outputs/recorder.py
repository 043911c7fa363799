"""Records the presented pictures as H.264 in a fragmented MP4, which plays even after a power cut."""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge.contract.frame import Frame, Matrix
from edge.errors import CannotCreateError, UnavailableError
from edge.exam.reading import Reading
from edge.outputs.planes import as_i420
from edge.pictures import rows_of
from edge.timing import Timing

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

QUEUE = 8
"""Frames that wait for the encoder at most; further ones are dropped and counted, never waited for."""

_CLOCK = 90_000  # ticks a second, the usual time base of video
_ENCODERS = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"},
    "libopenh264": {"allow_skip_frames": "0"},
    "mpeg4": {"qscale": "3"},
}
_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
_COLOURS = {Matrix.BT601: 6, Matrix.BT709: 1}  # AVCOL_SPC_SMPTE170M, AVCOL_SPC_BT709


class Recorder:
    """One file, written by a thread of its own."""

    def __init__(self, path: Path, rate: float, timing: Timing, *, wait: bool = False):
        """Open the file and start the thread; nothing is written before the first frame.

        Args:
            path: of the MP4; an older file there is replaced.
            rate: nominal frames a second; time stamps are the frames' own.
            timing: receives the stage "record".
            wait: let `present` wait for a slow encoder instead of dropping, for sources that can wait too.

        Raises:
            CannotCreateError: the file cannot be written.
            UnavailableError: no encoder is there.
        """
        self.dropped = 0
        self.written = 0
        self.failure: str | None = None
        self._path = path
        self._rate = rate
        self._timing = timing
        self._wait = wait
        self._encoder = _find_encoder()
        try:
            path.open("wb").close()
        except OSError as error:
            raise CannotCreateError(f"cannot write the recording '{path}': {error.strerror}") from error
        self._queue: queue.Queue[Frame | None] = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def present(self, frame: Frame, reading: Reading) -> None:  # noqa: ARG002 - see Output
        """Hand over a frame, which nobody may write to any more."""
        if self.failure is not None:
            self.dropped += 1
            return
        try:
            self._queue.put(frame, block=self._wait)
        except queue.Full:
            self.dropped += 1

    def note(self, reading: Reading) -> None:
        """A gap is a gap in the time stamps."""

    def close(self) -> None:
        """Write what waits and finish the file."""
        if self._thread.is_alive():
            with suppress(queue.Full):
                self._queue.put(None, timeout=30.0)
        self._thread.join(timeout=30.0)

    def _run(self) -> None:
        try:
            self._record()
        except Exception as error:  # noqa: BLE001 - top of a thread: a recording may fail, the picture goes on
            self.failure = f"the recording has stopped: {getattr(error, 'strerror', None) or error}"
            logger.error("%s", self.failure)
            while self._queue.get() is not None:  # a writer that waits must not wait for ever
                self.dropped += 1

    def _record(self) -> None:
        import av

        first = self._queue.get()
        if first is None:
            return
        with av.open(str(self._path), "w", format="mp4", options=_FRAGMENTED) as container:
            stream = self._add_stream(container, as_i420(first))
            frame: Frame | None = first
            last = -1
            while frame is not None:
                if frame.bounds != first.bounds:
                    self.dropped += 1
                else:
                    with self._timing.stage("record"):
                        ticks = (frame.captured_ns - first.captured_ns) * _CLOCK // 1_000_000_000
                        last = max(ticks, last + 1)
                        picture = as_picture(as_i420(frame))
                        picture.pts, picture.time_base = last, Fraction(1, _CLOCK)
                        container.mux(stream.encode(picture))
                    self.written += 1
                frame = self._queue.get()
            container.mux(stream.encode(None))

    def _add_stream(self, container: OutputContainer, frame: Frame) -> VideoStream:
        options = _ENCODERS[self._encoder]
        rate = Fraction(self._rate).limit_denominator(1001)
        stream = cast("VideoStream", container.add_stream(self._encoder, rate=rate))
        stream.width, stream.height = frame.width, frame.height
        stream.pix_fmt = "yuv420p"
        stream.options = dict(options)
        stream.time_base = Fraction(1, _CLOCK)
        context = stream.codec_context
        context.time_base = Fraction(1, _CLOCK)
        context.gop_size = max(1, round(self._rate))  # a fragment a second: what a power cut may cost
        context.color_range = 2 if frame.full_range else 1
        context.colorspace = _COLOURS[frame.matrix]
        return stream


def as_picture(frame: Frame) -> av.VideoFrame:
    """A copy of an I420 `frame` for an encoder, which may keep it."""
    import av

    picture = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for plane, target in zip(frame.planes, picture.planes, strict=True):
        rows_of(target)[:, : plane.shape[1]] = plane
    return picture


def _find_encoder() -> str:
    import av

    for name in _ENCODERS:
        if name in av.codecs_available:
            return name
    raise UnavailableError(f"this PyAV has no encoder for recording; expected one of {', '.join(_ENCODERS)}")
