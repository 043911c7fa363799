"""The cart measures a lesion as the graph does."""

import numpy as np
import pytest

from edge.contract.frame import still
from edge.contract.roi import Roi
from edge.exam.features import LesionFeatures, features_of, measure_lesion

torch = pytest.importorskip("torch")
from export.feature_images import blur, gaussian  # noqa: E402
from export.measures import DEPTHS, blobs  # noqa: E402


def lesion(height=64, width=64, radii=(14, 10), *, behind=0, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    inside = ((x - width / 2) / radii[0]) ** 2 + ((y - height / 2 + 3) / radii[1]) ** 2 < 1
    below = (np.abs(x - width / 2) < radii[0]) & (y > height / 2 - 3 + radii[1])
    grey = np.where(inside, 40, 110) + behind * below
    return np.clip(grey * rng.rayleigh(0.8, (height, width)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_same_arithmetic_as_in_the_graph(seed):
    picture = lesion(radii=(8 + 3 * seed, 14 - 2 * seed), behind=20 * seed, seed=seed)
    x = torch.from_numpy(picture.astype(np.float32))[None, None] / 255
    values = blobs(x, blur(x, gaussian(3.0)))[0].view(len(DEPTHS), -1)[DEPTHS.index(0.8)].tolist()
    here = features_of(picture)
    there = {
        "orientation": values[3],
        "irregularity": values[6],
        "margin": values[7],
        "echogenicity": values[9],
        "heterogeneity": values[10],
        "posterior": values[12],
    }
    for name, value in there.items():
        assert getattr(here, name) == pytest.approx(value, abs=2e-3), name


def test_features_say_what_is_there():
    dark, enhanced = features_of(lesion()), features_of(lesion(behind=60))
    assert dark.echogenicity > 0.1
    assert enhanced.posterior > dark.posterior + 0.05
    assert features_of(lesion(radii=(7, 15))).orientation > 0 > features_of(lesion(radii=(15, 7))).orientation


def test_lesion_at_the_pictures_corner_is_measured_too():
    assert isinstance(measure_lesion(still(lesion(96, 96)), Roi(0, 0, 60, 40)), LesionFeatures)
