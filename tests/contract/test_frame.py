"""A grey frame takes colours once it has chroma; nothing else of it changes."""

import numpy as np
import pytest

from edge.contract.frame import PixelFormat, still, with_chroma


def test_grey_frame_gets_neutral_chroma_and_keeps_its_luma():
    luma = np.arange(48, dtype=np.uint8).reshape(6, 8)
    frame = with_chroma(still(luma, sequence=3, captured_ns=7))
    assert (frame.format, frame.sequence, frame.captured_ns) == (PixelFormat.I420, 3, 7)
    assert np.shares_memory(frame.planes[0], luma)
    assert [plane.shape for plane in frame.planes] == [(6, 8), (3, 4), (3, 4)]
    assert all((plane == 128).all() and plane.flags.writeable for plane in frame.planes[1:])


@pytest.mark.parametrize("image", [np.zeros((6, 8, 3), np.uint8), np.zeros((5, 8), np.uint8)])
def test_colour_and_odd_sizes_stay_as_they_are(image):
    frame = still(image)
    assert with_chroma(frame) is frame
