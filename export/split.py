"""Training, validation and test parts that share no patient and no near-duplicate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import DataError
from edge.study.cases import LABELS, PARTS, Case, Study
from edge.study.images import image_hash, read_image
from edge.study.parts import EXCLUDED
from export.duplicates import near_duplicates
from export.examples import divide
from export.pairs import Pair, group
from export.progress import bar

SHARES = {"train": 71, "validation": 20, "test": 10}
"""The paper's parts: 698, 197 and 98 images."""


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


@dataclass(frozen=True, slots=True)
class Split:
    """A `Grouping`, and for each case the part it went to.

    Attributes:
        groups: as in `Grouping`.
        parts: one of `PARTS`, or `EXCLUDED`.
        notes: what the user should know, one sentence each.
    """

    groups: tuple[str, ...]
    parts: tuple[str, ...]
    notes: tuple[str, ...]

    def members(self, part: str) -> list[int]:
        """Indices of the cases in `part`."""
        return [index for index, own in enumerate(self.parts) if own == part]

    def count_images(self) -> dict[str, int]:
        """Number of images in each part."""
        return {part: len(self.members(part)) for part in PARTS}

    def count_groups(self) -> dict[str, int]:
        """Number of groups in each part."""
        return {part: len({self.groups[i] for i in self.members(part)}) for part in PARTS}


def group_study(study: Study) -> Grouping:
    """By patient, or by near-duplicate group where no patients are known; pictures of a file stay together.

    Raises:
        DataError: equal files are of two patients, or a picture in them has two labels.
    """
    if study.patients_known:
        _check_copies(study)
        groups = tuple(str(case.patient) for case in study.cases)
        return Grouping(groups, (False,) * len(groups), ())
    images = [read_image(case.path, case.frame) for case in study.cases]
    with bar("comparing images", 2 * len(images)) as step:
        pairs = near_duplicates(images, step)
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


def split_study(study: Study, seed: int) -> Split:
    """Split by patient, or by near-duplicate group where no patients are known.

    The parts that a manifest's own column `part` names are taken as they are, if no group crosses them.

    Raises:
        DataError: a part would lack a class, or the manifest's own parts share a group or lack an image.
    """
    found = group_study(study)
    notes = list(found.notes)
    own = any(case.part is not None for case in study.cases)
    if own:
        part_of = _own(study, found.groups, "part")
        notes.append("parts are the manifest's own")
    else:
        kept = [index for index, excluded in enumerate(found.excluded) if not excluded]
        part_of = assign_parts(
            [found.groups[i] for i in kept], [_stratum(study.cases[i]) for i in kept], seed
        )
    parts = tuple(
        EXCLUDED if excluded else part_of[name]
        for name, excluded in zip(found.groups, found.excluded, strict=True)
    )
    for part in PARTS:
        for label in LABELS:
            if not any(p == part and c.label == label for p, c in zip(parts, study.cases, strict=True)):
                few = "patients" if study.patients_known else "independent images"
                why = "name one in the manifest's column 'part'" if own else f"too few {few} of that class"
                raise DataError(f"the {part} part of study '{study.root}' has no {label} image: {why}")
    return Split(found.groups, parts, tuple(notes))


def assign_parts(groups: Sequence[str], strata: Sequence[tuple[str, str]], seed: int) -> dict[str, str]:
    """A part for each group, so that each part gets its share of the images of each class and site.

    What a part still lacks is carried from site to site of a class: else every site of one or two patients
    would end in the training part.

    Args:
        groups: of each image.
        strata: of each image, label and site; a group counts as malignant if any of its images does.
        seed: the same seed and study give the same parts.
    """
    sizes = Counter(groups)
    stratum_of: dict[str, tuple[str, str]] = {}
    for name, stratum in zip(groups, strata, strict=True):
        stratum_of[name] = max(stratum, stratum_of.get(name, stratum))
    images_of: Counter[tuple[str, str]] = Counter()
    for name, size in sizes.items():
        images_of[stratum_of[name]] += size
    part_of: dict[str, str] = {}
    missing: dict[tuple[str, str], float] = defaultdict(float)  # images, by label and part
    rng = np.random.default_rng(seed)
    for kind in sorted(images_of, key=lambda kind: (-images_of[kind], kind)):  # small sites even out
        label, _ = kind
        for part, share in SHARES.items():
            missing[label, part] += images_of[kind] * share / sum(SHARES.values())
        names = sorted(name for name in sizes if stratum_of[name] == kind)
        # Large groups first, so that the small ones can even out what is left.
        order = sorted(rng.permutation(len(names)), key=lambda i: -sizes[names[i]])
        for name in (names[i] for i in order):
            part = max(SHARES, key=lambda part: missing[label, part] / SHARES[part])
            part_of[name] = part
            missing[label, part] -= sizes[name]
    return part_of


def assign_folds(study: Study, grouping: Grouping, folds: int, seed: int) -> tuple[str, ...]:
    """Fold of each case, groups together and classes even; `EXCLUDED` where labels contradict.

    A manifest's own column `fold` is taken as it is, if no group crosses folds; else "1" to "`folds`".

    Raises:
        DataError: a group crosses the manifest's own folds, only some images or one fold are named, a fold
            lacks a class, or there are too few groups of a class.
    """
    if any(case.fold is not None for case in study.cases):
        fold_of = _own(study, grouping.groups, "fold")
        found = tuple(
            EXCLUDED if left_out else fold_of[name]
            for name, left_out in zip(grouping.groups, grouping.excluded, strict=True)
        )
        _check_folds(study, found)
        return found
    kept = [index for index, left_out in enumerate(grouping.excluded) if not left_out]
    malignant = np.array([study.cases[index].malignant for index in kept])
    divisions = divide(malignant, [grouping.groups[index] for index in kept], folds, seed)
    out = [EXCLUDED] * len(study.cases)
    for number, division in enumerate(divisions, start=1):
        for index in division.judged:
            out[kept[index]] = str(number)
    return tuple(out)


def _check_folds(study: Study, folds: Sequence[str]) -> None:
    names = sorted(set(folds) - {EXCLUDED})
    if len(names) < 2:
        raise DataError(f"study '{study.root}' names {len(names)} fold, expected 2 or more")
    for name in names:
        for label in LABELS:
            if not any(f == name and c.label == label for f, c in zip(folds, study.cases, strict=True)):
                raise DataError(f"fold {name} of study '{study.root}' has no {label} image")


def _stratum(case: Case) -> tuple[str, str]:
    """Label first, so that the largest stratum of a patient's images is a malignant one if there is any."""
    return case.label, case.site or ""


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


def _same_file(study: Study) -> list[Pair]:
    """Each further picture of a file with the first one."""
    first: dict[Path, int] = {}
    pairs = [(first.setdefault(case.path, index), index) for index, case in enumerate(study.cases)]
    return [Pair(one, other, 1.0, False, "file") for one, other in pairs if one != other]


def _own(study: Study, groups: Sequence[str], column: str) -> dict[str, str]:
    """The part or fold that the manifest names for each group."""
    nameless = sum(getattr(case, column) is None for case in study.cases)
    if nameless:
        raise DataError(
            f"study '{study.root}': {column} is empty for {nameless} of {len(study.cases)} images; name it "
            "for all, or remove the column to have it split again"
        )
    own_of: dict[str, str] = {}
    for name, case in zip(groups, study.cases, strict=True):
        own = str(getattr(case, column))
        if own_of.setdefault(name, own) != own:
            what = f"patient '{name}'" if study.patients_known else f"the near-duplicates of '{case.path}'"
            raise DataError(
                f"{what} stand in both {own_of[name]} and {own} of study '{study.root}'; a split must keep "
                f"them together. Remove the column '{column}' to have it split again"
            )
    return own_of
