"""What a lesion looks like, as numbers whose distributions by pathology are known exactly.

Each latent is in standard units: zero is an ordinary lesion. Given its pathology, a lesion's latents are
independent and normal with unit deviation, so the likelihood ratio of malignant against benign is exact, and
its AUC is the ceiling of any classifier. The means follow the descriptions of sonographic signs in the
literature (Bialek et al., US of the major salivary glands, RadioGraphics 26, 2006): pleomorphic adenoma
lobulated, sharp, homogeneous and enhancing, Warthin tumour smooth, dark and cystic, high-grade tumours
irregular, ill-defined, heterogeneous and attenuating. What keeps the ceiling low is what keeps it low in the
clinic: low-grade carcinomas that look benign, and a benign type that looks like neither. The amount of
overlap is chosen, not measured.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LATENTS = (
    "irregularity",
    "lobulation",
    "margin_blur",
    "echogenicity",
    "heterogeneity",
    "cystic_part",
    "attenuation",
    "height_to_width",
    "size",
)
LABELS = ("benign", "malignant")
CEILING_DRAWS = 200_000


@dataclass(frozen=True, slots=True)
class Pathology:
    """A tumour type: its label, its share within the label, and the mean of each latent."""

    name: str
    label: str
    share: float
    means: tuple[float, ...]


PATHOLOGIES = (
    Pathology("pleomorphic adenoma", "benign", 0.57, (-1.1, 0.2, -1.0, 0.0, -0.45, -0.1, -0.95, -0.35, 0.0)),
    Pathology("warthin tumour", "benign", 0.33, (-0.9, -0.1, -0.8, -0.3, -0.1, 0.3, -0.9, -0.4, 0.1)),
    Pathology("basal cell adenoma", "benign", 0.10, (0.1, -0.2, 0.1, 0.2, -0.1, -0.2, 0.0, 0.0, -0.1)),
    Pathology("mucoepidermoid carcinoma", "malignant", 0.50, (1.2, 0.0, 1.1, 0.0, 0.6, 0.1, 0.95, 0.4, 0.1)),
    Pathology(
        "adenoid cystic carcinoma", "malignant", 0.34, (1.3, 0.0, 1.3, -0.1, 0.6, -0.1, 1.15, 0.5, 0.0)
    ),
    Pathology(
        "acinic cell carcinoma", "malignant", 0.16, (-0.6, 0.1, -0.5, -0.1, -0.1, 0.0, -0.5, -0.2, 0.0)
    ),
)


def draw_pathology(rng: np.random.Generator, label: str) -> Pathology:
    """Draw a tumour type of the label by its share."""
    choices = [pathology for pathology in PATHOLOGIES if pathology.label == label]
    return choices[int(rng.choice(len(choices), p=[pathology.share for pathology in choices]))]


def draw_latents(rng: np.random.Generator, pathology: Pathology) -> tuple[float, ...]:
    """Draw one lesion's latents, in the order of `LATENTS`."""
    return tuple(float(value) for value in rng.standard_normal(len(LATENTS)) + pathology.means)


def log_likelihood_ratio(latents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exact log p(latents | malignant) / p(latents | benign) of (n, len(LATENTS)) latents; (n,) float64."""
    malignant, benign = (
        np.logaddexp.reduce(
            [
                np.log(pathology.share) - 0.5 * np.square(latents - np.asarray(pathology.means)).sum(axis=1)
                for pathology in PATHOLOGIES
                if pathology.label == label
            ]
        )
        for label in ("malignant", "benign")
    )
    return np.asarray(malignant - benign)


def ceiling_auc() -> float:
    """AUC of the exact likelihood ratio over the population, by Monte Carlo (standard error about 0.0005)."""
    rng = np.random.default_rng(0)
    scores = {}
    for label in LABELS:
        types = [pathology for pathology in PATHOLOGIES if pathology.label == label]
        drawn = rng.choice(len(types), CEILING_DRAWS // 2, p=[pathology.share for pathology in types])
        means = np.asarray([pathology.means for pathology in types])[drawn]
        scores[label] = log_likelihood_ratio(means + rng.standard_normal(means.shape))
    return area_under_curve(scores["benign"], scores["malignant"])


def area_under_curve(negatives: NDArray[np.float64], positives: NDArray[np.float64]) -> float:
    """Probability that a positive scores above a negative, ties counting half (Mann and Whitney, 1947)."""
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return float(below.mean() / (2 * len(negatives)))
