"""Images that show the same points share words; images of other points do not."""

import numpy as np

from export.glance import Points
from export.words import COMMON, _keys, pairs_sharing_words


def points(descriptions):
    return Points((256, 256), np.zeros((len(descriptions), 2), np.float32), descriptions)


def noisy(descriptions, rng, share):
    bits = np.unpackbits(descriptions, axis=1)
    return np.packbits(bits ^ (rng.random(bits.shape) < share), axis=1)


def test_the_one_image_with_the_same_points_is_found_among_many():
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (100, 32), np.uint8) for _ in range(30)]
    images.append(np.concatenate([noisy(images[4][:40], rng, 0.08), images[7][:0]]))
    told = []
    pairs = pairs_sharing_words([points(i) for i in images], [points(i) for i in images], told.append)
    assert pairs.tolist() == [[4, 30]]
    assert told[-1] == 1


def test_an_image_without_points_is_no_trouble():
    nothing = points(np.empty((0, 32), np.uint8))
    assert pairs_sharing_words([nothing, nothing], [nothing, nothing], lambda done: None).shape == (0, 2)


def test_what_every_image_has_tells_nothing():
    same = points(np.random.default_rng(2).integers(0, 256, (5, 32), np.uint8))
    few, many = [same] * COMMON, [same] * (COMMON + 1)
    assert len(pairs_sharing_words(few, few, lambda done: None)) == COMMON * (COMMON - 1) // 2
    assert len(pairs_sharing_words(many, many, lambda done: None)) == 0


def test_each_single_bit_has_a_number_of_its_own():
    single = np.packbits(np.eye(256, dtype=np.uint8), axis=1).view(np.uint64)
    assert len(np.unique(_keys(single, np.arange(256)))) == 256
    assert len(np.unique(_keys(single, np.arange(40)))) == 41  # and one for all that were not chosen
