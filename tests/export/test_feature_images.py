"""Feature images show what their names say."""

import pytest
import torch

from export.feature_images import NAMES, FeatureImages


@pytest.fixture(scope="module")
def features():
    return FeatureImages()


def channel(features, image, name):
    return features(image)[:, NAMES.index(name)]


def test_there_is_a_channel_for_each_name_at_the_pictures_size(features):
    out = features(torch.rand(2, 1, 64, 96) * 255)
    assert out.shape == (2, len(NAMES), 64, 96)
    assert out.isfinite().all()
    assert out.abs().max() < 20


def test_a_flat_picture_has_no_edges_up_to_its_border(features):
    flat = torch.full((1, 1, 64, 64), 90.0)
    for name in ("edges fine", "edges coarse"):
        assert channel(features, flat, name).abs().max() < 1e-4
    assert channel(features, flat, "gradient").max() < 0.01


def test_an_edge_has_a_gradient_where_it_is(features):
    image = torch.full((1, 1, 64, 64), 50.0)
    image[..., 32:] = 200.0
    gradient = channel(features, image, "gradient")[0]
    assert gradient[:, 31:33].min() > 10 * gradient[:, :20].max()


def test_a_dark_blob_is_negative_at_its_own_scale(features):
    image = torch.full((1, 1, 64, 64), 150.0)
    image[..., 28:36, 28:36] = 20.0
    assert channel(features, image, "edges coarse")[0, 32, 32] < -1


def test_rougher_speckle_has_more_deviation_and_contrast(features):
    torch.manual_seed(0)
    noise = torch.rand(1, 1, 64, 64) - 0.5
    calm, rough = 120 + 20 * noise, 120 + 120 * noise
    for name in ("deviation", "speckle"):
        assert channel(features, rough, name).mean() > channel(features, calm, name).mean() + 0.1


def test_a_mirrored_picture_has_mirrored_channels(features):
    torch.manual_seed(1)
    image = torch.rand(1, 1, 64, 64) * 255
    assert torch.allclose(features(image.flip(3)).flip(3), features(image), atol=1e-4)
