"""JPEGs show the colours that the frame means, whatever its range, matrix and layout."""

import cv2
import numpy as np
import pytest

from edge.blit import make_sprite, paste
from edge.contract.frame import PixelFormat
from edge.outputs.planes import as_i420, as_jpeg
from tests.clips import i420
from tests.test_blit import ENCODINGS, blank

COLOURS = [(230, 159, 0), (86, 180, 233), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 20, 30)]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("colour", COLOURS)
def test_colours_survive(encoding, colour):
    frame = blank(encoding, level=128)
    paste(frame, make_sprite(np.full((32, 48, 3), colour, np.uint8), encoding), 16, 16)
    picture = cv2.imdecode(np.frombuffer(as_jpeg(frame, 95), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    got = np.median(picture[20:44, 20:60].reshape(-1, 3), axis=0)
    if encoding.format is PixelFormat.GRAY8:
        assert np.ptp(got) <= 2
    else:
        assert np.abs(got - colour).max() <= 6
    background = np.median(picture[:8, :8].reshape(-1, 3), axis=0)
    expected = 128 if encoding.full_range else (128 - 16) * 255 / 219
    assert np.abs(background - expected).max() <= 2


def test_encoding_leaves_the_frame_as_it_was():
    frame = i420(np.full((40, 60), 200, np.uint8))
    frame.planes[1][:] = 90
    before = [plane.copy() for plane in frame.planes]
    as_jpeg(frame, 80)
    assert all(np.array_equal(a, b) for a, b in zip(frame.planes, before, strict=True))


def test_i420_is_handed_through_without_a_copy():
    frame = i420(np.full((40, 60), 200, np.uint8))
    assert all(np.shares_memory(a, b) for a, b in zip(as_i420(frame).planes, frame.planes, strict=True))


def test_odd_borders_are_left_out():
    frame = i420(np.full((41, 61), 200, np.uint8))
    assert [plane.shape for plane in as_i420(frame).planes] == [(40, 60), (20, 30), (20, 30)]
