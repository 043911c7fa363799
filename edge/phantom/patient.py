"""A patient: one parotid gland with one lesion, drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from edge.phantom.fields import RandomField, draw_field
from edge.phantom.latents import LATENTS, draw_latents, draw_pathology

# Least and greatest value that a latent of minus and plus infinity stands for.
RANGES = {
    "irregularity": (0.018, 0.36),  # amplitude of the fine surface displacement, radii
    "lobulation": (0.0, 0.14),  # amplitude of the coarse surface displacement, radii
    "margin_blur": (0.10, 2.6),  # width of the margin, mm
    "echogenicity": (-23.0, -5.0),  # dB against parenchyma
    "heterogeneity": (0.7, 9.0),  # deviation of the internal echo level, dB
    "cystic_part": (0.005, 0.5),  # share of the volume
    "attenuation": (0.05, 1.35),  # dB/cm/MHz; parenchyma has 0.6
    "height_to_width": (0.50, 1.35),
    "size": (9.0, 23.0),  # mean diameter, mm
}
# Of these the eye sees ratios, not differences.
GEOMETRIC = ("irregularity", "margin_blur", "heterogeneity", "cystic_part")


@dataclass(frozen=True, slots=True)
class Lesion:
    """One tumour: an ellipsoid whose surface is displaced by random fields. Lengths in mm, echo levels in
    dB.
    """

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    tilt: float
    lobulation: float
    irregularity: float
    margin_blur: float
    echogenicity: float
    heterogeneity: float
    cystic_part: float
    attenuation: float
    lobes: RandomField
    surface: RandomField
    interior: RandomField
    cysts: RandomField

    @property
    def radius(self) -> float:
        """Geometric mean of the radii, mm."""
        return float(np.prod(self.radii) ** (1 / 3))


@dataclass(frozen=True, slots=True)
class Vessel:
    """A straight vessel along the gland: centre at y = 0, slopes in x and z per mm of y, radius, mm."""

    x: float
    z: float
    slope_x: float
    slope_z: float
    radius: float


@dataclass(frozen=True, slots=True)
class Bone:
    """The mandible: all that is deeper than `depth` and further than `edge` on one `side` (+1, -1)."""

    edge: float
    depth: float
    side: int


@dataclass(frozen=True, slots=True)
class Patient:
    """A gland in space, x across, y along, z deep (mm), and what is true of it."""

    number: int
    label: str
    pathology: str
    latents: tuple[float, ...]
    lesion: Lesion
    vessels: tuple[Vessel, ...]
    bone: Bone | None
    skin: float
    fat: float
    gland: float
    undulation: RandomField
    fascia: RandomField
    septa: RandomField
    streaks: RandomField
    fibres: RandomField
    texture: RandomField


def draw_patient(seed: int, number: int, label: str) -> Patient:
    """Draw patient `number` of the study `seed`; the same arguments give the same patient on any machine."""
    rng = np.random.default_rng([seed, number, 0])
    pathology = draw_pathology(rng, label)
    latents = draw_latents(rng, pathology)
    skin, fat = rng.uniform(1.3, 2.2), rng.uniform(2.0, 5.5)
    lesion = _draw_lesion(rng, latents, skin + fat)
    bottom = lesion.centre[2] + lesion.radii[2]
    return Patient(
        number=number,
        label=label,
        pathology=pathology.name,
        latents=latents,
        lesion=lesion,
        vessels=_draw_vessels(rng, lesion),
        bone=_draw_bone(rng, lesion) if rng.random() < 0.4 else None,
        skin=skin,
        fat=fat,
        gland=max(bottom - skin - fat + rng.uniform(1.0, 7.0), 15.0),
        undulation=draw_field(rng, (9.0, 9.0, 9.0), 32),
        fascia=draw_field(rng, (5.0, 5.0, 2.0), 48),
        septa=draw_field(rng, (4.5, 4.5, 0.9)),
        streaks=draw_field(rng, (2.2, 2.2, 0.6)),
        fibres=draw_field(rng, (7.0, 4.0, 0.65)),
        texture=draw_field(rng, (3.2, 3.2, 1.8)),
    )


def physical(latents: tuple[float, ...]) -> dict[str, float]:
    """Map latents in standard units to `RANGES` by a logistic curve, some by ratio."""
    shares = 1 / (1 + np.exp(-1.5 * np.asarray(latents)))
    values = {}
    for name, share in zip(LATENTS, shares, strict=True):
        low, high = RANGES[name]
        geometric = name in GEOMETRIC
        values[name] = float(low * (high / low) ** share if geometric else low + (high - low) * share)
    return values


def _draw_lesion(rng: np.random.Generator, latents: tuple[float, ...], fascia: float) -> Lesion:
    values = physical(latents)
    radius, ratio = values["size"] / 2, values["height_to_width"]
    across, deep = radius / np.sqrt(ratio), radius * np.sqrt(ratio)
    along = across * rng.uniform(0.9, 1.1)
    return Lesion(
        centre=(rng.uniform(-3.0, 3.0), 0.0, fascia + deep + rng.uniform(1.5, 5.0)),
        radii=(across, along, deep),
        tilt=rng.normal(0.0, 0.2),
        lobulation=values["lobulation"],
        irregularity=values["irregularity"],
        margin_blur=values["margin_blur"],
        echogenicity=values["echogenicity"],
        heterogeneity=values["heterogeneity"],
        cystic_part=values["cystic_part"],
        attenuation=values["attenuation"],
        lobes=draw_field(rng, (0.5 * radius, 0.5 * radius, 0.5 * radius)),
        surface=draw_field(rng, (0.19 * radius, 0.19 * radius, 0.19 * radius)),
        interior=draw_field(rng, (1.2, 1.2, 0.8)),
        cysts=draw_field(rng, (0.32 * radius, 0.32 * radius, 0.26 * radius)),
    )


def _draw_vessels(rng: np.random.Generator, lesion: Lesion) -> tuple[Vessel, ...]:
    """The retromandibular vein and the external carotid artery beside or behind the lesion."""
    side = rng.choice([-1.0, 1.0])
    near = lesion.centre[0] + side * (lesion.radii[0] + rng.uniform(3.0, 7.0))
    depth = lesion.centre[2] + rng.uniform(-2.0, 8.0)
    slopes = [float(slope) for slope in rng.normal(0.0, 0.12, 4)]
    vein = Vessel(float(near), float(depth), slopes[0], slopes[1], float(rng.uniform(1.1, 2.1)))
    aside, below = rng.uniform(-4.0, 4.0), rng.uniform(5.0, 8.0)
    artery = Vessel(float(near + aside), float(depth + below), slopes[2], slopes[3], 1.2)
    return vein, artery


def _draw_bone(rng: np.random.Generator, lesion: Lesion) -> Bone:
    side = int(rng.choice([-1, 1]))
    edge = side * lesion.centre[0] + lesion.radii[0] + rng.uniform(4.0, 9.0)
    return Bone(edge=float(edge), depth=rng.uniform(15.0, 22.0), side=side)
