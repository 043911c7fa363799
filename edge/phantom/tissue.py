"""What the sound meets on a scan plane: echo level, attenuation and specular surfaces, from a patient."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from edge.phantom.fields import Map, Plane, ridges, step
from edge.phantom.patient import Bone, Lesion, Patient, Vessel

PARENCHYMA_ATTENUATION = 0.6  # dB/cm/MHz, what a scanner's TGC assumes


@dataclass(slots=True)
class Tissue:
    """Acoustic maps on a plane's grid, each (len(z), len(u)) float32. `cut` is positive inside the lesion
    (mm).
    """

    echo: Map
    attenuation: Map
    specular: Map
    cut: Map


def tissue_on(patient: Patient, plane: Plane) -> Tissue:
    """Cut the patient: echo level in dB against parenchyma, attenuation in dB/cm/MHz, specular amplitude."""
    tissue = _layers(patient, plane)
    for vessel in patient.vessels:
        _add_vessel(tissue, vessel, plane)
    if patient.bone:
        _add_bone(tissue, patient.bone, patient, plane)
    _add_lesion(tissue, patient.lesion, plane)
    return tissue


def _layers(patient: Patient, plane: Plane) -> Tissue:
    """Skin, subcutaneous fat with septa, fascia, parenchyma with ducts, fascia, muscle."""
    z = plane.z[:, None]
    skin = np.float32(patient.skin) + 0.12 * patient.fascia.along(plane)
    top = np.float32(patient.skin + patient.fat) + 0.7 * patient.undulation.along(plane)
    bottom = top + np.float32(patient.gland) + patient.undulation.along(plane)
    in_fat, in_gland, in_muscle = step(z - skin, 0.15), step(z - top, 0.3), step(z - bottom, 0.5)
    fibres = patient.fibres.on(plane)
    fat = -9 + 13 * ridges(patient.septa.on(plane), 0.16)
    texture, fascia = patient.texture.on(plane), patient.fascia.on(plane)
    gland = 2.2 * texture + 8 * ridges(patient.streaks.on(plane), 0.13) * step(texture + 0.4, 1.0)
    muscle = -11 + 3 * fibres + 12 * ridges(fibres, 0.2)
    entry = 8 * np.exp(-np.square(z / np.float32(0.5)))
    echo = 5 + entry + in_fat * (fat - 5) + in_gland * (gland - fat) + in_muscle * (muscle - gland)
    # Fat lobules absorb unevenly, which streaks the whole picture with faint shadows along the beams.
    attenuation = 0.6 + (1 - in_gland) * 0.55 * texture + in_muscle * 0.35
    facing = np.exp2(1.3 * fascia - 0.9)
    fasciae = _sheet(z - top, 0.13) * 5 + _sheet(z - bottom, 0.16) * 4
    specular = _sheet(z - skin, 0.08) * 2 + fasciae * facing
    return Tissue(echo, attenuation, specular, np.full_like(echo, -99))


def _add_vessel(tissue: Tissue, vessel: Vessel, plane: Plane) -> None:
    across = plane.x - np.float32(vessel.x) - np.float32(vessel.slope_x) * plane.y
    down = plane.z[:, None] - np.float32(vessel.z) - np.float32(vessel.slope_z) * plane.y
    distance = np.sqrt(np.square(across) + np.square(down)) - np.float32(vessel.radius)
    lumen = step(-distance, 0.25)
    tissue.echo += lumen * (-28 - tissue.echo)
    tissue.attenuation += lumen * (0.15 - tissue.attenuation)
    steep = np.abs(down) / (np.abs(distance + vessel.radius) + np.float32(0.1))
    tissue.specular += _sheet(distance, 0.13) * np.power(steep, 4) * 4


def _add_bone(tissue: Tissue, bone: Bone, patient: Patient, plane: Plane) -> None:
    """Bright cortex with a rounded edge; the attenuation behind it swallows the sound."""
    inside = bone.side * plane.x - np.float32(bone.edge)
    surface = np.float32(bone.depth) + 0.02 * np.square(inside - 6) + 0.4 * patient.undulation.along(plane)
    distance = plane.z[:, None] - surface
    present = step(inside, 0.8)
    tissue.specular += _sheet(distance, 0.2) * present * 16
    behind = step(distance, 0.3) * present
    tissue.attenuation += behind * (14 - tissue.attenuation)
    tissue.echo -= behind * 12


def _add_lesion(tissue: Tissue, lesion: Lesion, plane: Plane) -> None:
    x, y = plane.x - np.float32(lesion.centre[0]), plane.y - np.float32(lesion.centre[1])
    z = plane.z[:, None] - np.float32(lesion.centre[2])
    turn_cos, turn_sin = np.float32(np.cos(lesion.tilt)), np.float32(np.sin(lesion.tilt))
    across, deep = turn_cos * x + turn_sin * z, turn_cos * z - turn_sin * x
    ellipsoid = np.sqrt(
        np.square(across / np.float32(lesion.radii[0]))
        + np.square(y / np.float32(lesion.radii[1]))
        + np.square(deep / np.float32(lesion.radii[2]))
    )
    # Rounded lobes meet in sharp clefts: the absolute value of a smooth field, its mean taken out.
    lobes = np.abs(lesion.lobes.on(plane)) - np.float32(0.8)
    spikes = lesion.surface.on(plane)
    # Displacements die out away from the surface, so that they shape it and leave no islands.
    near = np.exp(-np.square(np.maximum(ellipsoid - 1, 0) / np.float32(0.22)))
    moved = np.float32(lesion.lobulation) * lobes + np.float32(lesion.irregularity) * spikes
    cut = (1 - ellipsoid + near * moved) * np.float32(lesion.radius)
    body = step(cut, lesion.margin_blur)
    threshold = np.float32(NormalDist().inv_cdf(1 - lesion.cystic_part))
    cyst = step(lesion.cysts.on(plane) - threshold, 0.3) * step(cut - 0.6, 0.6)
    echo = lesion.echogenicity + lesion.heterogeneity * lesion.interior.on(plane)
    echo += cyst * (-30 - echo)
    attenuation = lesion.attenuation + cyst * (0.1 - lesion.attenuation)
    tissue.echo += body * (echo - tissue.echo)
    tissue.attenuation += body * (attenuation - tissue.attenuation)
    tissue.specular *= 1 - body
    _add_capsule(tissue, lesion, plane, cut)
    tissue.cut = cut


def _add_capsule(tissue: Tissue, lesion: Lesion, plane: Plane, cut: Map) -> None:
    """A sharp margin shines where it faces the beam and refracts the beam away where it runs along it."""
    down, across = np.gradient(cut, float(plane.z[1] - plane.z[0]), float(plane.u[1] - plane.u[0]))
    steep = np.square(down) / (np.square(down) + np.square(across) + np.float32(1e-6))
    sharp = np.float32(np.exp(-lesion.margin_blur / 0.45))
    edge = _sheet(cut, 0.25)
    tissue.specular += 3.5 * sharp * edge * np.square(steep)
    tissue.attenuation += 1.6 * sharp * _sheet(cut, 0.5) * np.square(1 - steep)


def _sheet(distance: Map, width: float) -> Map:
    return np.asarray(np.exp(-np.square(distance / np.float32(width))), np.float32)
