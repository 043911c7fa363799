"""Whatever a source delivers can be drawn into in colour."""

import numpy as np
import pytest

from edge.contract.frame import PixelFormat, still
from edge.sources.base import Condition, Pace, SourceEnded, SourceInfo
from edge.sources.capture import Capture
from edge.timing import Timing
from tests.patience import PATIENCE_S


def test_pictures_of_a_grey_source_take_colours():
    class Grey:
        info = SourceInfo("grey", 80, 60, 25.0)
        left = 2

        def read(self):
            if not self.left:
                raise SourceEnded
            self.left -= 1
            return still(np.full((60, 80), 90, np.uint8), sequence=1 - self.left)

        def close(self):
            pass

    capture = Capture(Grey(), Pace.MAX, Timing())
    capture.start()
    try:
        taken = [capture.frames.take(PATIENCE_S) for _ in range(2)]
    finally:
        capture.close()
    assert [frame.format for frame in taken] == [PixelFormat.I420] * 2
    assert not np.shares_memory(taken[0].planes[1], taken[1].planes[1])


@pytest.mark.parametrize("size", [(16, 16), (30, 240), (100, 2160)])
def test_pictures_without_room_for_the_panel_are_an_outage_said_once(size, caplog):
    class Small:
        info = SourceInfo("small", *size, 25.0)
        left = 5

        def read(self):
            if not self.left:
                raise SourceEnded
            self.left -= 1
            return still(np.full(size[::-1], 90, np.uint8), sequence=4 - self.left)

        def close(self):
            pass

    capture = Capture(Small(), Pace.MAX, Timing())
    capture.start()
    assert capture.frames.take(PATIENCE_S) is None
    capture.close()
    assert (capture.count, capture.outage.condition) == (0, Condition.UNSUPPORTED)
    assert sum(f"pictures of {size[0]}x{size[1]} pixels" in line for line in caplog.messages) == 1
