"""Whatever a source delivers can be drawn into in colour."""

import numpy as np

from edge.contract.frame import PixelFormat, still
from edge.sources.base import Pace, SourceEnded, SourceInfo
from edge.sources.capture import Capture
from edge.timing import Timing
from tests.patience import PATIENCE_S


def test_pictures_of_a_grey_source_take_colours():
    class Grey:
        info = SourceInfo("grey", 8, 6, 25.0)
        left = 2

        def read(self):
            if not self.left:
                raise SourceEnded
            self.left -= 1
            return still(np.full((6, 8), 90, np.uint8), sequence=1 - self.left)

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
