"""From a driver's buffer to the planes of a frame: which formats are taken, and in what order."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import cv2
import numpy as np

from edge.contract.frame import Frame, Matrix, PixelFormat, Plane
from edge.jfif import Planes, write_jfif
from edge.sources.card import videodev2 as v
from edge.sources.card.kernel import Memory
from edge.sources.slabs import Slabs

# The cheapest first: planar luma can be looked at where it lies, compressed pictures must be decoded.
FORMATS: dict[str, PixelFormat] = {
    "NV12": PixelFormat.NV12,
    "YU12": PixelFormat.I420,
    "YV12": PixelFormat.I420,
    "YUYV": PixelFormat.YUYV,
    "UYVY": PixelFormat.YUYV,
    "GREY": PixelFormat.GRAY8,
    "BGR3": PixelFormat.BGR24,
    "RGB3": PixelFormat.RGB24,
    "MJPG": PixelFormat.I420,
    "JPEG": PixelFormat.I420,
}
COMPRESSED = ("MJPG", "JPEG")
_STRETCHED = (PixelFormat.I420, PixelFormat.NV12, PixelFormat.YUYV)
_local = threading.local()
_BYTES = {"YUYV": 2, "UYVY": 2, "BGR3": 3, "RGB3": 3}  # a pixel, of the first plane


@dataclass(frozen=True, slots=True)
class Mode:
    """What the driver has agreed to deliver: `code` is the pixel format's four letters, `stride` in bytes."""

    code: str
    width: int
    height: int
    stride: int
    rate: float
    full_range: bool
    matrix: Matrix

    def __str__(self) -> str:
        """For messages."""
        return f"{self.width}x{self.height} {self.code} at {self.rate:.4g} Hz"


def is_full_range(pix: v.PixFormat, code: str) -> bool:
    """Of the luma; the kernel's V4L2_MAP_QUANTIZATION_DEFAULT where the driver does not say."""
    if pix.quantization == v.QUANTIZATION_DEFAULT:
        return code in ("BGR3", "RGB3", *COMPRESSED) or pix.colorspace == v.COLORSPACE_JPEG
    return bool(pix.quantization == v.QUANTIZATION_FULL_RANGE)


def matrix_of(pix: v.PixFormat) -> Matrix | None:
    """Coefficients of the chroma; the kernel's V4L2_MAP_YCBCR_ENC_DEFAULT. None for those we do not have."""
    encoding = pix.ycbcr_enc
    if encoding == v.YCBCR_ENC_DEFAULT:
        if pix.colorspace == v.COLORSPACE_BT2020:
            return None
        high = pix.colorspace in (v.COLORSPACE_REC709, v.COLORSPACE_DCI_P3)
        return Matrix.BT709 if high else Matrix.BT601
    if encoding in (v.YCBCR_ENC_601, v.YCBCR_ENC_XV601, v.YCBCR_ENC_SYCC):
        return Matrix.BT601
    return Matrix.BT709 if encoding in (v.YCBCR_ENC_709, v.YCBCR_ENC_XV709) else None


def size_of(mode: Mode) -> int:
    """Bytes that a whole uncompressed picture takes in the driver's buffer."""
    chroma = mode.code in ("NV12", "YU12", "YV12")
    return mode.stride * mode.height * 3 // 2 if chroma else mode.stride * mode.height


def as_frame(memory: Memory, mode: Mode, slabs: Slabs, sequence: int, captured_ns: int) -> Frame:
    """The picture in `memory`, copied into memory of `slabs`, without the padding at rows' ends.

    The copy is what lets the driver have its buffer back at once. Limited-range luma with chroma becomes I420
    in full range and BT.601 on the way, as decoded video does: every encoder behind would else do it anew.
    """
    pixel_format = FORMATS[mode.code]
    if mode.full_range or pixel_format not in _STRETCHED:
        planes = slabs.copy(_views(memory, mode))
        return Frame(planes, pixel_format, sequence, captured_ns, mode.full_range, mode.matrix)
    views = _planar(memory, mode)
    luma, blue, red = slabs.planes([view.shape for view in views])
    write_jfif(views, mode.full_range, mode.matrix, (luma, blue, red))
    planes = (luma, blue, red)
    return Frame(planes, PixelFormat.I420, sequence, captured_ns, full_range=True, matrix=Matrix.BT601)


def _planar(memory: Memory, mode: Mode) -> Planes:
    """Luma and chroma; of YUYV they are this thread's until the next call."""
    if mode.code in ("YUYV", "UYVY"):
        height, width = mode.height, mode.width // 2 * 2
        rows = memory[: mode.stride * height].reshape(height, mode.stride)
        pixels = rows[:, : 2 * width].reshape(height, width, 2)
        kept: tuple[Plane, ...] = getattr(_local, "planes", ())  # fresh memory costs more than the splitting
        if not kept or kept[0].shape != (height, width):
            half = (height // 2, width // 2)
            kept = _local.planes = tuple(
                np.empty(size, np.uint8) for size in (*(pixels.shape[:2],) * 2, half, half)
            )
        cv2.split(pixels, kept[:2])
        luma, chroma = kept[:2][:: 1 if mode.code == "YUYV" else -1]
        cv2.split(chroma[: height // 2 * 2 : 2].reshape(height // 2, width // 2, 2), kept[2:])
        return luma, kept[2], kept[3]
    luma, *chroma_planes = _views(memory, mode)
    blue, red = cv2.split(chroma_planes[0]) if mode.code == "NV12" else chroma_planes
    return luma, blue, red  # type: ignore[return-value]


def _views(memory: Memory, mode: Mode) -> list[Plane]:
    width, height, stride = mode.width, mode.height, mode.stride
    begin = stride * height
    rows = memory[:begin].reshape(height, stride)
    if mode.code == "GREY":
        return [rows[:, :width]]
    if mode.code in _BYTES:
        pixels = rows[:, : _BYTES[mode.code] * width].reshape(height, width, _BYTES[mode.code])
        return [pixels[..., ::-1] if mode.code == "UYVY" else pixels]
    if mode.code == "NV12":
        chroma = memory[begin : begin + stride * (height // 2)].reshape(height // 2, stride)
        return [rows[:, :width], chroma[:, : width // 2 * 2].reshape(height // 2, width // 2, 2)]
    size = stride // 2 * (height // 2)
    first, second = (
        memory[begin + index * size : begin + (index + 1) * size].reshape(height // 2, stride // 2)
        for index in range(2)
    )
    blue, red = (second, first) if mode.code == "YV12" else (first, second)
    return [rows[:, :width], blue[:, : width // 2], red[:, : width // 2]]
