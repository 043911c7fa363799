from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge.errors import DataError, NoInputError
from edge.outputs.dicom.finding import Finding, read_finding


def test_a_finding_survives_its_file(tmp_path: Path, finding: Finding) -> None:
    path = tmp_path / "finding.json"
    path.write_bytes(msgspec.json.encode(finding))
    assert read_finding(path) == finding


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"risk":0.71', b'"risk":0.91'),
        (b'"risk":0.71', b'"risk":"high"'),
        (b'"high":0.79', b'"high":1.79'),
        (b'"threshold":0.5', b'"threshold":0'),
        (b'"frames_used":148', b'"frames_used":0'),
        (b"+01:00", b""),
        (b'"width":40', b'"width":-40'),
        (b'"name":"salivary"', b'"name":"a\\u001bb"'),
        (b'"risk":0.71', b'"surprise":1,"risk":0.71'),
        (b'"bundle_id":"abcdef012345",', b""),
        (b"}", b""),
        (b"salivary", b"\xff\xfe"),
    ],
)
def test_a_finding_that_makes_no_sense_is_refused(
    tmp_path: Path, finding: Finding, old: bytes, new: bytes
) -> None:
    raw = msgspec.json.encode(finding)
    assert old in raw
    path = tmp_path / "finding.json"
    path.write_bytes(raw.replace(old, new, 1))
    with pytest.raises(DataError):
        read_finding(path)


def test_deep_and_huge_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "finding.json"
    path.write_bytes(b"[" * 100_000)
    with pytest.raises(DataError, match=r"finding\.json"):
        read_finding(path)
    path.write_bytes(b" " * (2 << 20))
    with pytest.raises(DataError, match="bytes"):
        read_finding(path)
    with pytest.raises(NoInputError, match="nothing"):
        read_finding(tmp_path / "nothing.json")
