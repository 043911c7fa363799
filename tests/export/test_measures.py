"""Measures move as their names say, and are the same for a mirrored picture."""

import pytest
import torch

from export.feature_images import blur, gaussian
from export.measures import DEPTHS, LAGS, LEVELS, SCALES, Measures, blobs, blurs, histogram, similarity

BLOB = ("area", "aside", "along", "taller", "spread", "compact", "irregular", "margin", "grey", "darker")
BLOB += ("heterogeneity", "behind", "behind beside")


def picture(radius=(14, 20), inside=60.0, behind=120.0, soft=1.0):
    """Tissue of grey 120 with an elliptic lesion in the middle and a band of its width below it."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    distance = torch.sqrt(((y - 60) / radius[0]) ** 2 + ((x - 64) / radius[1]) ** 2)
    image = torch.full((128, 128), 120.0)
    image = torch.where((x - 64).abs() < radius[1], torch.where(y > 60, behind, 120.0), image)
    lesion = torch.sigmoid((1 - distance) * 10 / soft)
    return (image * (1 - lesion) + inside * lesion)[None, None]


def measured(image):
    x = image / 255.0
    found = blobs(x, blur(x, gaussian(3.0)))[0].view(len(DEPTHS), len(BLOB))
    return dict(zip(BLOB, found[1].tolist(), strict=True))


def test_there_are_as_many_as_promised_and_all_are_numbers():
    torch.manual_seed(0)
    for image in (torch.rand(3, 1, 128, 128) * 255, torch.zeros(1, 1, 128, 128), picture()):
        out = Measures()(image)
        assert out.shape == (len(image), Measures.NUMBER)
        assert out.isfinite().all()


def test_products_with_matrices_smooth_as_convolutions_do_up_to_the_border():
    torch.manual_seed(4)
    image, rows = torch.rand(2, 1, 32, 64), [gaussian(scale) for scale in SCALES]
    for found, row in zip(blurs(image, rows).split(1, 1), rows, strict=True):
        assert torch.allclose(found, blur(image, row), atol=1e-6)


def test_autocorrelation_is_the_mean_product_of_pixels_at_a_lag():
    torch.manual_seed(5)
    x = torch.rand(2, 1, 48, 32)
    z = (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True, correction=0)
    found = similarity(x).view(2, len(LAGS), 4)
    for number, lag in enumerate(LAGS):
        across, down = z[..., lag:] * z[..., :-lag], z[..., lag:, :] * z[..., :-lag, :]
        expected = torch.stack([across.mean((1, 2, 3)), down.mean((1, 2, 3))], 1)
        assert torch.allclose(found[:, number, :2], expected, atol=1e-3)


def test_a_mirrored_picture_measures_the_same():
    torch.manual_seed(1)
    image = picture() + torch.rand(1, 1, 128, 128) * 40
    assert torch.allclose(Measures()(image.flip(3)), Measures()(image), atol=1e-4)


def test_the_histogram_counts_every_pixel_once():
    torch.manual_seed(2)
    shares = histogram(torch.rand(1, 1, 64, 64))
    assert shares.shape == (1, LEVELS)
    assert shares.sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "more", "less"),
    [
        ("area", {"radius": (20, 28)}, {"radius": (10, 14)}),
        ("taller", {"radius": (22, 12)}, {"radius": (12, 22)}),
        ("darker", {"inside": 20.0}, {"inside": 90.0}),
        ("behind", {"behind": 180.0}, {"behind": 120.0}),
        ("behind beside", {"behind": 180.0}, {"behind": 60.0}),
        ("margin", {"soft": 0.5}, {"soft": 6.0}),
    ],
)
def test_a_blob_measures_what_its_name_says(name, more, less):
    assert measured(picture(**more))[name] > measured(picture(**less))[name]


def test_a_speckled_lesion_is_more_heterogeneous():
    torch.manual_seed(3)
    noise = torch.randn(1, 1, 128, 128)
    assert (
        measured(picture() + 15 * noise)["heterogeneity"] > measured(picture() + 3 * noise)["heterogeneity"]
    )
