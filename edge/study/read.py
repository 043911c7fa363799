"""From a folder or a manifest to a `Study`; nothing is guessed and nothing is left out silently."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from edge.errors import DataError, NoInputError
from edge.study.cases import LABELS, Case, Study
from edge.study.dicom import describe
from edge.study.faults import CHECK, Faults
from edge.study.images import is_dicom, is_image_name
from edge.study.manifest import read_manifest
from edge.study.pictures import case_picture

MANIFEST = "manifest.csv"


def read_study(path: Path, labels: tuple[str, ...] = LABELS, clips: tuple[str, ...] = ()) -> Study:
    """Read a study.

    Args:
        path: a folder with `manifest.csv`, a manifest file itself, or a folder with the class folders
            `benign` and `malignant` (other folders are left out with a note).

        labels: that are read; images of others are left out with a note.
        clips: suffixes of videos that count as cases too, such as ".mp4".

    Raises:
        NoInputError: no such folder or file, or no images in it.
        DataError: manifest lines that make no sense, file names that cannot be printed, headers of DICOM
            that cannot be read (all of them named, with the images that are broken), or a class has no image.
    """
    faults = Faults(CHECK)
    study = survey_study(path, faults, labels, clips)
    if faults.sentences:  # refused in any case: then with all that is to be mended
        console = Console(stderr=True)
        for case in track(study.cases, "looking for more faults in the images", console=console):
            if case.path.suffix.lower() not in clips:
                with faults.gather():
                    case_picture(case)
    faults.refuse()
    return study


def survey_study(
    path: Path, faults: Faults, labels: tuple[str, ...] = LABELS, clips: tuple[str, ...] = ()
) -> Study:
    """As `read_study`, but lines and files with a fault are left out, and `faults` has them."""
    if path.is_dir():
        manifest = path / MANIFEST
        cases, notes = (
            read_manifest(manifest, labels, faults)
            if manifest.exists()
            else _class_folders(path, labels, clips, faults)
        )
    elif path.is_file() and path.suffix.lower() == ".csv":
        cases, notes = read_manifest(path, labels, faults)
    elif path.exists():
        raise NoInputError(f"'{path}' is no study: expected a folder or a manifest ending in .csv")
    else:
        raise NoInputError(f"study '{path}' does not exist. Make one: sonocart phantom --out {path}")
    cases, found = _with_fields(cases, faults)
    study = Study(path if path.is_dir() else path.parent, tuple(cases), tuple(notes + found))
    if not faults.sentences:  # else what seems to lack may be among what is left out
        _require_both_classes(study, path)
    return study


def _require_both_classes(study: Study, path: Path) -> None:
    if not study.cases:
        raise NoInputError(
            f"study '{path}' has no images: expected {MANIFEST}, or folders {LABELS[0]}/ and {LABELS[1]}/ "
            "with PNG, JPEG or DICOM files"
        )
    for label in LABELS:
        if study.count(label) == 0:
            raise DataError(
                f"study '{path}' has {len(study.cases)} images but none of class '{label}'; "
                "a classifier needs both"
            )


def _with_fields(cases: list[Case], faults: Faults) -> tuple[list[Case], list[str]]:
    """Fill in what DICOM files say of their ultrasound field and scale, where the manifest says nothing."""
    out: list[Case] = []
    notes: list[str] = []
    for case in cases:
        with faults.gather():
            if not is_dicom(case.path):
                out.append(case)
                continue
            about = describe(case.path)
            notes += [note for note in about.notes if note not in notes]
            field = case.field or about.field
            out.append(replace(case, field=field, px_per_mm=case.px_per_mm or about.px_per_mm))
    return out, notes


def _class_folders(
    root: Path, labels: tuple[str, ...], clips: tuple[str, ...], faults: Faults
) -> tuple[list[Case], list[str]]:
    """Cases from `root/benign` and `root/malignant`; every other entry ends up in a note."""
    cases: list[Case] = []
    notes: list[str] = []
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and entry.name.lower() in labels:
            found, ignored = _images(entry, clips, faults)
            cases += [_bare_case(image, entry.name.lower()) for image in found]
            for what, number in sorted(ignored.items()):
                notes.append(f"{entry.name}/: {number} {what} ignored")
        else:
            kind = "folder" if entry.is_dir() else "file"
            notes.append(f"{kind} '{entry.name}' ignored: it is neither {LABELS[0]}/ nor {LABELS[1]}/")
    return cases, notes


def _images(folder: Path, clips: tuple[str, ...], faults: Faults) -> tuple[list[Path], Counter[str]]:
    found: list[Path] = []
    ignored: Counter[str] = Counter()
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            ignored["subfolder(s)"] += 1
        elif not is_image_name(path) and path.suffix.lower() not in clips:
            ignored["file(s) that are no image"] += 1
        elif "_mask" in path.stem:  # BUSI and its kin keep outlines beside the images
            ignored["outline mask(s)"] += 1
        else:
            with faults.gather():
                _check_file(path)
                found.append(path)
    return found, ignored


def _check_file(path: Path) -> None:
    if not path.name.isprintable():  # a manifest or a message could not name it
        raise DataError(
            f"file name {path.name!r} in '{path.parent}' has signs that cannot be printed; rename it"
        )
    if not path.is_file():
        raise NoInputError(f"'{path}' is a dead link or no regular file; remove it")


def _bare_case(path: Path, label: str) -> Case:
    return Case(
        path=path,
        frame=0,
        label=label,
        patient=None,
        pathology=None,
        view=None,
        lesion=None,
        field=None,
        scanner=None,
        site=None,
        px_per_mm=None,
        part=None,
        fold=None,
    )
