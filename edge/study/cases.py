"""What a study is: images of lesions, each with its pathology."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.contract.roi import Roi
from edge.contract.spec import LABELS as LABELS

OTHER_LABELS = ("normal",)
"""Known labels of images without a tumour: left out of a two-class study with a note."""

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Case:
    """One image and what is known of it.

    Attributes:
        path: of the image file.
        frame: index of the picture in a multi-frame file, 0 in all others.
        label: one of `LABELS`, from pathology.
        patient: the study's own identifier; None where the study names no patients.
        pathology: the diagnosis in words.
        view: as the study names it, for instance "longitudinal".
        lesion: its box in the image, pixels.
        field: the ultrasound field in the image, pixels; None means the whole picture.
        scanner: make and model.
        site: hospital.
        px_per_mm: pixels in a millimetre.
        part: the part of a split that the study itself fixes, one of `PARTS`.
        fold: the fold of a cross-validation that the study itself fixes.
    """

    path: Path
    frame: int
    label: str
    patient: str | None
    pathology: str | None
    view: str | None
    lesion: Roi | None
    field: Roi | None
    scanner: str | None
    site: str | None
    px_per_mm: float | None
    part: str | None
    fold: str | None

    @property
    def malignant(self) -> bool:
        """True for the positive class."""
        return self.label == LABELS[1]


@dataclass(frozen=True, slots=True)
class Study:
    """Cases of both classes, in the order of the manifest or of the file names.

    Attributes:
        root: the folder that the images' names are relative to.
        cases: never empty; both labels occur.
        notes: what was left out or looks odd, one sentence each, to be shown to the user.
    """

    root: Path
    cases: tuple[Case, ...]
    notes: tuple[str, ...]

    @property
    def patients_known(self) -> bool:
        """True if every case names its patient."""
        return all(case.patient is not None for case in self.cases)

    def count(self, label: str) -> int:
        """Number of cases with `label`."""
        return sum(case.label == label for case in self.cases)
