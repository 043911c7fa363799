"""A video file, decoded by FFmpeg through PyAV. The frame keeps the decoder's pixel format."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.contract.frame import Frame, Matrix, PixelFormat, Plane
from edge.errors import DataError, NoInputError
from edge.jfif import write_jfif
from edge.pictures import rows_of
from edge.sources.base import Pace, SourceEnded, SourceInfo
from edge.sources.clock import LiveClock
from edge.sources.messages import MAX_PIXELS
from edge.sources.slabs import Slabs

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

_OPTIONS = {"protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}
_FORMATS = {
    "yuv420p": PixelFormat.I420,
    "yuvj420p": PixelFormat.I420,
    "nv12": PixelFormat.NV12,
    "gray": PixelFormat.GRAY8,
    "yuyv422": PixelFormat.YUYV,
    "bgr24": PixelFormat.BGR24,
    "rgb24": PixelFormat.RGB24,
}
_SAMPLES = {PixelFormat.YUYV: 2, PixelFormat.BGR24: 3, PixelFormat.RGB24: 3}  # bytes a pixel in plane 0
_FULL_RANGE, _LIMITED_RANGE = 2, 1  # AVCOL_RANGE_JPEG, AVCOL_RANGE_MPEG
_BT709, _UNSPECIFIED = 1, 2  # AVCOL_SPC_*
RATE = 25.0  # of pictures where a header does not say
_HD_ROWS = 720  # unspecified matrix: BT.709 from here on, as every player assumes


class VideoSource:
    """A file as a `FrameSource`."""

    def __init__(
        self,
        path: Path,
        *,
        pace: Pace,
        repeat: bool = False,
        first: int = 0,
        slabs: Slabs | None = None,
    ):
        """Open `path` and read its header.

        Args:
            path: any container and codec that FFmpeg reads.
            pace: LIVE delivers by the clip's time stamps and stamps frames with the monotonic clock; MAX
                delivers at once and stamps them with the clip's own time, so that a run can be repeated.
            repeat: begin again at the end, for ever.
            first: pictures before this one are decoded and not handed out; their time has passed.
            slabs: where the frames lie; memory of its own by default.

        Raises:
            NoInputError: no such file.
            DataError: no video, or pictures too large.
        """
        import av

        if not path.is_file():
            raise NoInputError(
                f"'{path}' is not a file; expected a video, or phantom: for the synthetic scanner"
            )
        self._path = path
        self._pace = pace
        self._repeat = repeat
        self._first = 0 if repeat else first
        self._closed = threading.Event()
        self._slabs = Slabs() if slabs is None else slabs
        try:
            # `file:` and the whitelist: neither the name nor a playlist inside reaches beyond this machine.
            self._container: InputContainer = av.open(f"file:{path}", options=dict(_OPTIONS), **lenient())
        except (av.FFmpegError, OSError) as error:
            raise DataError(f"'{path}' is not a video that can be read: {words_of(error)}") from error
        if not self._container.streams.video:
            self._container.close()
            raise DataError(f"'{path}' has no video stream. Expected a clip of a scanner's screen")
        self._stream = self._container.streams.video[0]
        context = self._stream.codec_context
        if context.width * context.height > MAX_PIXELS:
            self._container.close()
            raise DataError(
                f"'{path}' declares {context.width}x{context.height} pixels; at most 8192x4608 are accepted"
            )
        self._info = info_of(self._stream, path.name)
        self._frames = self._decode()

    @property
    def info(self) -> SourceInfo:
        """Of the header."""
        return self._info

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        if self._closed.is_set():
            raise SourceEnded
        try:
            return next(self._frames)
        except StopIteration:
            raise SourceEnded from None

    def close(self) -> None:
        """End a waiting `read`; the file is closed when the reading thread lets it go."""
        self._closed.set()

    def _decode(self) -> Iterator[Frame]:
        import av

        sequence = 0
        clock = LiveClock(self._closed)
        clip_ns = 0  # where the present repetition begins
        try:
            while True:
                count, length_ns = 0, 0
                for picture in self._container.decode(self._stream):
                    length_ns = self._time_ns(picture, count)
                    captured = clip_ns + length_ns
                    if sequence < self._first:
                        sequence, count = sequence + 1, count + 1
                        continue
                    if self._pace is Pace.LIVE:
                        captured = clock.wait(captured)
                        if self._closed.is_set():
                            return
                    yield as_frame(picture, sequence, captured, self._slabs)
                    sequence += 1
                    count += 1
                self._check_complete(count, length_ns)
                if not self._repeat:
                    return
                clip_ns += length_ns + int(1e9 / self._info.rate)
                self._container.seek(0)
        except av.FFmpegError as error:
            raise DataError(
                f"'{self._path}' is damaged after frame {sequence}: {words_of(error)}. Copy it again"
            ) from error
        finally:
            self._container.close()

    def _time_ns(self, picture: av.VideoFrame, index: int) -> int:
        if picture.pts is None or picture.time_base is None:
            return int(index * 1e9 / self._info.rate)
        return int((picture.pts - (self._stream.start_time or 0)) * picture.time_base * 1_000_000_000)

    def _check_complete(self, count: int, last_ns: int) -> None:
        """A file that ends before its time. Fewer pictures alone prove nothing: edit lists leave some out."""
        declared = self._stream.frames  # 0 where the container does not say
        duration, base = self._stream.duration, self._stream.time_base
        end_ns = int(duration * base * 1_000_000_000) if duration and base else None
        early = end_ns is None or last_ns + 2e9 / self._info.rate < end_ns
        if count == 0 or (count < declared and early):
            raise DataError(
                f"'{self._path}' is truncated after {count} of {declared or 'its'} frames. Copy it again"
            )


def as_frame(picture: av.VideoFrame, sequence: int, captured_ns: int, slabs: Slabs) -> Frame:
    """A decoded picture as a `Frame` whose planes nobody else reads or writes.

    Decoders predict later pictures from the very buffers that they hand out, so drawing into those would
    leak. The planes are copied once, into memory of `slabs`, and the decoder has its buffers back at once.
    Formats that `PixelFormat` lacks become I420. I420 becomes full range and BT.601 while it is copied, which
    costs no more and spares every encoder behind it the same work.
    """
    if picture.format.name not in _FORMATS or any(plane.line_size < 0 for plane in picture.planes):
        full = picture.color_range == _FULL_RANGE or picture.format.name.startswith("yuvj")
        wanted = _FULL_RANGE if full else _LIMITED_RANGE
        picture = picture.reformat(format="yuvj420p" if full else "yuv420p", dst_color_range=wanted)
    pixel_format = _FORMATS[picture.format.name]
    views = [_plane(picture, index, pixel_format) for index in range(len(picture.planes))]
    full_range, matrix = _is_full_range(picture, pixel_format), _matrix(picture)
    if pixel_format is not PixelFormat.I420:
        return Frame(slabs.copy(views), pixel_format, sequence, captured_ns, full_range, matrix)
    luma, blue, red = slabs.planes([view.shape for view in views])
    write_jfif((views[0], views[1], views[2]), full_range, matrix, (luma, blue, red))
    return Frame((luma, blue, red), pixel_format, sequence, captured_ns, full_range=True, matrix=Matrix.BT601)


def _plane(picture: av.VideoFrame, index: int, pixel_format: PixelFormat) -> Plane:
    """A view of one plane without the padding at its rows' ends."""
    plane = picture.planes[index]
    samples = 2 if pixel_format is PixelFormat.NV12 and index == 1 else _SAMPLES.get(pixel_format, 1)
    rows = rows_of(plane)[:, : plane.width * samples]
    return rows if samples == 1 else rows.reshape(plane.height, plane.width, samples)


def _is_full_range(picture: av.VideoFrame, pixel_format: PixelFormat) -> bool:
    if pixel_format in (PixelFormat.BGR24, PixelFormat.RGB24) or picture.format.name.startswith("yuvj"):
        return True
    if pixel_format is PixelFormat.GRAY8:
        return picture.color_range != _LIMITED_RANGE
    return picture.color_range == _FULL_RANGE


def _matrix(picture: av.VideoFrame) -> Matrix:
    if picture.colorspace == _BT709 or (picture.colorspace == _UNSPECIFIED and picture.height >= _HD_ROWS):
        return Matrix.BT709
    return Matrix.BT601


def info_of(stream: VideoStream, name: str) -> SourceInfo:
    """As the stream's header says."""
    context, rate = stream.codec_context, stream.average_rate or stream.guessed_rate
    return SourceInfo(name, context.width, context.height, float(rate) if rate else RATE)


def lenient() -> dict[str, Any]:
    """What lets `av.open` read a file whose metadata are no text; from PyAV 19 on it does so by itself."""
    import av

    return {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}


def words_of(error: BaseException) -> str:
    """What the system or FFmpeg says of it."""
    return str(getattr(error, "strerror", None) or error)
