"""From a driver's buffer to the planes of a frame: which formats are taken, and in what order."""

from __future__ import annotations

from dataclasses import dataclass

from edge.contract.frame import Matrix, PixelFormat, Plane
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


def copy_planes(memory: Memory, mode: Mode, slabs: Slabs) -> tuple[Plane, ...]:
    """The picture in `memory`, copied once into memory of `slabs`, without the padding at rows' ends.

    The copy is what lets the driver have its buffer back at once, and such memory is uncached on some ARM
    boards: read once in a row, it costs least.
    """
    return slabs.copy(_views(memory, mode))


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
