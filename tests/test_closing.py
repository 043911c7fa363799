"""What is finished at the end shares one deadline, which is shorter than systemd's."""

import queue
import re
import threading
from pathlib import Path

import pytest

from edge import closing
from edge.blackbox.box import BlackBox
from edge.closing import CLOSING_S, SPARE_S, Closing
from edge.outputs.dicom.keeper import Keeper
from edge.outputs.recorder import Recorder
from tests.patience import PATIENCE_S

OTHERS_S = 22.0
"""What capture, log, screen, page and engine may take beside it, each by its own limit."""


class Slow:
    """Takes all the time that it is given, or `needs`."""

    def __init__(self, now, needs=1000.0):
        self.now, self.needs, self.given = now, needs, None

    def close(self, patience_s):
        self.given = patience_s
        self.now[0] += min(patience_s, self.needs)


@pytest.fixture
def now(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(closing.time, "monotonic", lambda: now[0])
    return now


def test_all_that_hang_take_no_longer_than_one_deadline(now):
    together = Closing()
    now[0] += 3600.0  # it counts from the first close on
    begun, recorders, keeper, box = now[0], [Slow(now), Slow(now)], Slow(now), Slow(now)
    for recorder in recorders:
        together.close(recorder, SPARE_S)
    together.close(keeper, SPARE_S / 3)
    together.close(box)
    assert now[0] - begun == pytest.approx(CLOSING_S)
    assert recorders[1].given == 0.0
    assert keeper.given == pytest.approx(SPARE_S * 2 / 3)
    assert box.given == pytest.approx(SPARE_S / 3)


def test_what_one_does_not_need_the_next_one_has(now):
    together, box = Closing(), Slow(now, needs=1.0)
    together.close(Slow(now, needs=2.0), SPARE_S)
    together.close(box)
    assert box.given == pytest.approx(CLOSING_S - 2.0)


def test_it_is_shorter_than_what_systemd_waits():
    unit = Path(__file__).parents[1] / "systemd/sonocart.service"
    limit = re.search(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.MULTILINE)
    assert int(limit[1]) > CLOSING_S + OTHERS_S


@pytest.mark.parametrize("kind", [Recorder, Keeper, BlackBox])
def test_one_that_hangs_is_left_behind_when_its_patience_is_over(kind):
    hanging, end = object.__new__(kind), threading.Event()
    thread = hanging._thread = threading.Thread(target=end.wait, daemon=True)
    hanging._asked = hanging._closed = threading.Event()
    hanging._queue = Full()
    thread.start()
    waiting = threading.Thread(target=lambda: hanging.close(0.05), daemon=True)
    waiting.start()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()
    end.set()


class Full:
    """A queue that takes nothing in time."""

    def put(self, _, timeout):
        threading.Event().wait(timeout)
        raise queue.Full
