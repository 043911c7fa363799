"""Stills and clips from files, with what they have lost already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.errors import DataError, NoInputError
from edge.outputs.dicom.exam import Clip, Pixels, Still
from edge.study.images import read_image

_LOSSY = {
    "h264": ("ISO_14496_10",),
    "hevc": ("ISO_23008_2",),
    "mpeg2video": ("ISO_13818_1",),
    "mjpeg": ("ISO_10918_1",),
    "ffv1": (),
    "rawvideo": (),
}
"""DICOM's names of what a codec loses (PS3.3 C.7.6.1.1.5.1)."""


def read_still(path: Path) -> Still:
    """A PNG, JPEG or BMP file.

    Raises:
        NoInputError: the file cannot be read.
        DataError: it is damaged or no picture of 8 bits.
    """
    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    return Still(read_image(path), ("ISO_10918_1",) if jpeg else ())


def read_clip(path: Path) -> Clip:
    """A video file; its frames are decoded as they are asked for.

    Raises:
        NoInputError: the file cannot be read.
        DataError: no video, a codec whose losses DICOM has no name for, or no frame rate. A file that is
            damaged further on raises it from the frames.
    """
    import av

    if not path.is_file():
        raise NoInputError(f"there is no clip '{path}'")
    try:
        with av.open(path) as container:
            stream = next(iter(container.streams.video), None)
            if stream is None or not stream.average_rate:
                raise DataError(f"'{path}' has no video with a frame rate")
            codec, rate = stream.codec_context.name, float(stream.average_rate)
    except av.FFmpegError as error:
        raise DataError(f"'{path}' is damaged or no video: {error.strerror}") from error
    if codec not in _LOSSY:
        raise DataError(f"'{path}' is {codec}, expected one of {', '.join(_LOSSY)}")
    return Clip(_decode(path), 1000.0 / rate, _LOSSY[codec])


def _decode(path: Path) -> Iterator[Pixels]:
    import av

    try:
        with av.open(path) as container:
            for frame in container.decode(video=0):
                grey = frame.format.name.startswith("gray")
                yield frame.to_ndarray(format="gray" if grey else "rgb24").astype(np.uint8, copy=False)
    except av.FFmpegError as error:
        raise DataError(f"'{path}' is damaged: {error.strerror}") from error
