"""Heat of the cart, read from sysfs in a thread of its own: what the loop needs to know of it is one level.

The kernel's own throttling slows the picture and the network alike. The picture must not suffer, so the
network is asked less often before that: at `WARM` five times a second, at `HOT` as seldom as a risk stays
fresh.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from enum import Enum
from pathlib import Path

LOOK_EVERY_S = 2.0
_WARM, _HOT = 80.0, 90.0  # Celsius, where the device names no trip points of its own
_BEFORE = 5.0  # Celsius below the kernel's own passive trip point
_BACK = 3.0  # Celsius below a level until it is left again
_PROCESSORS = ("processor", "cpu", "gpu", "devfreq", "intel_powerclamp", "thermal-")
"""What the types of cooling devices that slow a processor begin with: ACPI's, cpufreq's, devfreq's,
a Jetson's (cpufreq-cpu0, devfreq-17000000.gpu, cpu-throttle-alert), and what idles one. Fans, a display's
light and a limit that the firmware has set (TCC Offset) slow none."""


class Heat(Enum):
    """How warm; the value is what is shown, empty where nothing is."""

    COOL = ""
    WARM = "warm: risk slowed"
    HOT = "hot: risk slowed"

    @property
    def interval_ns(self) -> int:
        """Between two questions to the network, at least."""
        return {Heat.COOL: 0, Heat.WARM: 200_000_000, Heat.HOT: 400_000_000}[self]


class Thermometer:
    """Reads the thermal zones every `LOOK_EVERY_S` seconds between `start` and `close`."""

    def __init__(self, root: Path = Path("/sys")):
        """`root` is where sysfs is mounted."""
        self.level = Heat.COOL
        self.celsius: float | None = None
        self._folder = root / "class" / "thermal"
        self._asked_ns: int | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heat", daemon=True)

    def due(self, now_ns: int) -> bool:
        """True if the network may be asked again; then it counts as asked. The loop alone calls this."""
        if self._asked_ns is not None and 0 <= now_ns - self._asked_ns < self.level.interval_ns:
            return False
        self._asked_ns = now_ns
        return True

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=LOOK_EVERY_S)

    def look(self) -> Heat:
        """Read all zones once; a zone or a device that cannot be read says nothing."""
        worst, hottest = Heat.COOL, None
        for zone in sorted(self._folder.glob("thermal_zone*")):
            celsius = _celsius(zone / "temp")
            if celsius is None:
                continue
            hottest = celsius if hottest is None else max(hottest, celsius)
            warm = (_passive(zone) or _WARM + _BEFORE) - _BEFORE
            hot = max(_HOT, warm + _BEFORE) if _passive(zone) is None else warm + _BEFORE
            worst = max(worst, self._judge(celsius, warm, hot), key=_ORDER.index)
        if self._throttled():
            worst = Heat.HOT
        self.level, self.celsius = worst, hottest
        return worst

    def _judge(self, celsius: float, warm: float, hot: float) -> Heat:
        """With some degrees of slack on the way down, so that the level does not flutter."""
        slack_hot = _BACK if self.level is Heat.HOT else 0.0
        slack_warm = _BACK if self.level is not Heat.COOL else 0.0
        if celsius >= hot - slack_hot:
            return Heat.HOT
        return Heat.WARM if celsius >= warm - slack_warm else Heat.COOL

    def _throttled(self) -> bool:
        """True if the kernel slows a processor already."""
        for device in self._folder.glob("cooling_device*"):
            kind = (_text(device / "type") or "").lower()
            state = _text(device / "cur_state") or "0"
            if state.isdecimal() and int(state) > 0 and kind.startswith(_PROCESSORS):
                return True
        return False

    def _run(self) -> None:
        while not self._closed.is_set():
            self.look()
            self._closed.wait(LOOK_EVERY_S)


_ORDER = (Heat.COOL, Heat.WARM, Heat.HOT)


def _passive(zone: Path) -> float | None:
    """Where the kernel begins to slow down, of the zone's trip points."""
    for kind in sorted(zone.glob("trip_point_*_type")):
        if _text(kind) == "passive":
            return _celsius(kind.with_name(kind.name.replace("_type", "_temp")))
    return None


def _celsius(path: Path) -> float | None:
    """Millidegrees in a file; None if it is not there or makes no sense."""
    text = _text(path)
    with suppress(ValueError):
        if text is not None and -40_000 < int(text) < 150_000:
            return int(text) / 1000
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
