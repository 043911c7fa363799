"""Crops, mirrored and rescaled, are found by their speckle; different pictures of like tissue are not."""

import cv2
import numpy as np
import pytest

from edge.phantom.study import scan_patient
from edge.study.cases import LABELS
from export.crops import find_crops
from export.duplicates import near_duplicates
from export.thumbnails import find_look_alikes


@pytest.fixture(scope="module")
def pictures():
    """Six phantom patients, one picture each."""
    stills = [scan_patient(3, 1, number, LABELS[number % 2])[0] for number in range(6)]
    return [cv2.imdecode(np.frombuffer(still.png, np.uint8), cv2.IMREAD_GRAYSCALE) for still in stills]


def crop(picture, how):
    height, width = picture.shape
    part = picture[height // 8 : height * 7 // 8, width // 5 : width * 19 // 20]
    if how == "larger":
        part = cv2.resize(part, None, fx=1.4, fy=1.4)
    if how == "mirrored":
        part = np.ascontiguousarray(part[:, ::-1])
    if how == "jpeg":
        part = cv2.imdecode(cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0)
    if how == "text":
        part = cv2.putText(part.copy(), "PAROTID RT LONG", (5, 20), cv2.FONT_HERSHEY_PLAIN, 0.9, 255)
    return part


@pytest.mark.parametrize("how", ["plain", "larger", "mirrored", "jpeg", "text"])
def test_a_crop_is_found_among_other_pictures_and_nothing_else(pictures, how):
    images = [*pictures, crop(pictures[2], how)]
    (pair,) = find_crops(images, lambda done: None)
    assert (pair.first, pair.second) == (2, 6)
    assert pair.mirrored == (how == "mirrored")
    assert [(p.first, p.second) for p in near_duplicates(images, lambda done: None)] == [(2, 6)]


def test_thumbnails_alone_would_miss_it(pictures):
    assert find_look_alikes([pictures[2], crop(pictures[2], "plain")]) == []


def test_pictures_without_structure_are_no_crops_of_anything(pictures):
    flat = [np.zeros((64, 64), np.uint8), np.full((80, 50), 200, np.uint8)]
    assert find_crops([*flat, pictures[0]], lambda done: None) == []
    assert find_crops(flat, lambda done: None) == []
