"""The part of <linux/videodev2.h> that capture needs: structures, request numbers, constants.

Names are the header's own without its prefix, so that its documentation can be looked up. A test compiles the
header and compares every size, offset and number. 64-bit Linux on x86 and ARM, where `_IOC` is alike.
"""

from __future__ import annotations

import ctypes
from ctypes import Structure, Union, c_char, c_int32, c_int64, c_long, c_uint8, c_uint32, c_uint64, c_ulong

CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
MMAP = 1  # V4L2_MEMORY_MMAP
FIELD_NONE = 1
CAP_VIDEO_CAPTURE, CAP_VIDEO_CAPTURE_MPLANE, CAP_STREAMING, CAP_DEVICE_CAPS = 0x1, 0x1000, 0x04000000, 1 << 31
CAP_TIMEPERFRAME = 0x1000  # of v4l2_captureparm
EVENT_SOURCE_CHANGE = 5
BUF_FLAG_ERROR, BUF_FLAG_TIMESTAMP_MASK, BUF_FLAG_TIMESTAMP_MONOTONIC = 0x40, 0xE000, 0x2000
FRMSIZE_TYPE_DISCRETE = FRMIVAL_TYPE_DISCRETE = 1
IN_ST_NO_POWER, IN_ST_NO_SIGNAL, IN_ST_NO_SYNC, IN_ST_NO_H_LOCK = 0x1, 0x2, 0x10000, 0x100
COLORSPACE_REC709, COLORSPACE_JPEG, COLORSPACE_BT2020, COLORSPACE_DCI_P3 = 3, 7, 10, 12
YCBCR_ENC_DEFAULT, YCBCR_ENC_601, YCBCR_ENC_709, YCBCR_ENC_XV601, YCBCR_ENC_XV709, YCBCR_ENC_SYCC = range(6)
QUANTIZATION_DEFAULT, QUANTIZATION_FULL_RANGE = 0, 1


class Fract(Structure):
    """struct v4l2_fract."""

    _fields_ = (("numerator", c_uint32), ("denominator", c_uint32))


class Capability(Structure):
    """struct v4l2_capability."""

    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FmtDesc(Structure):
    """struct v4l2_fmtdesc."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("description", c_char * 32),
        ("pixelformat", c_uint32),
        ("mbus_code", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FrmSizeEnum(Structure):
    """struct v4l2_frmsizeenum; `sizes` is width, height, or min, max, step of each."""

    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("type", c_uint32),
        ("sizes", c_uint32 * 6),
        ("reserved", c_uint32 * 2),
    )


class FrmIvalEnum(Structure):
    """struct v4l2_frmivalenum; `intervals` is one, or min, max, step."""

    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("type", c_uint32),
        ("intervals", Fract * 3),
        ("reserved", c_uint32 * 2),
    )


class PixFormat(Structure):
    """struct v4l2_pix_format."""

    _fields_ = tuple(
        (name, c_uint32)
        for name in (
            "width",
            "height",
            "pixelformat",
            "field",
            "bytesperline",
            "sizeimage",
            "colorspace",
            "priv",
            "flags",
            "ycbcr_enc",
            "quantization",
            "xfer_func",
        )
    )


class _FormatUnion(Union):
    _fields_ = (("pix", PixFormat), ("raw_data", c_uint8 * 200), ("align", c_ulong))


class Format(Structure):
    """struct v4l2_format."""

    _fields_ = (("type", c_uint32), ("fmt", _FormatUnion))


class StreamParm(Structure):
    """struct v4l2_streamparm with its v4l2_captureparm."""

    _fields_ = (
        ("type", c_uint32),
        ("capability", c_uint32),
        ("capturemode", c_uint32),
        ("timeperframe", Fract),
        ("rest", c_uint8 * 184),
    )


class RequestBuffers(Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = (
        ("count", c_uint32),
        ("type", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("flags", c_uint8),
        ("reserved", c_uint8 * 3),
    )


class Buffer(Structure):
    """struct v4l2_buffer."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("bytesused", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("tv_sec", c_int64),
        ("tv_usec", c_int64),
        ("timecode", c_uint32 * 4),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("offset", c_ulong),
        ("length", c_uint32),
        ("reserved2", c_uint32),
        ("request_fd", c_int32),
    )


class BtTimings(Structure):
    """struct v4l2_bt_timings."""

    _pack_ = 1
    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("interlaced", c_uint32),
        ("polarities", c_uint32),
        ("pixelclock", c_uint64),
        ("hblank", c_uint32 * 3),
        ("vblank", c_uint32 * 3),
        ("il_vblank", c_uint32 * 3),
        ("standards", c_uint32),
        ("flags", c_uint32),
        ("picture_aspect", Fract),
        ("cea861_vic", c_uint8),
        ("hdmi_vic", c_uint8),
        ("reserved", c_uint8 * 46),
    )


class _TimingsUnion(Union):
    _pack_ = 1
    _fields_ = (("bt", BtTimings), ("reserved", c_uint32 * 32))


class DvTimings(Structure):
    """struct v4l2_dv_timings."""

    _pack_ = 1
    _fields_ = (("type", c_uint32), ("u", _TimingsUnion))


class EnumDvTimings(Structure):
    """struct v4l2_enum_dv_timings."""

    _fields_ = (
        ("index", c_uint32),
        ("pad", c_uint32),
        ("reserved", c_uint32 * 2),
        ("timings", DvTimings),
    )


class Input(Structure):
    """struct v4l2_input."""

    _fields_ = (
        ("index", c_uint32),
        ("name", c_char * 32),
        ("type", c_uint32),
        ("audioset", c_uint32),
        ("tuner", c_uint32),
        ("std", c_uint64),
        ("status", c_uint32),
        ("capabilities", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class Event(Structure):
    """struct v4l2_event."""

    _fields_ = (
        ("type", c_uint32),
        ("data", c_uint64 * 8),
        ("pending", c_uint32),
        ("sequence", c_uint32),
        ("tv_sec", c_long),
        ("tv_nsec", c_long),
        ("id", c_uint32),
        ("reserved", c_uint32 * 8),
    )


class EventSubscription(Structure):
    """struct v4l2_event_subscription."""

    _fields_ = (("type", c_uint32), ("id", c_uint32), ("flags", c_uint32), ("reserved", c_uint32 * 5))


def _ioc(direction: int, number: int, argument: type[ctypes._CData]) -> int:
    """_IOC of <asm-generic/ioctl.h> with the type 'V'."""
    return direction << 30 | ctypes.sizeof(argument) << 16 | ord("V") << 8 | number


_WRITE, _READ = 1, 2
QUERYCAP = _ioc(_READ, 0, Capability)
ENUM_FMT = _ioc(_READ | _WRITE, 2, FmtDesc)
G_FMT = _ioc(_READ | _WRITE, 4, Format)
S_FMT = _ioc(_READ | _WRITE, 5, Format)
REQBUFS = _ioc(_READ | _WRITE, 8, RequestBuffers)
QUERYBUF = _ioc(_READ | _WRITE, 9, Buffer)
QBUF = _ioc(_READ | _WRITE, 15, Buffer)
DQBUF = _ioc(_READ | _WRITE, 17, Buffer)
STREAMON = _ioc(_WRITE, 18, c_int32)
STREAMOFF = _ioc(_WRITE, 19, c_int32)
G_PARM = _ioc(_READ | _WRITE, 21, StreamParm)
S_PARM = _ioc(_READ | _WRITE, 22, StreamParm)
ENUMINPUT = _ioc(_READ | _WRITE, 26, Input)
G_INPUT = _ioc(_READ, 38, c_int32)
ENUM_FRAMESIZES = _ioc(_READ | _WRITE, 74, FrmSizeEnum)
ENUM_FRAMEINTERVALS = _ioc(_READ | _WRITE, 75, FrmIvalEnum)
S_DV_TIMINGS = _ioc(_READ | _WRITE, 87, DvTimings)
DQEVENT = _ioc(_READ, 89, Event)
SUBSCRIBE_EVENT = _ioc(_WRITE, 90, EventSubscription)
ENUM_DV_TIMINGS = _ioc(_READ | _WRITE, 98, EnumDvTimings)
QUERY_DV_TIMINGS = _ioc(_READ, 99, DvTimings)


def fourcc(code: str) -> int:
    """The number of a pixel format's four letters, as v4l2_fourcc makes it."""
    return int.from_bytes(code.ljust(4).encode("ascii"), "little")


def letters(number: int) -> str:
    """The four letters of a pixel format's number, for messages; its top bit means big-endian."""
    code = (number & 0x7FFFFFFF).to_bytes(4, "little").decode("latin-1").rstrip()
    return code + "-BE" if number >> 31 else code
