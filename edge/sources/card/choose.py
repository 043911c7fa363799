"""Open a capture device and agree with its driver on a picture."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

from edge.errors import BusyError, NoInputError, RefusedError, SonocartError, UnavailableError, UsageError
from edge.sources.base import Condition, Outage
from edge.sources.card import videodev2 as v
from edge.sources.card.device import Timings, VideoDevice
from edge.sources.card.holders import holders
from edge.sources.card.kernel import Kernel
from edge.sources.card.layout import FORMATS, Mode, is_full_range, matrix_of

SCHEME = "v4l2:"
FULL_HD = 1920 * 1080
_SMOOTH = 24.0  # pictures a second; a smaller picture is chosen before a slower one
_LINKS = (Path("/dev/v4l/by-id"), Path("/dev/v4l/by-path"))


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for; None is for us to choose."""

    path: str
    code: str | None
    size: tuple[int, int] | None
    rate: float | None


def parse_wish(text: str) -> Wish:
    """`v4l2:PATH[,format=NV12][,size=1280x720][,fps=60]`.

    Raises:
        UsageError: no path, an unknown key, or a value that it cannot have.
    """
    path, *parts = text.removeprefix(SCHEME).split(",")
    if not path.startswith("/"):
        number = path.removeprefix("video")
        meant = f"; did you mean '{SCHEME}/dev/video{number}'?" if number.isdecimal() else ". "
        raise UsageError(
            f"'{text}' names no device; expected {SCHEME}/dev/v4l/by-id/... or {SCHEME}/dev/video0{meant}"
            " Run: sonocart devices"
        )
    wish = Wish(path, None, None, None)
    for part in parts:
        key, _, value = part.partition("=")
        width, _, height = value.partition("x")
        if key == "format" and value.upper() in FORMATS:
            wish = Wish(path, value.upper(), wish.size, wish.rate)
        elif key == "size" and width.isdecimal() and height.isdecimal():
            wish = Wish(path, wish.code, (int(width), int(height)), wish.rate)
        elif key == "fps" and value.isdecimal() and 1 <= int(value) <= 240:
            wish = Wish(path, wish.code, wish.size, float(value))
        else:
            raise UsageError(
                f"found '{part}' in the source '{text}', expected format={'|'.join(FORMATS)}, "
                "size=WIDTHxHEIGHT or fps=1 to 240"
            )
    return wish


def stable_path(path: str, folders: tuple[Path, ...] = _LINKS) -> str:
    """Of a bare /dev/video0, the name that survives a new number: by the serial, else by the socket."""
    if Path(path).is_symlink():
        return path
    target = Path(path).resolve()
    for folder in folders:
        for link in sorted(folder.glob("*")):
            if link.resolve() == target:
                return str(link)
    return path


def open_card(path: str, kernel: Kernel) -> VideoDevice:
    """An opened device that can capture and stream.

    Raises:
        SonocartError: with the fix; each reason is a class of its own.
    """
    try:
        device = VideoDevice(path, kernel)
    except OSError as error:
        raise explained(path, error) from error
    try:
        found = device.capability()
    except OSError as error:
        device.close()
        raise explained(path, error) from error
    if found.device_caps & v.CAP_VIDEO_CAPTURE and found.device_caps & v.CAP_STREAMING:
        return device
    device.close()
    planes = found.device_caps & v.CAP_VIDEO_CAPTURE_MPLANE
    what = "has the multi-planar interface, which is not supported" if planes else "captures no pictures"
    raise UnavailableError(f"'{path}' ({found.card.decode(errors='replace')}) {what}. Run: sonocart devices")


def explained(path: str, error: OSError) -> SonocartError:
    """What an error of the device means, and what to do."""
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return NoInputError(f"no capture device at '{path}'. Plug it in, or run: sonocart devices")
    if error.errno in (errno.EACCES, errno.EPERM):
        return RefusedError(
            f"no right to open '{path}'. Run: sudo usermod -aG video $USER, then log in again"
        )
    if error.errno == errno.EBUSY:
        who = ", ".join(holders(path)) or "another process of another user"
        return BusyError(f"'{path}' is in use by {who}. End that first")
    if error.errno in (errno.ENOTTY, errno.EINVAL):
        return UnavailableError(f"'{path}' is no capture device. Run: sonocart devices")
    return UnavailableError(f"'{path}' fails: {error.strerror}. Unplug it and plug it in again")


def agree(device: VideoDevice, wish: Wish) -> Mode:
    """Set the timings that arrive, and a format for them. Only while the device has no buffers.

    Raises:
        Outage: nothing that can be taken arrives at present.
        UnavailableError: the device has no format that is taken.
        OSError: the driver refuses.
    """
    received = device.received()
    if received.condition is not None:
        raise Outage(received.condition, _in_words(received.condition, received.timings))
    codes = _codes(device, wish)
    timings = received.timings
    if timings is not None:
        device.adopt_timings()
        code, size, rate = codes[0], (timings.width, timings.height), timings.rate
    else:
        code, size, rate = _pick(device, codes, wish)
    pix = device.set_format(v.fourcc(code), *size)
    if timings is None and rate:
        device.set_rate(rate)
    if v.letters(pix.pixelformat) != code or (timings and (pix.width, pix.height) != size):
        got = f"{pix.width}x{pix.height} {v.letters(pix.pixelformat)}"
        raise Outage(Condition.UNSUPPORTED, f"the driver makes {got} of {size[0]}x{size[1]} {code}")
    if pix.field != v.FIELD_NONE:
        raise Outage(
            Condition.UNSUPPORTED, f"{pix.width}x{pix.height} interlaced; set the scanner to progressive"
        )
    matrix = matrix_of(pix)
    if matrix is None:
        raise Outage(Condition.UNSUPPORTED, "BT.2020 colour; set the scanner to standard dynamic range")
    return Mode(
        code,
        pix.width,
        pix.height,
        pix.bytesperline or pix.width,
        timings.rate if timings else device.rate() or rate or 30.0,
        is_full_range(pix, code),
        matrix,
    )


def _codes(device: VideoDevice, wish: Wish) -> list[str]:
    offered = [v.letters(entry.pixelformat) for entry in device.formats()]
    wanted = FORMATS if wish.code is None else (wish.code,)
    codes = [code for code in wanted if code in offered]
    if not codes:
        raise UnavailableError(
            f"'{wish.path}' offers {', '.join(offered) or 'no format'}; expected one of {', '.join(wanted)}"
        )
    return codes


def _pick(device: VideoDevice, codes: list[str], wish: Wish) -> tuple[str, tuple[int, int], float]:
    """For devices that scale: smooth first, then large up to Full HD, then the cheapest format."""
    best: tuple[tuple[bool, int, int], str, tuple[int, int], float] | None = None
    for order, code in enumerate(codes):
        for size in device.sizes(v.fourcc(code)) if wish.size is None else [wish.size]:
            rates = device.rates(v.fourcc(code), *size)
            rate = wish.rate or max((rate for rate in rates if rate <= 61), default=0.0)
            area = size[0] * size[1]
            merit = (not rates or rate >= _SMOOTH, area if area <= FULL_HD else -area, -order)
            if best is None or merit > best[0]:
                best = merit, code, size, rate
    if best is not None:
        return best[1:]
    pix = device.format()
    return codes[0], (pix.width, pix.height), wish.rate or 0.0


def _in_words(condition: Condition, timings: Timings | None) -> str:
    if condition is Condition.NO_SIGNAL:
        return "nothing arrives at the input; check the cable and the scanner's video output"
    if condition is Condition.NO_LOCK:
        return "a signal arrives that the card cannot lock on; try another cable or output setting"
    measured = (
        f"{timings} arrives, which the card cannot take" if timings else "timings out of the card's range"
    )
    if timings and timings.interlaced:
        measured = f"{timings} is interlaced"
    return f"{measured}; set the scanner to 1920x1080p"
