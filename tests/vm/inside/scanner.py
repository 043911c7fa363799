"""The scanner: sends a phantom's sweep over the HDMI cable to the card."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

from inside import card
from inside.cable import Cable
from inside.journal import now
from inside.outcome import FailedError, LateError
from inside.pulse import be_hardware

PICTURES = (
    Path(__file__).parents[1] / "pictures"
)  # WIDTHxHEIGHT.nv12: the slices of a sweep, one after the other
SIZE = (640, 480)
OTHER_SIZE = (800, 600)


class Scanner:
    """Sends pictures from a thread of its own, each slice twice: 30 slices a second at 60 Hz."""

    def __init__(self) -> None:
        """Nothing is sent before `start`."""
        self.frozen = False
        self.black = False
        self._end = threading.Event()
        self._sends = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, size: tuple[int, int] = SIZE) -> float:
        """Send pictures of that size to the card, which takes the signal as it comes; when it was there."""
        self._end.clear()
        self._sends.clear()
        self._thread = threading.Thread(target=self._send, args=(size, slices_of(size)), daemon=True)
        self._thread.start()
        self.sending()
        card.control(hdmi_000_0_is_connected_to=card.CONNECTED, osd_text_mode=2)
        whole = now()
        card.receive(*size)
        return whole

    def sending(self) -> float:
        """Wait until pictures are sent; when that was seen."""
        if not self._sends.wait(5):
            raise LateError("the scanner sends nothing", 5 / 4)
        return now()

    def stop(self) -> None:
        """Send nothing more."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(5)
            if self._thread.is_alive():
                raise LateError("the scanner hangs", 5 / 4)
        self.frozen = self.black = False

    def _send(self, size: tuple[int, int], slices: list[bytes]) -> None:
        """Until the end, or until there is nothing to send to: after an error of the queue with a new one."""
        be_hardware()
        pictures = self._pictures(slices)
        while not self._end.is_set() and card.node("vid-out") is not None:
            with suppress(OSError, FailedError), closing(Cable(size)) as cable:
                while not self._end.is_set():
                    if cable.send(next(pictures)):
                        self._sends.set()
            self._sends.clear()
            time.sleep(0.02)

    def _pictures(self, slices: list[bytes]) -> Iterator[bytes]:
        black = bytes([16]) * (len(slices[0]) * 2 // 3) + bytes([128]) * (len(slices[0]) // 3)
        last = len(slices) - 1
        count = 0
        while True:
            yield black if self.black else slices[last - abs(last - count // 2 % (2 * last))]
            count += 0 if self.frozen else 1


@cache
def slices_of(size: tuple[int, int]) -> list[bytes]:
    """The pictures of a sweep; the first call for a size reads them from the disk."""
    length = size[0] * size[1] * 3 // 2
    data = (PICTURES / f"{size[0]}x{size[1]}.nv12").read_bytes()
    return [data[at : at + length] for at in range(0, len(data), length)]
