"""Training, validation and test parts that share no patient and no near-duplicate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from edge.errors import DataError
from edge.study.cases import LABELS, PARTS, Case, Study
from edge.study.images import read_image
from edge.study.parts import EXCLUDED
from export.duplicates import near_duplicates
from export.pairs import group
from export.progress import bar

SHARES = {"train": 71, "validation": 20, "test": 10}
"""The paper's parts: 698, 197 and 98 images."""


@dataclass(frozen=True, slots=True)
class Split:
    """For each case of a study, in its order: the group that must stay together, and the part it went to.

    Attributes:
        groups: patient, or "g<number>" of a near-duplicate group.
        parts: one of `PARTS`, or `EXCLUDED` for near-duplicates with contradicting labels.
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
        DataError: a part would lack a class, or the manifest's own parts share a group.
    """
    groups, notes = _groups(study)
    labels_of = defaultdict(set)
    for name, case in zip(groups, study.cases, strict=True):
        labels_of[name].add(case.label)
    excluded = (
        set()
        if study.patients_known  # a patient may well have tumours of both kinds
        else {name for name, labels in labels_of.items() if len(labels) > 1}
    )
    if excluded:
        images = sum(name in excluded for name in groups)
        notes.append(
            f"{images} images in {len(excluded)} groups left out: near-duplicates with contradicting labels"
        )
    if all(case.part is not None for case in study.cases):
        part_of = _own_parts(study, groups)
        notes.append("parts are the manifest's own")
    else:
        kept = [i for i, name in enumerate(groups) if name not in excluded]
        part_of = assign_parts([groups[i] for i in kept], [_stratum(study.cases[i]) for i in kept], seed)
    parts = tuple(EXCLUDED if name in excluded else part_of[name] for name in groups)
    for part in PARTS:
        for label in LABELS:
            if not any(p == part and c.label == label for p, c in zip(parts, study.cases, strict=True)):
                raise DataError(
                    f"the {part} part would have no {label} image: study '{study.root}' has too "
                    f"few {'patients' if study.patients_known else 'independent images'} of that class"
                )
    return Split(tuple(groups), parts, tuple(notes))


def assign_parts(groups: Sequence[str], strata: Sequence[tuple[str, str]], seed: int) -> dict[str, str]:
    """A part for each group, so that each part gets its share of the images of each class and site.

    Args:
        groups: of each image.
        strata: of each image, label and site; a group counts as malignant if any of its images does.
        seed: the same seed and study give the same parts.
    """
    sizes = Counter(groups)
    stratum_of: dict[str, tuple[str, str]] = {}
    for name, stratum in zip(groups, strata, strict=True):
        stratum_of[name] = max(stratum, stratum_of.get(name, stratum))
    part_of: dict[str, str] = {}
    rng = np.random.default_rng(seed)
    for kind in sorted(set(stratum_of.values())):
        names = sorted(name for name in sizes if stratum_of[name] == kind)
        total = sum(sizes[name] for name in names)
        missing = {part: total * share / sum(SHARES.values()) for part, share in SHARES.items()}
        # Large groups first, so that the small ones can even out what is left.
        order = sorted(rng.permutation(len(names)), key=lambda i: -sizes[names[i]])
        for name in (names[i] for i in order):
            part = max(missing, key=lambda p: missing[p] / SHARES[p])
            part_of[name] = part
            missing[part] -= sizes[name]
    return part_of


def assign_folds(study: Study, split: Split, folds: int, seed: int) -> tuple[str, ...]:
    """Fold "1" to "`folds`" of each case, groups together and classes even; `EXCLUDED` as in `split`."""
    kept = [index for index, part in enumerate(split.parts) if part != EXCLUDED]
    labels = [study.cases[index].label for index in kept]
    groups = [split.groups[index] for index in kept]
    divider = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    out = [EXCLUDED] * len(split.parts)
    for number, (_, chosen) in enumerate(divider.split(kept, labels, groups), start=1):
        for index in chosen:
            out[kept[index]] = str(number)
    return tuple(out)


def _stratum(case: Case) -> tuple[str, str]:
    """Label first, so that the largest stratum of a patient's images is a malignant one if there is any."""
    return case.label, case.site or ""


def _groups(study: Study) -> tuple[list[str], list[str]]:
    if study.patients_known:
        return [str(case.patient) for case in study.cases], []
    images = [read_image(case.path, case.frame) for case in study.cases]
    with bar("comparing images", 2 * len(images)) as step:
        pairs = near_duplicates(images, step)
    numbers = group(len(study.cases), pairs)
    note = (
        f"no patients are named, so {len(study.cases)} images are split by near-duplicate group: "
        f"{len(pairs)} near-duplicate pairs, {numbers.max() + 1} groups"
    )
    return [f"g{number}" for number in numbers], [note]


def _own_parts(study: Study, groups: Sequence[str]) -> dict[str, str]:
    part_of: dict[str, str] = {}
    for name, case in zip(groups, study.cases, strict=True):
        own = str(case.part)
        if part_of.setdefault(name, own) != own:
            what = f"patient '{name}'" if study.patients_known else f"the near-duplicates of '{case.path}'"
            raise DataError(
                f"{what} stand in both {part_of[name]} and {own} of study '{study.root}'; a split must keep "
                "them together. Remove the column 'part' to have it split again"
            )
    return part_of
