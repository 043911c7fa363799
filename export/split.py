"""Training, validation and test parts that share no patient and no near-duplicate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import DataError
from edge.study.cases import LABELS, PARTS, Case, Study
from edge.study.parts import EXCLUDED
from export.examples import divide
from export.grouping import Grouping, group_study

SHARES = {"train": 71, "validation": 20, "test": 10}
"""The paper's parts: 698, 197 and 98 images."""


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
