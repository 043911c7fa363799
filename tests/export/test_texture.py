"""Soft counts are those of the plain definitions, and a mirrored picture gives the same."""

import numpy as np
import pytest
import torch

from export.texture import BRIGHTEST, LAGS, LEVELS, NEIGHBOURS, PAIRS, RADII, TURNS, neighbours, pairs


def speckle(seed=0, number=2):
    torch.manual_seed(seed)
    return torch.rand(number, 1, 64, 64)


def counted(picture):
    """Shares of the levels across and down at the first lag, of a picture (64, 64) of whole levels."""
    lag = LAGS[0]
    across, down = np.zeros((LEVELS, LEVELS)), np.zeros((LEVELS, LEVELS))
    for y in range(64):
        for x in range(64 - lag):
            across[picture[y, x], picture[y, x + lag]] += 0.5
            across[picture[y, x + lag], picture[y, x]] += 0.5
            down[picture[x + lag, y], picture[x, y]] += 1
    upper = across[np.triu_indices(LEVELS)]
    return np.concatenate([upper, down.ravel()]) / (64 * (64 - lag))


def test_pairs_of_whole_levels_are_counted_as_a_loop_counts_them():
    levels = np.random.default_rng(0).integers(0, LEVELS, (64, 64))
    found = pairs(torch.from_numpy(levels * BRIGHTEST / (LEVELS - 1)).float()[None, None])[0]
    expected = counted(levels)
    assert found.shape == (PAIRS,)
    assert (found**2)[: len(expected)].numpy() == pytest.approx(expected, abs=1e-4)


def test_a_grey_level_more_changes_little_and_the_brightest_belong_to_the_last_level():
    image = speckle() * 0.6
    assert (pairs(image + 1 / 255) - pairs(image)).abs().max() < 0.05
    white = pairs(torch.ones(1, 1, 64, 64))[0] ** 2
    assert white[LEVELS * (LEVELS + 1) // 2 - 1] == pytest.approx(1, abs=1e-3)


def test_a_white_dot_is_brighter_than_all_around_it():
    dots = torch.zeros(1, 1, 64, 64)
    dots[:, :, 8:30:8, 8::8] = 1
    shares = (neighbours([dots] * len(RADII))[0] ** 2).view(len(RADII), 9 + len(TURNS), 2)
    assert shares.numel() == NEIGHBOURS
    ones = shares[0, :9]
    assert ones[0, 0] == pytest.approx(21 / (32 * 64), abs=1e-3)  # 3x7 dots in the upper half
    assert ones[0, 1] == pytest.approx(0, abs=1e-3)
    assert ones[4, 1] == pytest.approx(1, abs=1e-3)  # even ground: a neighbour is half brighter


def test_a_picture_and_its_mirror_image_count_the_same_and_one_upside_down_does_not():
    image = speckle(1).cumsum(2) / 64  # brighter with depth
    for count in (pairs, lambda x: neighbours([x] * len(RADII))):
        assert torch.allclose(count(image.flip(3)), count(image), atol=1e-4)
        assert not torch.allclose(count(image.flip(2)), count(image), atol=1e-2)
