"""Pictures in, fragments of an MP4 out: each fragment is whole, and everything before it plays without it."""

from __future__ import annotations

import struct
from fractions import Fraction
from mmap import mmap
from typing import TYPE_CHECKING, cast

from edge.contract.frame import Frame, Matrix
from edge.errors import UnavailableError
from edge.pictures import rows_of

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

CLOCK = 60_000
"""Ticks a second: every usual frame rate divides it, and MPEG-4 part 2 allows no more than 65535."""

FRAGMENT_TICKS = CLOCK
"""A fragment a second: what a kill or a power cut may cost."""

ENCODERS = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "forced-idr": "1"},
    "mpeg4": {"b": "40000000", "qmin": "3", "qmax": "5", "sc_threshold": "1000000000"},
}
_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer", "flush_packets": "1"}
_COLOURS = {Matrix.BT601: 6, Matrix.BT709: 1}  # AVCOL_SPC_SMPTE170M, AVCOL_SPC_BT709


class Encoder:
    """H.264, or MPEG-4 part 2 where there is no H.264, in a fragmented MP4 with a fragment a second."""

    def __init__(self, first: Frame, rate: float):
        """Make the stream for pictures like `first`, an I420 frame; `rate` is nominal.

        Raises:
            UnavailableError: no encoder is there.
        """
        import av

        self._out = _Boxes()
        self._container = av.open(self._out, "w", format="mp4", options=_FRAGMENTED)
        name = find_encoder()
        fps = Fraction(rate).limit_denominator(1001)
        self._stream = cast("VideoStream", self._container.add_stream(name, rate=fps))
        self._stream.width, self._stream.height = first.width, first.height
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = dict(ENCODERS[name])
        self._stream.time_base = Fraction(1, CLOCK)
        context = self._stream.codec_context
        context.time_base = Fraction(1, CLOCK)
        context.gop_size = max(1, round(60 * rate))  # keyframes are forced by time
        context.color_range = 2 if first.full_range else 1
        context.colorspace = _COLOURS[first.matrix]
        self._container.start_encoding()
        self.header = b"".join(self._out.take())

    def encode(self, frame: Frame, ticks: int, *, key: bool) -> list[bytes]:
        """Encode an I420 picture; what fragments are ready now.

        Args:
            frame: of the size, range and matrix of the first.
            ticks: time stamp, above that of the picture before.
            key: begin a fragment with this picture.
        """
        from av.video.frame import PictureType

        picture = as_picture(frame)
        picture.pts, picture.time_base = ticks, Fraction(1, CLOCK)
        if key:
            picture.pict_type = PictureType.I
        self._container.mux(self._stream.encode(picture))
        return self._out.take()

    def finish(self) -> list[bytes]:
        """The last fragments."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._out.take()


class _Boxes:
    """What the muxer writes to: gathers bytes and hands them out in whole fragments (moof with its mdat)."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def take(self) -> list[bytes]:
        """The header, or fragments, as far as they are complete."""
        pieces, begin = [], 0
        for kind, end in boxes(self._bytes):
            if kind in (b"moov", b"mdat"):
                pieces.append(bytes(self._bytes[begin:end]))
                begin = end
        del self._bytes[:begin]
        return pieces


def boxes(data: bytes | bytearray | mmap) -> list[tuple[bytes, int]]:
    """Kind and end of each whole top-level box (ISO/IEC 14496-12, 4.2) from the beginning of `data`."""
    found, position = [], 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if size < 8 or position + size > len(data):
            break
        position += size
        found.append((kind, position))
    return found


def frames_in(fragment: bytes) -> int:
    """Pictures in a fragment (sample_count of its trun, 8.8.8)."""
    return int(struct.unpack_from(">I", fragment, fragment.index(b"trun") + 8)[0])


def shifted(fragment: bytes, ticks: int) -> bytes:
    """The fragment `ticks` earlier (baseMediaDecodeTime of its tfdt, 8.8.12), so that a clip begins at 0."""
    at = fragment.index(b"tfdt") + 4
    layout = ">Q" if fragment[at] else ">I"  # version 1 has 64 bits
    (time,) = struct.unpack_from(layout, fragment, at + 4)
    out = bytearray(fragment)
    struct.pack_into(layout, out, at + 4, time - ticks)
    return bytes(out)


def as_picture(frame: Frame) -> av.VideoFrame:
    """A copy of an I420 `frame` for an encoder, which may keep it."""
    import av

    picture = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for plane, target in zip(frame.planes, picture.planes, strict=True):
        rows_of(target)[:, : plane.shape[1]] = plane
    return picture


def find_encoder() -> str:
    """The best encoder of this PyAV.

    Raises:
        UnavailableError: it has none.
    """
    import av

    for name in ENCODERS:
        if name in av.codecs_available:
            return name
    raise UnavailableError(f"this PyAV has no encoder for recording; expected one of {', '.join(ENCODERS)}")
