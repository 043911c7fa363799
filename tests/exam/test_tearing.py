"""A part of a picture that is still the one before is told from tissue that stays by itself."""

import numpy as np
import pytest

from edge.exam.tearing import TORN, Tearing

MS = 1_000_000
ROWS = 32


def rows(seed, low=60, high=140):
    return np.random.default_rng(seed).integers(low, high, (ROWS, 200), np.uint8)


def torn(new, old, line):
    return np.concatenate([new[:line], old[line:]])


def look(pictures):
    tearing, said = Tearing(), []
    for index, picture in enumerate(pictures):
        tearing.look(picture, index * 40 * MS)
        said.append(tearing.torn)
    return tearing, said


@pytest.mark.parametrize("line", [2, 10, 16, 29])
def test_part_that_is_still_the_picture_before_is_torn_whichever_it_is(line):
    upper = torn(rows(3), rows(2), line)
    assert look([rows(0), rows(1), rows(2), upper, rows(3), rows(4)])[1] == [False] * 3 + [True] + [False] * 2
    lower = torn(rows(2), rows(3), line)
    assert look([rows(0), rows(1), rows(2), lower, rows(3)])[1] == [False] * 3 + [True, False]


def test_row_across_the_tear_may_be_of_both():
    picture = torn(rows(3), rows(2), 12)
    picture[12, :70] = rows(3)[12, :70]
    assert look([rows(0), rows(1), rows(2), picture])[0].torn


def test_torn_picture_that_was_encoded_anew_is_torn():
    picture = torn(rows(3), rows(2), 12)
    picture[::2, ::9] ^= 1
    assert look([rows(0), rows(1), rows(2), picture])[0].torn


def test_moving_repeated_and_frozen_pictures_are_whole():
    pictures = [rows(i // 3) for i in range(30)] + [rows(9)] * 10 + [rows(i) for i in range(10, 20)]
    assert look(pictures)[0].count == 0


def test_dark_rows_that_stay_are_no_tear():
    deep = np.zeros((ROWS, 200), np.uint8)
    pictures = [rows(0), rows(1), rows(2), *(torn(rows(i), deep, 12) for i in range(3, 12))]
    assert look(pictures)[0].count == 0


def test_what_changes_in_the_middle_alone_is_no_tear():
    picture = rows(2)
    picture[10:20] = rows(3)[10:20]
    assert look([rows(0), rows(1), rows(2), picture])[0].count == 0


def test_single_tears_withhold_nothing_and_three_in_a_second_do_until_it_is_over():
    pictures = [rows(i) if i % 2 else torn(rows(i), rows(i - 1), 16) for i in range(2, 8)]
    tearing, _ = look([rows(9), rows(0), rows(1), *pictures[:3]])
    assert (tearing.count, tearing.reason(200 * MS)) == (2, None)
    tearing, _ = look([rows(9), rows(0), rows(1), *pictures])
    assert (tearing.count, tearing.reason(300 * MS)) == (3, TORN)
    assert tearing.reason(1300 * MS) is None


def test_text_typed_and_erased_over_a_probe_held_still_is_no_tear():
    """The noise of the deepest rows is all that moves there."""
    still = [rows(0).copy() for _ in range(20)]
    for number, picture in enumerate(still):
        picture[25:] = rows(50 + number)[25:]
        if 5 <= number < 12:
            picture[8:11, 40:90] = 235
    assert look(still)[0].count == 0


def test_another_region_begins_anew():
    tearing, _ = look([rows(0), rows(1), rows(2)])
    tearing.look(rows(3)[:20], 200 * MS)
    assert not tearing.torn
