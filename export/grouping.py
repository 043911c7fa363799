"""Which images of a study must stay together: those of a patient, and near-duplicates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DataError
from edge.study.cases import Case, Study
from edge.study.faults import CHECK, Faults
from edge.study.images import image_hash, read_image
from edge.study.pictures import case_picture
from export.duplicates import near_duplicates
from export.glance import Glance, Image, glance, thumbnail
from export.pairs import Pair, group
from export.progress import bar
from export.thumbnails import find_look_alikes


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which cases of a study must stay together, in the study's order.

    Attributes:
        groups: patient, or "g<number>" of a near-duplicate group.
        excluded: near-duplicates with contradicting labels.
        notes: what the user should know, one sentence each.
    """

    groups: tuple[str, ...]
    excluded: tuple[bool, ...]
    notes: tuple[str, ...]


def group_study(study: Study) -> Grouping:
    """By patient, or by near-duplicate group where no patients are known; pictures of a file stay together.

    Raises:
        DataError: one picture, or its copy or mirror image, is of two patients, or has two labels.
    """
    faults = Faults(CHECK)
    images = images_of(study, faults)
    if study.patients_known:
        thumbnails = [thumbnail(image) for image in images]
        faults.refuse()
        _check_copies(study)
        _check_look_alikes(study, thumbnails)
        groups = tuple(str(case.patient) for case in study.cases)
        return Grouping(groups, (False,) * len(groups), ())
    glances = [glance(image) for image in images]
    faults.refuse()
    pairs = compare(study, glances)
    numbers = group(len(study.cases), [*pairs, *_same_file(study)])
    groups = tuple(f"g{number}" for number in numbers)
    notes = [
        f"no patients are named, so {len(study.cases)} images are split by near-duplicate group: "
        f"{len(pairs)} near-duplicate pairs, {numbers.max() + 1} groups"
    ]
    labels_of = defaultdict(set)
    for name, case in zip(groups, study.cases, strict=True):
        labels_of[name].add(case.label)
    mixed = {name for name, labels in labels_of.items() if len(labels) > 1}
    excluded = tuple(name in mixed for name in groups)
    if mixed:
        notes.append(
            f"{sum(excluded)} images in {len(mixed)} groups left out: near-duplicates with contradicting "
            "labels"
        )
    return Grouping(groups, excluded, tuple(notes))


def images_of(study: Study, faults: Faults) -> Iterator[Image]:
    """Every image uint8 (H, W) or (H, W, 3) in the study's order, read when its turn comes, for all at once
    may be gigabytes.

    One that cannot be read, is damaged, or is left by a box of the manifest is passed over; `faults` has it.
    """
    with bar("reading images", len(study.cases)) as step:
        for number, case in enumerate(study.cases, 1):
            with faults.gather():
                yield case_picture(case)
            step(number)


def compare(study: Study, glances: Sequence[Glance]) -> list[Pair]:
    """Near-duplicate pairs of a study's images, whose `glances` are in its order."""

    def read(index: int) -> Image:
        return read_image(study.cases[index].path, study.cases[index].frame)

    with bar("comparing, percent", 100) as step:
        return near_duplicates(
            glances, [case.patient for case in study.cases], read, lambda done: step(round(100 * done))
        )


def _check_copies(study: Study) -> None:
    patients: dict[str, Case] = {}
    pictures: dict[tuple[str, int], Case] = {}
    for case in study.cases:
        content = image_hash(case.path)
        other = patients.setdefault(content, case)
        if other.patient != case.patient:
            raise DataError(
                f"'{other.path}' and '{case.path}' have the same content, but are of the patients "
                f"'{other.patient}' and '{case.patient}'; correct the manifest"
            )
        other = pictures.setdefault((content, case.frame), case)
        if other.label != case.label:
            raise DataError(
                f"'{other.path}' and '{case.path}' are the same picture, but labelled {other.label} and "
                f"{case.label}; correct the manifest"
            )


def _check_look_alikes(study: Study, thumbnails: Sequence[Image]) -> None:
    """Copies that were saved anew, as `study check` finds them; crops take it minutes and are left to it."""
    for pair in find_look_alikes(thumbnails, [case.patient for case in study.cases]):
        one, other = study.cases[pair.first], study.cases[pair.second]
        if one.patient != other.patient:
            raise DataError(
                f"'{one.path}' ({one.label}, patient '{one.patient}') and '{other.path}' ({other.label}, "
                f"patient '{other.patient}') show the same picture{', mirrored' * pair.mirrored} "
                f"(correlation {pair.correlation:.3f}); give both the same patient, or remove one. "
                "All such pairs: sonocart study check STUDY"
            )


def _same_file(study: Study) -> list[Pair]:
    """Each further picture of a file with the first one."""
    first: dict[Path, int] = {}
    pairs = [(first.setdefault(case.path, index), index) for index, case in enumerate(study.cases)]
    return [Pair(one, other, 1.0, False, "file") for one, other in pairs if one != other]
