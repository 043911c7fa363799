"""Near-duplicates are found through mirrors, compression and text, and different pictures are left alone."""

import cv2
import numpy as np
import pytest

from export import thumbnails
from export.glance import thumbnail
from export.pairs import Pair, group
from export.thumbnails import SURE, THRESHOLD


@pytest.fixture
def picture():
    rng = np.random.default_rng(2)
    return cv2.resize(rng.integers(0, 256, (12, 12), np.uint8), (200, 160), interpolation=cv2.INTER_CUBIC)


def find_look_alikes(images, patients):
    return thumbnails.find_look_alikes([thumbnail(image) for image in images], patients)


def changed(picture, how):
    if how == "mirror":
        return picture[:, ::-1]
    if how == "smaller":
        return cv2.resize(picture, (100, 80), interpolation=cv2.INTER_AREA)
    if how == "jpeg":
        return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], 0)
    if how == "brighter":
        return np.clip(picture * 0.7 + 60, 0, 255).astype(np.uint8)
    if how == "text":
        return cv2.putText(picture.copy(), "PAROTID R", (10, 150), cv2.FONT_HERSHEY_PLAIN, 1, 255)
    return np.dstack([picture] * 3)


@pytest.mark.parametrize("how", ["mirror", "smaller", "jpeg", "brighter", "text", "colour"])
def test_a_changed_copy_is_found(picture, how):
    (pair,) = find_look_alikes([picture, changed(picture, how)], ["a", "b"])
    assert (pair.first, pair.second, pair.mirrored) == (0, 1, how == "mirror")


def test_pictures_of_two_patients_may_look_more_alike_than_frames_of_one_sweep(picture):
    noise = np.random.default_rng(4).normal(0, 1, (12, 12)).astype(np.float32)
    alike = picture + 22 * cv2.resize(noise, (200, 160), interpolation=cv2.INTER_CUBIC)
    images = [picture, np.clip(alike, 0, 255).astype(np.uint8)]
    (pair,) = find_look_alikes(images, ["a", "a"])
    assert THRESHOLD < pair.correlation < SURE
    assert find_look_alikes(images, [None, "b"]) == [pair]
    assert find_look_alikes(images, ["a", "b"]) == []


def test_different_pictures_are_no_pair(picture):
    rng = np.random.default_rng(3)
    other = cv2.resize(rng.integers(0, 256, (12, 12), np.uint8), (200, 160), interpolation=cv2.INTER_CUBIC)
    assert find_look_alikes([picture, other], [None, None]) == []
    assert find_look_alikes([picture, np.zeros((50, 50), np.uint8)], [None, None]) == []


def test_pairs_are_found_across_blocks(picture, monkeypatch):
    rng = np.random.default_rng(5)
    images = [rng.integers(0, 256, (48, 48), np.uint8) for _ in range(7)]
    images[6] = images[1]
    monkeypatch.setattr(thumbnails, "BLOCK", 3)
    (pair,) = find_look_alikes(images, [None] * 7)
    assert (pair.first, pair.second, pair.mirrored) == (1, 6, False)


def test_a_chain_of_pairs_is_one_group():
    pairs = [Pair(0, 2, 0.95, False, "thumbnail"), Pair(2, 4, 0.95, True, "points")]
    assert group(5, pairs).tolist() == [0, 1, 0, 2, 0]
    assert group(2, []).tolist() == [0, 1]
