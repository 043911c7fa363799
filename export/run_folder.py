"""The folder of a training run.

    settings.json  split.csv  log.csv  state.safetensors           while it trains
    weights.safetensors  run.json  validation.csv  metrics.json    once it has ended; the state is removed

Further networks of the same run have log-2.csv and state-2.safetensors, and so on.
`split.csv` names files and patients and stays at the site; the bundle carries pseudonyms only.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import msgspec
import torch

from edge.atomic import new_file
from edge.contract.spec import OperatingPoint, Preprocessing
from edge.errors import DataError, NoInputError, UsageError
from edge.study.cases import Case
from edge.study.images import pixel_hash, read_image
from edge.study.parts import Member, by_hash, pseudonym
from export.architecture import NETWORKS
from export.checkpoint import load_checkpoint
from export.classifier import Classifier
from export.split import Split

WEIGHTS = "weights.safetensors"
COLUMNS = ["path", "sha256", "group", "label", "pixels", "part"]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a run depends on; a resumed run must have the same."""

    study_sha256: str
    network: str
    members: int
    initial_sha256: str | None
    preprocessing: Preprocessing
    epochs: int
    seed: int


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A finished training: all that export needs beside the weights and the split.

    Attributes:
        prevalence: share of malignant images in the training part.
        images, groups: numbers in the train, validation and test parts.
        temperature: of the calibrated logit; the offset is in the weights already.
    """

    settings: Settings
    created: str
    sonocart: str
    torch: str
    parameters: int
    prevalence: float
    images: dict[str, int]
    groups: dict[str, int]
    best_epoch: int
    temperature: float
    operating_points: tuple[OperatingPoint, ...]
    operating_point: str


def state_name(member: int) -> str:
    """File of a network's training state."""
    return f"state{'' if member == 0 else f'-{member + 1}'}.safetensors"


def log_name(member: int) -> str:
    """File of a network's training log."""
    return f"log{'' if member == 0 else f'-{member + 1}'}.csv"


Record = TypeVar("Record", bound=msgspec.Struct)


def study_hash(hashes: Sequence[str], cases: Sequence[Case]) -> str:
    """One hash of a study's content: images, labels, patients, boxes, whatever their order and file names."""
    lines = sorted(f"{sha} {_content(case)}" for sha, case in zip(hashes, cases, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _content(case: Case) -> str:
    """What of a manifest's line changes the tensors or their grouping; what is not named is not written."""
    named = [f"frame={case.frame}" * bool(case.frame)]
    named += [f"{name}={box}" for name, box in (("lesion", case.lesion), ("field", case.field)) if box]
    return " ".join([case.label, f"{case.patient}", *filter(None, named)])


def write_record(path: Path, record: msgspec.Struct) -> None:
    """A record as JSON, in one step."""
    with new_file(path) as partial:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read_record(path: Path, kind: type[Record]) -> Record:
    """What `write_record` wrote.

    Raises:
        NoInputError: there is none.
        DataError: it is not a `kind`.
    """
    if not path.is_file():
        raise NoInputError(
            f"there is no '{path}', so '{path.parent}' is no run. Run: sonocart train STUDY --out"
        )
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' is not readable: {error}; train again") from error


def read_run(folder: Path) -> tuple[Run, Classifier, list[Member]]:
    """A finished run: its record, its classifier, and its split.

    Raises:
        NoInputError: no run, or one that has not ended.
        DataError: a file of it is damaged.
    """
    if (folder / state_name(0)).exists() and not (folder / "run.json").exists():
        raise NoInputError(f"run '{folder}' has not ended. Run: sonocart train STUDY --out {folder} --resume")
    run = read_record(folder / "run.json", Run)
    if run.settings.network not in NETWORKS:
        raise DataError(
            f"run '{folder}' has a network '{run.settings.network}'; known: {', '.join(NETWORKS)}"
        )
    tensors, _ = load_checkpoint(folder / WEIGHTS)
    weights = tensors.get("kernel.weights", torch.zeros(0, 0))
    if weights.ndim != 2:
        raise DataError(f"'{folder / WEIGHTS}' is not of this version; train again")
    sizes = (weights.shape[-1], len(weights))
    classifier = Classifier(run.settings.network, run.settings.members, *sizes)
    try:
        classifier.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(f"'{folder / WEIGHTS}' does not fit {run.settings.network}; train again") from error
    return run, classifier.eval(), _read_split(folder / "split.csv", run)


def write_split(path: Path, cases: Sequence[Case], hashes: Sequence[str], split: Split, root: Path) -> None:
    """The split with the study's own names; that of a resumed run must be the one that it was begun with.

    Pictures are decoded for their hashes: of cases that `split_study` has looked at, so all can be read.

    Raises:
        DataError: the same file stands in two parts.
        UsageError: `path` has another split.
    """
    by_hash(map(Member, hashes, split.groups, [case.label for case in cases], split.parts))
    rows = [
        [case.path.relative_to(root).as_posix(), sha, group, case.label, part]
        for case, sha, group, part in zip(cases, hashes, split.groups, split.parts, strict=True)
    ]
    if path.exists():
        _check_unchanged(path, rows)
        return
    for case, row in zip(cases, rows, strict=True):
        row.insert(-1, pixel_hash(read_image(case.path, case.frame)))
    with new_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _check_unchanged(path: Path, rows: Sequence[Sequence[str]]) -> None:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            before = [[line[name] for name in COLUMNS if name != "pixels"] for line in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' is no split of a run: {error}; train again") from error
    for old, new in zip_longest(before, rows):
        if old != new:
            was, found = (
                f"'{row[0]}' of {row[2]} in {row[4]}" if row else "no such line" for row in (old, new)
            )
            raise UsageError(
                f"the split is no longer that of '{path}': was {was}, found {found}; "
                "resume with the same study, or begin a new run"
            )


def _read_split(path: Path, run: Run) -> list[Member]:
    """All of it: an image that the split lost would count as one that the model has never met."""
    salt = run.settings.study_sha256
    try:
        with path.open(newline="", encoding="utf-8") as file:
            members = [
                Member(
                    row["sha256"],
                    pseudonym(row["group"], salt),
                    row["label"],
                    row["part"],
                    row.get("pixels", ""),  # runs of older versions have none
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' is no split of a run: {error}; train again") from error
    found = Counter(member.part for member in members)
    if any(found[part] != number for part, number in run.images.items()):
        raise DataError(f"'{path}' has other images than run.json, {run.images}; train again")
    return members
