"""Crops, mirrored and rescaled, are found by their speckle; different pictures of like tissue are not."""

import cv2
import numpy as np
import pytest

from edge.phantom.study import scan_patient
from edge.study.cases import LABELS
from export.crops import find_crops
from export.duplicates import near_duplicates
from export.glance import BLACK, glance, thumbnail, tissue
from export.thumbnails import find_look_alikes

ONE_SECTOR = ((55, "malignant"), (71, "benign"), (103, "malignant"), (105, "benign"), (128, "benign"))


@pytest.fixture(scope="module")
def sectors():
    """Phantom patients on one kind of curved probe, two pictures each: the same outline in the same black."""
    stills = [still for number, label in ONE_SECTOR for still in scan_patient(7, 2, number, label)]
    return [cv2.imdecode(np.frombuffer(still.png, np.uint8), cv2.IMREAD_GRAYSCALE) for still in stills]


@pytest.fixture(scope="module")
def pictures():
    """Six phantom patients, one picture each."""
    stills = [scan_patient(3, 1, number, LABELS[number % 2])[0] for number in range(6)]
    return [cv2.imdecode(np.frombuffer(still.png, np.uint8), cv2.IMREAD_GRAYSCALE) for still in stills]


def crops_among(images):
    return find_crops([glance(image) for image in images], images.__getitem__, lambda done: None)


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
    (pair,) = crops_among(images)
    assert (pair.first, pair.second) == (2, 6)
    assert pair.mirrored == (how == "mirrored")
    glances = [glance(image) for image in images]
    pairs = near_duplicates(glances, [None] * len(images), images.__getitem__, lambda done: None)
    assert [(pair.first, pair.second) for pair in pairs] == [(2, 6)]


def test_different_patients_in_the_same_sector_are_no_pair(sectors):
    assert crops_among(sectors) == []


def test_a_copy_in_a_sector_is_found_by_its_tissue(sectors):
    saved = cv2.imencode(".jpg", sectors[4][:, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    (pair,) = crops_among([*sectors, cv2.imdecode(saved, cv2.IMREAD_GRAYSCALE)])
    assert (pair.first, pair.second, pair.mirrored) == (4, len(sectors), True)


def test_tissue_is_what_lies_within_the_outline(sectors):
    bright = sectors[0] > 2 * BLACK
    assert 0.5 < tissue(sectors[0]).sum() / bright.sum() < 1
    assert not tissue(sectors[0])[:, 0].any()
    assert tissue(np.full((40, 60), 90, np.uint8)).all()


def test_thumbnails_alone_would_miss_it(pictures):
    images = [pictures[2], crop(pictures[2], "plain")]
    assert find_look_alikes([thumbnail(image) for image in images], [None, None]) == []


def test_only_pictures_that_may_be_pairs_are_read_again(pictures):
    images, asked = [*pictures, crop(pictures[2], "plain")], []

    def read(index):
        asked.append(index)
        return images[index]

    find_crops([glance(image) for image in images], read, lambda done: None)
    assert sorted(asked) == [2, 6]


def test_progress_ends_at_one_and_never_goes_back(pictures):
    told = []
    find_crops([glance(image) for image in pictures], pictures.__getitem__, told.append)
    assert told == sorted(told)
    assert told[-1] <= 1


def test_pictures_without_structure_are_no_crops_of_anything(pictures):
    flat = [np.zeros((64, 64), np.uint8), np.full((80, 50), 200, np.uint8)]
    assert crops_among([*flat, pictures[0]]) == []
    assert crops_among(flat) == []
    assert crops_among([np.zeros((16, 4000), np.uint8), np.zeros((4000, 16), np.uint8)]) == []
