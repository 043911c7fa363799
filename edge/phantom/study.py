"""A synthetic study on disk: pictures, a manifest as a hospital would have it, and the truth beside it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

from edge.atomic import new_folder
from edge.contract.roi import Roi
from edge.phantom.bmode import Luma, View, take_picture
from edge.phantom.echo import Speckle
from edge.phantom.latents import LATENTS, area_under_curve, ceiling_auc, log_likelihood_ratio
from edge.phantom.patient import Patient, draw_patient
from edge.phantom.scanner import draw_scanner
from edge.phantom.workers import workers

VIEWS = ("transverse", "longitudinal")
PREVALENCE = 0.33
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Still:
    """One row of the manifest with its picture, encoded."""

    patient: str
    label: str
    pathology: str
    view: str
    path: str
    lesion: Roi
    scanner: str
    site: str
    px_per_mm: float
    png: bytes

    def row(self) -> dict[str, str | int | float]:
        """The manifest's columns."""
        return {
            "patient": self.patient,
            "label": self.label,
            "pathology": self.pathology,
            "view": self.view,
            "path": self.path,
            "lesion_x": self.lesion.x,
            "lesion_y": self.lesion.y,
            "lesion_w": self.lesion.width,
            "lesion_h": self.lesion.height,
            "scanner": self.scanner,
            "site": self.site,
            "px_per_mm": self.px_per_mm,
        }


@dataclass(frozen=True, slots=True)
class StudySummary:
    """What was written: counts and the AUC that no classifier of the latents can beat."""

    out: str
    patients: int
    images: int
    benign: int
    malignant: int
    seed: int
    ceiling_auc: float
    ceiling_auc_of_these_patients: float | None


def write_study(
    out: Path,
    patients: int,
    seed: int,
    *,
    views: int = 2,
    prevalence: float = PREVALENCE,
    jobs: int = 2,
    force: bool = False,
    progress: Callable[[int], None],
) -> StudySummary:
    """Write `manifest.csv`, `images/`, `study.json` and `truth.csv` to the folder `out`, whole or not at all.

    `truth.csv` holds the latents and their log-likelihood ratio; it is for judging, never for training.

    Args:
        out: new folder.
        patients: how many, each with one lesion.
        seed: the same seed gives the same files, whatever `jobs` is.
        views: pictures of each patient, transverse and longitudinal in turn.
        prevalence: share of malignant patients.
        jobs: processes.
        force: replace a folder that is there.
        progress: called with the number of patients done.

    Raises:
        CannotCreateError: `out` is taken or cannot be written.
    """
    labels = draw_labels(seed, patients, prevalence)
    with new_folder(out, replace=force) as folder:
        (folder / "images").mkdir()
        stills: list[Still] = []
        for done, batch in enumerate(_scan_all(seed, labels, views, jobs), start=1):
            for still in batch:
                (folder / still.path).write_bytes(still.png)
            stills += batch
            progress(done)
        _write_rows(folder / "manifest.csv", [still.row() for still in stills])
        drawn = [draw_patient(seed, number, label) for number, label in enumerate(labels)]
        ratios = log_likelihood_ratio(np.asarray([patient.latents for patient in drawn]))
        _write_rows(folder / "truth.csv", [_truth(*pair) for pair in zip(drawn, ratios, strict=True)])
        malignant = np.asarray([label == "malignant" for label in labels])
        both = 0 < malignant.sum() < patients
        summary = StudySummary(
            out=str(out),
            patients=patients,
            images=len(stills),
            benign=int((~malignant).sum()),
            malignant=int(malignant.sum()),
            seed=seed,
            ceiling_auc=round(ceiling_auc(), 4),
            ceiling_auc_of_these_patients=(
                round(area_under_curve(ratios[~malignant], ratios[malignant]), 4) if both else None
            ),
        )
        (folder / "study.json").write_text(json.dumps(_about(summary, views, prevalence), indent=2) + "\n")
    return summary


def draw_labels(seed: int, patients: int, prevalence: float) -> list[str]:
    """Labels in patient order: the share of malignant ones is exact, and each class has one if two patients
    are.
    """
    malignant = round(patients * prevalence)
    if patients > 1 and 0 < prevalence < 1:
        malignant = min(max(malignant, 1), patients - 1)
    labels = ["malignant"] * malignant + ["benign"] * (patients - malignant)
    # numpy pads seeds with zeros: patient 1 has the same numbers, and mending that would change every study
    order = np.random.default_rng([seed, 1]).permutation(patients)
    return [labels[index] for index in order]


def scan_patient(seed: int, views: int, number: int, label: str) -> list[Still]:
    """All pictures of one patient, taken on one scanner."""
    patient = draw_patient(seed, number, label)
    rng = np.random.default_rng([seed, number, 2])
    scanner = draw_scanner(rng, patient.lesion)
    stills = []
    for index in range(views):
        name = VIEWS[index % len(VIEWS)]
        repeat = index // len(VIEWS)
        speckle = Speckle([seed, number, 3, index], scanner)
        lesion, luma = None, np.zeros((0, 0), np.uint8)
        while lesion is None:  # a plane through a deep cleft may miss the lesion; the sonographer looks again
            view = _draw_view(rng, patient, name)
            picture = take_picture(patient, scanner, view, speckle, rng)
            lesion, luma = picture.lesion, picture.luma
        stills.append(
            Still(
                patient=f"P{number:04d}",
                label=label,
                pathology=patient.pathology,
                view=name,
                path=f"images/P{number:04d}-{name}{f'-{repeat + 1}' if repeat else ''}.png",
                lesion=lesion,
                scanner=scanner.name,
                site=scanner.site,
                px_per_mm=scanner.px_per_mm,
                png=_encode(luma),
            )
        )
    return stills


def _draw_view(rng: np.random.Generator, patient: Patient, name: str) -> View:
    turn = 0.0 if name == "transverse" else np.pi / 2
    return View(
        angle=float(turn + rng.normal(0.0, 0.15)),
        offset=float(np.clip(rng.normal(0.0, 0.15), -0.35, 0.35) * patient.lesion.radius),
        shift=float(np.clip(rng.normal(0.0, 2.0), -4.0, 4.0)),
    )


def _scan_all(seed: int, labels: list[str], views: int, jobs: int) -> Iterable[list[Still]]:
    numbers = range(len(labels))
    scan = partial(scan_patient, seed, views)
    if jobs == 1:
        yield from map(scan, numbers, labels)
        return
    with workers(jobs) as pool:
        yield from pool.map(scan, numbers, labels, chunksize=4)


def _encode(luma: Luma) -> bytes:
    return cv2.imencode(".png", luma)[1].tobytes()


def _truth(patient: Patient, ratio: float) -> dict[str, str | float]:
    latents = {name: round(value, 5) for name, value in zip(LATENTS, patient.latents, strict=True)}
    return {
        "patient": f"P{patient.number:04d}",
        "label": patient.label,
        "pathology": patient.pathology,
        **latents,
        "log_likelihood_ratio": round(float(ratio), 5),
    }


def _write_rows(path: Path, rows: list[dict[str, str | int | float]] | list[dict[str, str | float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _about(summary: StudySummary, views: int, prevalence: float) -> dict[str, object]:
    counts = {key: value for key, value in asdict(summary).items() if key != "out"}
    return {
        "format": FORMAT,
        "kind": "synthetic ultrasound of parotid glands; no patient is behind it",
        **counts,
        "views": views,
        "prevalence": prevalence,
        "ceiling_method": (
            "AUC of the exact log-likelihood ratio of a lesion's latents under the densities that they were "
            "drawn from: ceiling_auc over 200000 draws, ceiling_auc_of_these_patients over this study. "
            "Pictures show the latents through speckle, so no classifier of pictures is expected to reach it."
        ),
        "versions": {name: version(name) for name in ("sonocart", "numpy", "opencv-python")},
    }
