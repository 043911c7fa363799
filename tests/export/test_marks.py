"""Marks that a scanner burns in are found; speckle and bright fascia are not taken for them."""

import cv2
import numpy as np
import pytest

from edge.phantom.study import scan_patient
from edge.study.cases import LABELS
from export.marks import find_marks


@pytest.fixture(scope="module")
def pictures():
    stills = [scan_patient(4, 1, number, LABELS[number % 2])[0] for number in range(6)]
    return [cv2.imdecode(np.frombuffer(still.png, np.uint8), cv2.IMREAD_GRAYSCALE) for still in stills]


def small(picture):
    return cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA)


def test_plain_pictures_have_no_marks(pictures):
    assert [find_marks(picture).kinds for picture in pictures] == [()] * 6


def test_text_is_found(pictures):
    for picture in pictures:
        image = cv2.putText(small(picture), "RT PAROTID", (20, 235), cv2.FONT_HERSHEY_PLAIN, 0.8, 255)
        assert find_marks(image).kinds == ("text",)


def test_two_letters_are_a_text(pictures):
    for picture in pictures:
        image = small(picture) // 2
        cv2.putText(image, "RT", (20, 235), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 200, 1, cv2.LINE_AA)
        assert find_marks(image).kinds == ("text",)


def test_small_letters_in_a_large_picture_are_found_where_they_are(pictures):
    for picture in pictures:
        image = cv2.resize(picture, (1024, 1024), interpolation=cv2.INTER_AREA) // 2
        cv2.putText(image, "RIGHT PAROTID", (600, 900), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 230, 1, cv2.LINE_AA)
        marks = find_marks(image)
        assert marks.kinds == ("text",)
        assert all(148 <= box.x <= 185 and 220 <= box.y <= 226 for box in marks.letters)


def test_level_dashes_of_tissue_are_no_text(pictures):
    image = small(pictures[0]) // 2
    for x in range(40, 120, 12):
        cv2.rectangle(image, (x, 100), (x + 8, 103), 230, -1)
    assert find_marks(image).kinds == ()


def test_calipers_are_found(pictures):
    for picture in pictures:
        image = small(picture) // 2
        for x, y in ((80, 120), (170, 130)):
            cv2.drawMarker(image, (x, y), 255, cv2.MARKER_CROSS, 9, 1)
        marks = find_marks(image)
        assert marks.kinds == ("calipers",)
        assert len(marks.crosses) == 2


def test_thin_calipers_over_bright_tissue_are_found_and_letters_are_none(pictures):
    for picture in pictures:
        image = np.clip(small(picture).astype(int) // 2 + 60, 0, 255).astype(np.uint8)
        cv2.drawMarker(image, (120, 130), 255, cv2.MARKER_CROSS, 7, 1)
        assert [(box.x, box.y) for box in find_marks(image).crosses] == [(114, 124)]
        for at, letter in enumerate("TRXLEF"):
            image = small(picture) // 2
            cv2.putText(image, letter, (40 * at + 10, 200), cv2.FONT_HERSHEY_PLAIN, 0.8, 255)
            assert find_marks(image).crosses == ()


def test_colour_is_found_and_grey_in_three_channels_is_none(pictures):
    colour = np.dstack([pictures[0]] * 3)
    assert find_marks(colour).kinds == ()
    colour[40:60, 40:60] = (255, 120, 0)
    assert find_marks(colour).kinds == ("colour",)


def test_tiny_and_flat_pictures_are_no_trouble():
    assert find_marks(np.zeros((16, 16), np.uint8)).kinds == ()
    assert find_marks(np.full((300, 20), 255, np.uint8)).kinds == ()
