"""What is plugged in, in the words of `sonocart devices`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.errors import SonocartError
from edge.sources.card import videodev2 as v
from edge.sources.card.choose import explained, stable_path
from edge.sources.card.device import Timings, VideoDevice
from edge.sources.card.holders import holders
from edge.sources.card.kernel import Kernel
from edge.sources.card.layout import FORMATS

_SYS = Path("/sys/class/video4linux")


@dataclass(frozen=True, slots=True)
class Offer:
    """A pixel format and size: fastest rate in pictures a second, 0 where the input decides."""

    format: str
    width: int
    height: int
    rate: float
    taken: bool  # this kit takes the format


@dataclass(frozen=True, slots=True)
class Card:
    """One capture device.

    Attributes:
        source: what `sonocart run --source` wants.
        node: for instance /dev/video0.
        card, driver, bus: in the driver's words.
        offers: formats and sizes; for a digital input at its present timings.
        timings: of a digital input: the largest and fastest that it can receive, or "".
        receives: what arrives now, in words.
        usb_mbit: speed of its USB connection; None where it has none.
        held_by: processes that have it open.
        problem: why it cannot be asked, with the fix, or "".
    """

    source: str
    node: str
    card: str
    driver: str
    bus: str
    offers: tuple[Offer, ...]
    timings: str
    receives: str
    usb_mbit: float | None
    held_by: tuple[str, ...]
    problem: str


def list_cards(kernel: Kernel, dev: Path = Path("/dev"), sysfs: Path = _SYS) -> list[Card]:
    """Every node that captures pictures, in the order of their numbers; those of metadata are left out."""
    nodes = sorted(dev.glob("video[0-9]*"), key=lambda node: int(re.sub(r"\D", "", node.name)))
    cards = (_card(str(node), kernel, sysfs / node.name) for node in nodes)
    return [card for card in cards if card is not None]


def _card(node: str, kernel: Kernel, sysfs: Path) -> Card | None:
    source, speed, held = "v4l2:" + stable_path(node), usb_mbit(sysfs), holders(node)
    try:
        device = VideoDevice(node, kernel)
    except OSError as error:
        return _unknown(source, node, speed, held, explained(node, error))
    try:
        found = device.capability()
        if not found.device_caps & (v.CAP_VIDEO_CAPTURE | v.CAP_VIDEO_CAPTURE_MPLANE):
            return None
        received = device.received()
        arrives = received.condition.value if received.condition else "a signal"
        known = device.known_timings()
        best = max(known, key=lambda t: (t.width * t.height, t.rate), default=None)
        return Card(
            source,
            node,
            found.card.decode(errors="replace"),
            found.driver.decode(errors="replace"),
            found.bus_info.decode(errors="replace"),
            tuple(_offers(device, received.timings)),
            f"up to {best}" if best else "",
            f"{arrives} ({received.timings})" if received.timings else arrives,
            speed,
            held,
            "" if found.device_caps & v.CAP_VIDEO_CAPTURE else "multi-planar interface: not supported",
        )
    except OSError as error:
        return _unknown(source, node, speed, held, explained(node, error))
    finally:
        device.close()


def _unknown(
    source: str, node: str, speed: float | None, held: tuple[str, ...], problem: SonocartError
) -> Card:
    return Card(source, node, "", "", "", (), "", "", speed, held, str(problem))


def _offers(device: VideoDevice, timings: Timings | None) -> list[Offer]:
    """Of a digital input what arrives is the only size, whatever the driver could scale it to."""
    found = []
    for entry in device.formats():
        letters = v.letters(entry.pixelformat)
        if timings is not None:
            rate = round(timings.rate, 3)
            found.append(Offer(letters, timings.width, timings.height, rate, letters in FORMATS))
            continue
        present = device.format()
        for size in device.sizes(entry.pixelformat) or [(present.width, present.height)]:
            rate = max(device.rates(entry.pixelformat, *size), default=0.0)
            found.append(Offer(letters, *size, round(rate, 3), letters in FORMATS))
    return found


def usb_mbit(sysfs: Path) -> float | None:
    """Speed of the nearest USB device above `sysfs`, from its `speed` file: 480, 5000, 10000..."""
    for folder in (part := sysfs.resolve(), *part.parents):
        speed = folder / "speed"
        if (folder / "busnum").exists() and speed.exists():
            try:
                return float(speed.read_text())
            except (OSError, ValueError):
                return None
    return None
