"""Planes become full range and BT.601, whatever they were, and colour is what it was."""

import cv2
import numpy as np
import pytest

from edge.blit import Encoding, make_sprite
from edge.contract.frame import Matrix, PixelFormat
from edge.jfif import write_jfif

COLOURS = [(230, 159, 0), (86, 180, 233), (255, 255, 255), (0, 0, 0), (200, 20, 30)]
MEANINGS = [(full, matrix) for full in (True, False) for matrix in Matrix]


def planes_of(rgb, full_range, matrix):
    return make_sprite(rgb, Encoding(PixelFormat.I420, full_range, matrix)).planes


def written(planes, full_range, matrix):
    out = tuple(np.full(plane.shape, 77, np.uint8) for plane in planes)
    write_jfif(planes, full_range, matrix, out)
    return out


@pytest.mark.parametrize(("full_range", "matrix"), MEANINGS)
@pytest.mark.parametrize("colour", COLOURS)
def test_a_coloured_part_keeps_its_colour(full_range, matrix, colour):
    rgb = np.full((48, 64, 3), 90, np.uint8)
    rgb[12:40, 20:44] = colour
    got = written(planes_of(rgb, full_range, matrix), full_range, matrix)
    wanted = planes_of(rgb, True, Matrix.BT601)
    for mine, theirs in zip(got, wanted, strict=True):
        assert np.abs(mine.astype(int) - theirs).max() <= 2


def test_what_is_grey_is_neutral_and_nothing_of_the_last_picture_stays():
    luma, blue, red = planes_of(np.full((48, 64, 3), 90, np.uint8), False, Matrix.BT709)
    blue[3, 4], red[5, 6] = 129, 127  # an encoder's rounding
    got = written((luma, blue, red), False, Matrix.BT709)
    assert all(np.all(plane == 128) for plane in got[1:])
    assert np.abs(got[0].astype(int) - 90).max() <= 1


def test_levels_beyond_the_limited_range_are_clipped():
    luma = np.tile(np.arange(256, dtype=np.uint8), (2, 1))
    grey = np.full((1, 128), 128, np.uint8)
    got = written((luma, grey, grey), False, Matrix.BT601)[0][0]
    assert np.all(got[:17] == 0)
    assert np.all(got[235:] == 255)
    assert np.all(np.diff(got[16:236].astype(int)) >= 1)


def test_padded_rows_and_odd_sides_are_taken_as_they_are():
    wide = np.full((51, 96), 60, np.uint8)
    blue, red = np.full((26, 36), 90, np.uint8), np.full((26, 36), 160, np.uint8)
    got = written((wide[:, :71], blue, red), True, Matrix.BT709)
    assert [plane.shape for plane in got] == [(51, 71), (26, 36), (26, 36)]
    assert len(np.unique(got[0])) == 1


def test_colours_all_over_agree_with_planes_made_in_bt601():
    rgb = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (64, 48))
    got = written(planes_of(rgb, True, Matrix.BT709), True, Matrix.BT709)
    packed = np.concatenate([plane.ravel() for plane in planes_of(rgb, True, Matrix.BT601)])
    assert np.abs(np.concatenate([p.ravel() for p in got]).astype(int) - packed).mean() < 2
