"""Ultrasound scanners: what the machine and its operator set, and the shape of the field they show."""

from dataclasses import dataclass

import numpy as np

from edge.phantom.fields import Map
from edge.phantom.patient import Lesion

# Skin follows a curved probe; the deformation dies out with depth over this many mm.
CONFORMITY = 14.0


@dataclass(frozen=True, slots=True)
class Scanner:
    """One scanner with its settings. Lengths in mm, levels in dB, angles in radians.

    `geometry` is "linear" (a rectangle `width` wide) or "sector" (a curved probe of `radius` that opens to
    `half_angle` on either side). `looks` is the number of compounded directions, `noise` the electronic noise
    against parenchyma at the skin, `tgc_error` in dB/cm.
    """

    name: str
    site: str
    geometry: str
    frequency: float
    depth: float
    width: float
    radius: float
    half_angle: float
    lines: int
    focus: float
    f_number: float
    looks: int
    gain: float
    dynamic_range: float
    noise: float
    tgc_error: float

    px_per_mm: float

    @property
    def span(self) -> float:
        """Greatest width of the field, mm."""
        if self.geometry == "linear":
            return self.width
        return float(2 * (self.radius + self.depth) * np.sin(self.half_angle))

    @property
    def rise(self) -> float:
        """How far the corners of a curved probe's face lie above its middle, mm."""
        return 0.0 if self.geometry == "linear" else float(self.radius * (1 - np.cos(self.half_angle)))

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height in pixels of the rectangle that holds the field."""
        return round(self.span * self.px_per_mm), round((self.depth + self.rise) * self.px_per_mm)

    def beam_points(self, ranges: Map) -> tuple[Map, Map]:
        """Lateral position and tissue depth (mm) of every sample, (len(ranges), lines) float32 each."""
        share = np.linspace(-1, 1, self.lines, dtype=np.float32)[None, :]
        if self.geometry == "linear":
            shape = (len(ranges), self.lines)
            return np.broadcast_to(share * (self.width / 2), shape), np.broadcast_to(ranges[:, None], shape)
        angle = share * np.float32(self.half_angle)
        distance = ranges[:, None] + np.float32(self.radius)
        sag = self.radius * (1 - np.cos(angle))
        depth = distance * np.cos(angle) - np.float32(self.radius)
        return distance * np.sin(angle), depth + sag * np.exp(-ranges[:, None] / np.float32(CONFORMITY))

    def beam_indices(self, u: Map, z: Map) -> tuple[Map, Map]:
        """Beam line (0 to lines - 1) and range (mm) of the points (u, z), broadcast against each other."""
        if self.geometry == "linear":
            share = np.broadcast_to(u / np.float32(self.width / 2), np.broadcast_shapes(u.shape, z.shape))
            ranges = np.broadcast_to(z, share.shape)
        else:
            down = z + np.float32(self.radius)
            share = np.arctan2(u, down) / np.float32(self.half_angle)
            ranges = np.hypot(u, down) - np.float32(self.radius)
        return (share + 1) * np.float32((self.lines - 1) / 2), ranges


@dataclass(frozen=True, slots=True)
class Model:
    """A type of scanner at one hospital, how it is set there, and the share of patients seen on it."""

    name: str
    site: str
    geometry: str
    share: float
    frequency: float
    looks: int
    dynamic_range: float
    gain: float
    px_per_mm: float


MODELS = (
    Model("aster-12", "north", "linear", 0.35, 10.0, 3, 62.0, 0.0, 9.0),
    Model("aster-12", "south", "linear", 0.25, 9.5, 3, 66.0, 2.0, 9.0),
    Model("boreal-9", "south", "linear", 0.25, 8.5, 2, 60.0, -1.0, 8.0),
    Model("boreal-9c", "west", "sector", 0.15, 8.0, 3, 64.0, 1.0, 8.0),
)


def draw_scanner(rng: np.random.Generator, lesion: Lesion, geometry: str | None = None) -> Scanner:
    """Draw a hospital's scanner and an operator's settings that bring the whole lesion into view.

    Nothing here depends on the label but through the lesion's size and depth.
    """
    model = MODELS[int(rng.choice(len(MODELS), p=[model.share for model in MODELS]))]
    bottom = lesion.centre[2] + lesion.radii[2]
    return Scanner(
        name=model.name,
        site=model.site,
        geometry=geometry or model.geometry,
        frequency=model.frequency * rng.uniform(0.85, 1.15),
        depth=float(5 * np.ceil(np.clip(bottom + rng.uniform(8.0, 14.0), 30.0, 55.0) / 5)),
        width=max(float(rng.choice([38.0, 42.0])), 2 * lesion.radii[0] + 8),
        radius=20.0,
        half_angle=0.45,
        lines=224,
        focus=lesion.centre[2] + rng.uniform(-3.0, 5.0),
        f_number=rng.uniform(1.6, 2.4),
        looks=model.looks,
        gain=model.gain + rng.normal(0.0, 2.5),
        dynamic_range=model.dynamic_range * rng.uniform(0.92, 1.08),
        noise=rng.uniform(-62.0, -52.0),
        tgc_error=rng.normal(0.0, 0.9),
        px_per_mm=model.px_per_mm,
    )
