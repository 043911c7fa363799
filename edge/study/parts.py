"""The split that travels in the bundle, so that nobody judges a model on images it was made with.

`reports/split.csv` has one line an image: the SHA-256 of its file, a pseudonym of its group (patient, or
cluster of near-duplicates), its label, its part, and the SHA-256 of its decoded picture, so that an image is
known again when it was saved anew. Names of patients and files stay at the site.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from functools import lru_cache
from pathlib import Path

from edge.contract.bundle import Bundle
from edge.errors import DataError, SonocartError
from edge.study.cases import LABELS, PARTS, Case, Study
from edge.study.images import image_hash, pixel_hash, read_image

logger = logging.getLogger(__name__)

SPLIT = "reports/split.csv"

EXCLUDED = "excluded"
"""Part of an image that is neither trained on nor judged: its near-duplicates contradict its label."""


@dataclass(frozen=True, slots=True)
class Member:
    """One image of the study that a model was made with.

    `pixels` is the hash of its picture, see `pixel_hash`; empty in bundles that were made before it was kept.
    """

    sha256: str
    group: str
    label: str
    part: str
    pixels: str = ""


def pseudonym(group: str, study_sha256: str) -> str:
    """A name for a group that does not tell the patient's, and differs from study to study."""
    return hashlib.sha256(f"{study_sha256}/{group}".encode()).hexdigest()[:12]


def encode_members(members: Iterable[Member]) -> bytes:
    """The content of `SPLIT`, ordered by hash so that the study's own order is not told."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Member)])
    writer.writerows(astuple(member) for member in sorted(members, key=lambda member: member.sha256))
    return text.getvalue().encode()


def read_members(bundle: Bundle) -> list[Member]:
    """The images that the bundle's model was made with.

    Raises:
        NoInputError: the bundle carries no split.
        DataError: the split is not one.
    """
    names = [field.name for field in fields(Member)]
    reader = csv.DictReader(bundle.read(SPLIT).decode().splitlines())
    if reader.fieldnames not in (names, names[:-1]):
        raise DataError(f"{SPLIT} of bundle {bundle.id} has other columns than {', '.join(names)}")
    members = [Member(**row) for row in reader]
    for member in members:
        if member.part not in (*PARTS, EXCLUDED) or member.label not in LABELS:
            raise DataError(f"{SPLIT} of bundle {bundle.id}: part '{member.part}', label '{member.label}'")
    return members


def by_hash(members: Iterable[Member]) -> dict[str, Member]:
    """Members by the hash of their file; pictures of one file are in one part.

    Raises:
        DataError: a file, or two files with the same content, stands in two parts.
    """
    found: dict[str, Member] = {}
    for member in members:
        other = found.setdefault(member.sha256, member)
        if other.part != member.part:
            raise DataError(
                f"the image file with SHA-256 {member.sha256[:12]}... stands in both {other.part} and "
                f"{member.part}; remove the copy, or name one patient for both, and split again"
            )
    return found


def read_parts(bundle: Bundle) -> dict[str, str]:
    """Part ("train", "validation" or "test") by SHA-256 of the image file."""
    return {sha256: member.part for sha256, member in by_hash(read_members(bundle)).items()}


def held_out(bundle: Bundle, study: Study) -> tuple[Case, ...]:
    """The cases on which the bundle's model may be judged: its test part, and images it has never met.

    An image is known by its file or by its picture, so that saving it anew makes no new one; pictures that
    were cut or compressed with loss again are not known. In the study that the model was made with, an image
    that is new but shows a patient of the training or validation part is left out too. In a study that shares
    no image with it, equal patient identifiers are another hospital's numbering and mean nothing; where many
    are equal, a warning says so.

    Raises:
        DataError: no case of one class is left.
    """
    members = read_members(bundle)
    files, pictures = by_hash(members), _by_picture(members)
    if members and not pictures:
        _tell_of_pictures(bundle.path)
    known = [files.get(image_hash(case.path)) or pictures.get(_picture_of(case)) for case in study.cases]
    same_study = any(known)
    salt = bundle.spec.provenance.study_sha256
    if not same_study:
        _tell_of_names(study, {member.group for member in members}, salt)
    used = {member.group for member in members if member.part != "test"}

    def unseen(case: Case, member: Member | None) -> bool:
        if member is not None:
            return member.part == "test"
        return not (same_study and case.patient is not None and pseudonym(case.patient, salt) in used)

    return _both_classes(
        tuple(case for case, member in zip(study.cases, known, strict=True) if unseen(case, member)),
        f"bundle {bundle.id} was made with nearly all of study '{study.root}'; judge it on another study",
    )


def used_in_making(bundle: Bundle, study: Study) -> tuple[Case, ...]:
    """The cases that calibration may use: training and validation images of the bundle's own study.

    Raises:
        DataError: no case of one class is among them.
    """
    parts = read_parts(bundle)
    return _both_classes(
        tuple(case for case in study.cases if parts.get(image_hash(case.path)) in ("train", "validation")),
        f"study '{study.root}' is not the one that bundle {bundle.id} was made with",
    )


def _by_picture(members: Iterable[Member]) -> dict[str, Member]:
    """Members by the hash of their picture; of one in two parts, that which the model was made with."""
    found: dict[str, Member] = {}
    for member in members:
        if member.pixels and (member.pixels not in found or member.part != "test"):
            found[member.pixels] = member
    return found


def _picture_of(case: Case) -> str:
    """Its hash; empty where it is a clip or broken, which whoever reads it tells with all others."""
    try:
        return pixel_hash(read_image(case.path, case.frame))
    except SonocartError:
        return ""


@lru_cache(maxsize=1)  # `advise` asks for each precision that it makes
def _tell_of_pictures(bundle: Path) -> None:
    logger.warning(
        "bundle '%s' was made before pictures were recorded: images of its training that were saved anew "
        "count as new. Train again",
        bundle,
    )


def _tell_of_names(study: Study, groups: set[str], salt: str) -> None:
    patients = {case.patient for case in study.cases if case.patient is not None}
    same = sum(pseudonym(patient, salt) in groups for patient in patients)
    if same and 2 * same >= len(patients):
        logger.warning(
            "%d of %d patients of '%s' have names of the study that the model was made with, but no image is "
            "the same; if they are the same patients, the figures are too good",
            same,
            len(patients),
            study.root,
        )


def _both_classes(cases: tuple[Case, ...], why: str) -> tuple[Case, ...]:
    for label in LABELS:
        if not any(case.label == label for case in cases):
            raise DataError(f"no {label} image is left: {why}")
    return cases
