"""What the network has learnt from is near, what it has never seen the like of is far."""

import numpy as np
import pytest
import torch

from edge.errors import DataError
from export.classifier import Classifier
from export.familiarity import (
    FALSE_ALARM,
    FILE,
    embed,
    fit_familiarity,
    read_familiarity,
    write_familiarity,
)


def speckle(seed, n, level=40):
    rng = np.random.default_rng(seed)
    return np.clip(rng.rayleigh(level, (n, 1, 128, 128)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Classifier("compact").network.eval()


@pytest.fixture(scope="module")
def fitted(network):
    return fit_familiarity(network, speckle(0, 80), speckle(1, 60))


def distances(fitted, network, images):
    with torch.no_grad():
        return fitted.distance(torch.from_numpy(embed(network, images)).float()).numpy()


def test_training_images_lie_at_about_one(fitted, network):
    assert np.sqrt((distances(fitted, network, speckle(0, 80)) ** 2).mean()) == pytest.approx(1, abs=0.3)


def test_the_threshold_withholds_the_stated_share_of_what_was_held_out(fitted, network):
    assert np.mean(distances(fitted, network, speckle(1, 60)) > fitted.threshold) <= FALSE_ALARM
    assert np.mean(distances(fitted, network, speckle(2, 60)) > fitted.threshold) < 0.2


def test_black_other_texture_and_other_gain_lie_beyond_the_threshold(fitted, network):
    smooth = np.tile(np.linspace(0, 255, 128).astype(np.uint8), (4, 1, 128, 1))
    for strange in (np.zeros((1, 1, 128, 128), np.uint8), smooth, speckle(3, 4, level=90)):
        assert distances(fitted, network, strange).min() > fitted.threshold


def test_what_is_written_is_read_and_damage_is_named(fitted, tmp_path):
    write_familiarity(tmp_path, fitted)
    again = read_familiarity(tmp_path)
    assert again.threshold == fitted.threshold
    assert torch.equal(again.distance.whitening, fitted.distance.whitening)
    (tmp_path / FILE).write_bytes(b"no tensors")
    with pytest.raises(DataError, match="train again"):
        read_familiarity(tmp_path)
