"""What is wrong with a study, in words or as JSON, and a sheet of its near-duplicates."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from edge.errors import DataError
from edge.outputs.writable import require_writable
from edge.study.cases import LABELS, OTHER_LABELS, Case, Study
from edge.study.faults import CHECK, Faults
from edge.study.images import read_image
from edge.study.read import survey_study
from export.check import Findings, check_study
from export.glance import glance
from export.grouping import compare, images_of
from export.marks import find_marks
from export.pairs import Pair
from export.sheet import Beside, Side, write_pairs

SHOWN = 12  # findings of a kind that are printed by name
ON_SHEET = 400  # pairs


def check(path: Path, sheet: Path | None, *, as_json: bool) -> int:
    """Look at every image of the study at `path`, print what was found; 65 where that is grave."""
    faults = Faults(CHECK)
    study = survey_study(path, faults, (*LABELS, *OTHER_LABELS))
    if sheet:
        require_writable(sheet, "--sheet")
    looked = [(glance(image), find_marks(image).kinds) for image in images_of(study, faults)]
    if faults.sentences:
        print(_broken_json(faults) if as_json else _broken_text(faults))
        return DataError.exit_code
    pairs = compare(study, [seen for seen, _ in looked])
    findings = check_study(study, [kinds for _, kinds in looked], pairs)
    if sheet and not findings.pairs:
        print(f"note: '{sheet}' is not written: there are no pairs", file=sys.stderr)
    elif sheet:
        doubtful_first = sorted(findings.pairs, key=lambda pair: pair.correlation)
        write_pairs(sheet, [_beside(pair, study.cases) for pair in doubtful_first[:ON_SHEET]])
        if len(doubtful_first) > ON_SHEET:
            print(f"note: '{sheet}' shows {ON_SHEET} of {len(doubtful_first)} pairs", file=sys.stderr)
    names = [_name(study, case) for case in study.cases]
    print(json.dumps(_json(findings, names), indent=2) if as_json else _text(study, findings, names))
    return DataError.exit_code if findings.grave else 0


def _broken_json(faults: Faults) -> str:
    return json.dumps({"broken": faults.sentences, "grave": True}, indent=2)


def _broken_text(faults: Faults) -> str:
    number = len(faults.sentences)
    return (
        f"broken              {number}; mend or remove them, then check again\n{faults}\n"
        f"{DataError.exit_code}: {number} broken above"
    )


def _name(study: Study, case: Case) -> str:
    return Path(os.path.relpath(case.path, study.root)).as_posix() + (f" #{case.frame}" if case.frame else "")


def _beside(pair: Pair, cases: Sequence[Case]) -> Beside:
    first, second = cases[pair.first], cases[pair.second]
    how = f"{'mirrored ' * pair.mirrored}{pair.found_by}"
    return Beside(
        Side(read_image(first.path, first.frame), f"{pair.correlation:.2f} {first.path.stem}"),
        Side(read_image(second.path, second.frame), f"{second.path.stem} {how}"),
        grave=first.label != second.label,
    )


def _text(study: Study, findings: Findings, names: list[str]) -> str:
    def listed(groups: Sequence[Sequence[int]]) -> list[str]:
        return [" " * 20 + ", ".join(names[index] for index in members) for members in groups[:SHOWN]]

    counts = ", ".join(f"{number} {label}" for label, number in findings.labels.items())
    patients = len({case.patient for case in study.cases}) if study.patients_known else "not named"
    mirrored = sum(pair.mirrored for pair in findings.pairs)
    found = f"{len(findings.pairs)} pairs, {mirrored} mirrored, {len(findings.groups)} groups"
    lines = [
        f"images              {len(study.cases)}: {counts}",
        f"patients            {patients}",
        *(f"note                {note}" for note in study.notes),
        f"near-duplicates     {found}",
        f"contradictions      {len(findings.contradicting)} groups with different labels",
        *listed(findings.contradicting),
    ]
    if study.patients_known:
        lines.append(f"between patients    {len(findings.between_patients)} near-duplicate pairs")
        lines += listed([(pair.first, pair.second) for pair in findings.between_patients])
    if findings.in_two_parts:
        lines.append(f"in two parts        {len(findings.in_two_parts)} pairs that belong together")
        lines += listed(findings.in_two_parts)
    lines += [
        f"{mark.kind:<19} {mark.benign:.1%} of benign, {mark.malignant:.1%} of malignant images"
        f" (p {mark.p_value:.2g}){'  <- tells the class' if mark.p_value < 0.01 else ''}"
        for mark in findings.shortcuts
    ]
    if findings.grave:
        lines.append(f"{DataError.exit_code}: {_grave(findings)} above; mend them before the study is used")
    return "\n".join(lines)


def _grave(findings: Findings) -> str:
    counts = {
        "contradictions": len(findings.contradicting),
        "near-duplicate pairs between patients": len(findings.between_patients),
        "pairs in two parts": len(findings.in_two_parts),
    }
    return ", ".join(f"{number} {what}" for what, number in counts.items() if number)


def _json(findings: Findings, names: list[str]) -> dict[str, object]:
    return {
        "broken": [],
        "labels": findings.labels,
        "near_duplicates": [
            asdict(pair) | {"first": names[pair.first], "second": names[pair.second]}
            for pair in findings.pairs
        ],
        "groups": len(findings.groups),
        "contradicting": [[names[index] for index in members] for members in findings.contradicting],
        "between_patients": [[names[p.first], names[p.second]] for p in findings.between_patients],
        "in_two_parts": [[names[first], names[second]] for first, second in findings.in_two_parts],
        "marks": [asdict(shortcut) for shortcut in findings.shortcuts],
        "grave": findings.grave,
    }
