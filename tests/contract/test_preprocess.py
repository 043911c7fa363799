"""`prepare` is the one road from a frame to a tensor, whatever the frame's format."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.frame import Frame, Matrix, PixelFormat, still
from edge.contract.preprocess import letterbox, prepare, shrink
from edge.contract.roi import Roi
from edge.errors import DataError


@pytest.fixture
def picture():
    rng = np.random.default_rng(3)
    return cv2.GaussianBlur(rng.integers(0, 256, (120, 160), np.uint8), (5, 5), 0)


def as_format(grey, pixel_format, full_range=True):
    """The same grey picture in another memory layout."""
    half = np.full((grey.shape[0] // 2, grey.shape[1] // 2), 128, np.uint8)
    planes = {
        PixelFormat.GRAY8: (grey,),
        PixelFormat.I420: (grey, half, half),
        PixelFormat.NV12: (grey, np.dstack([half, half])),
        PixelFormat.YUYV: (np.dstack([grey, np.full_like(grey, 128)]),),
        PixelFormat.BGR24: (np.dstack([grey] * 3),),
        PixelFormat.RGB24: (np.dstack([grey] * 3),),
    }[pixel_format]
    return Frame(planes, pixel_format, 0, 0, full_range, Matrix.BT601)


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_every_format_gives_the_same_tensor(picture, pixel_format):
    roi = Roi(11, 7, 101, 90)
    expected = prepare(still(picture), roi, 64, 48)
    assert np.array_equal(prepare(as_format(picture, pixel_format), roi, 64, 48), expected)


@pytest.mark.parametrize("full_range", [True, False])
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_part_of_a_frame_gives_the_tensor_of_that_region(picture, pixel_format, full_range):
    frame, roi = as_format(picture, pixel_format, full_range), Roi(5, 8, 61, 40)
    part = frame.part(roi)
    assert (part.width, part.height) == (61, 40)
    assert np.array_equal(prepare(part, part.bounds, 24, 24), prepare(frame, roi, 24, 24))


def test_limited_range_is_expanded(picture):
    limited = np.rint(picture * 219.0 / 255.0 + 16).astype(np.uint8)
    roi = Roi(0, 0, 160, 120)
    expected = prepare(still(picture), roi, 32, 24).astype(int)
    got = prepare(as_format(limited, PixelFormat.I420, full_range=False), roi, 32, 24).astype(int)
    assert np.abs(got - expected).max() <= 1


def test_shrinking_averages_areas():
    board = np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 200
    assert np.all(prepare(still(board), Roi(0, 0, 64, 64), 16, 16) == 100)


def test_aspect_is_kept_and_the_border_is_black():
    tensor = prepare(still(np.full((50, 100), 200, np.uint8)), Roi(0, 0, 100, 50), 40, 40)[0, 0]
    assert np.all(tensor[10:30] == 200)
    assert np.all(tensor[:10] == 0)
    assert np.all(tensor[30:] == 0)


def test_a_reused_tensor_keeps_nothing_of_the_frame_before():
    out = np.full((1, 1, 40, 40), 77, np.uint8)
    frame = still(np.full((50, 100), 200, np.uint8))
    assert prepare(frame, frame.bounds, 40, 40, out=out) is out
    assert np.array_equal(out, prepare(frame, frame.bounds, 40, 40))


def test_only_the_region_counts(picture):
    roi = Roi(40, 30, 60, 50)
    other = picture.copy()
    other[:30] = 255
    other[:, :40] = 0
    assert np.array_equal(prepare(still(picture), roi, 32, 32), prepare(still(other), roi, 32, 32))


def test_region_outside_the_frame_is_refused(picture):
    with pytest.raises(DataError, match="leaves the frame"):
        prepare(still(picture), Roi(100, 100, 61, 20), 32, 32)


@given(st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([(128, 128), (224, 224), (320, 240)]))
def test_letterbox_always_fits_and_touches_two_sides(width, height, size):
    inner = letterbox(Roi(0, 0, width, height), *size)
    assert inner.inside(Roi(0, 0, *size))
    assert inner.width == size[0] or inner.height == size[1]


@given(
    rows=st.integers(1, 400),
    columns=st.integers(1, 400),
    height=st.integers(1, 64),
    width=st.integers(1, 64),
    seed=st.integers(0, 9),
)
def test_shrinking_is_opencvs_area_but_for_ties(rows, columns, height, width, seed):
    height, width = min(height, rows), min(width, columns)
    luma = np.random.default_rng(seed).integers(0, 256, (rows, columns), np.uint8)
    expected = cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width)
    assert np.abs(shrink(luma, width, height).astype(int) - expected).max() <= 1


def test_shrinking_a_large_bright_picture_loses_no_precision():
    luma = np.full((2160, 3840), 254, np.uint8)
    luma[::2] = 255
    assert np.all(np.abs(shrink(luma, 223, 125).astype(int) - 254.5) <= 1)
    assert np.all(shrink(np.full((2160, 3840), 255, np.uint8), 223, 125) == 255)


def test_shrinking_keeps_no_memory_of_the_last_picture():
    first = shrink(np.full((90, 70), 9, np.uint8), 30, 30)
    shrink(np.full((90, 70), 200, np.uint8), 30, 30)
    assert np.all(first == 9)
