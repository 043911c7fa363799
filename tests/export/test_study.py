"""`sonocart study` finds what would leak, and writes splits that do not."""

import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge import cli
from edge.errors import CannotCreateError, DataError, NoInputError, UsageError
from edge.study.read import read_study
from export.split import split_study
from tests.export.conftest import write_learnable

REAL = Path(os.environ.get("SONOCART_DATA", "../shared/data")) / "busi256"


@pytest.fixture
def study(tmp_path):
    return write_learnable(tmp_path / "study", patients=20)


def check(capsys, *arguments):
    code = cli.run(["study", "check", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_clean_study_passes(study, capsys):
    code, report = check(capsys, study)
    assert code == 0
    assert report["labels"] == {"benign": 20, "malignant": 20}
    assert report["near_duplicates"] == []
    assert not report["grave"]


def test_a_copy_under_another_patient_and_label_is_named(study, capsys, tmp_path):
    image = np.asarray(Image.open(study / "0-0.png"))
    Image.fromarray(np.ascontiguousarray(image[:, ::-1])).save(study / "1-0.png")
    code, report = check(capsys, study, "--sheet", tmp_path / "pairs.png")
    assert code == 65
    assert report["contradicting"] == [["0-0.png", "1-0.png"]]
    assert report["between_patients"] == [["0-0.png", "1-0.png"]]
    assert report["near_duplicates"][0]["mirrored"]
    assert cv2.imread(str(tmp_path / "pairs.png")) is not None
    assert cli.run(["study", "check", str(study)]) == 65
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("65: 1 contradictions, 1 near-duplicate pairs between patients above")


def test_all_broken_images_are_named_in_one_run(study, capsys):
    broken = sorted(study.glob("*.png"))[:23]
    for path in broken:
        path.write_bytes(b"no picture")
    code, report = check(capsys, study)
    assert code == 65
    assert report["grave"]
    for path, text in zip(broken, sorted(report["broken"]), strict=True):
        assert str(path) in text
        assert "no PNG, JPEG, BMP or DICOM" in text
    assert cli.run(["study", "check", str(study)]) == 65
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("broken              23;")
    assert len(lines) == 23
    assert lines[-2].strip().startswith("and 3 more")
    assert lines[-1] == "65: 23 broken above"


def test_lines_and_headers_that_are_broken_are_named_with_the_broken_images(study, capsys):
    (study / "0-0.png").write_bytes(b"no picture")
    (study / "1-0.png").unlink()
    (study / "2-0.png").rename(study / "2-0.dcm")
    manifest = study / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",2-0.png", ",2-0.dcm").replace("p3,", "NaN,", 1))
    code, report = check(capsys, study)
    assert code == 65
    assert report["grave"]
    for words in (
        "0-0.png' is damaged",
        "there is no image",
        "2-0.dcm' is no DICOM file",
        "patient is 'NaN'; leave it empty",
    ):
        assert sum(words in text for text in report["broken"]) == 1
    assert len(report["broken"]) == 4


@pytest.mark.parametrize(
    "verb",
    [
        ["study", "split", "STUDY", "--out", "OUT"],
        ["train", "STUDY", "--out", "OUT", "--epochs", "1"],
        ["crossval", "STUDY", "--out", "OUT", "--epochs", "1"],
    ],
    ids=lambda verb: " ".join(verb[:2]),
)
@pytest.mark.parametrize("nameless", [False, True], ids=["patients", "no patients"])
def test_every_verb_of_training_names_all_broken_images(study, tmp_path, verb, nameless):
    if nameless:
        manifest = study / "manifest.csv"
        lines = [line.partition(",")[2] for line in manifest.read_text().splitlines()]
        manifest.write_text("\n".join(lines))
    for name in ("0-0.png", "4-1.png"):
        (study / name).write_bytes(b"no picture")
    places = {"STUDY": str(study), "OUT": str(tmp_path / "out")}
    with pytest.raises(DataError) as refused:
        cli.run([places.get(word, word) for word in verb])
    assert "0-0.png' is damaged" in str(refused.value)
    assert "4-1.png' is damaged" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_broken_manifest_does_not_hide_broken_images(study, tmp_path):
    (study / "0-0.png").write_bytes(b"no picture")
    (study / "1-0.png").unlink()
    with pytest.raises(DataError, match=r"0-0\.png' is damaged") as refused:
        cli.run(["study", "split", str(study), "--out", str(tmp_path / "split.csv")])
    assert "1-0.png" in str(refused.value)


def test_a_patient_in_two_parts_is_named(study, capsys):
    lines = (study / "manifest.csv").read_text().splitlines()
    parts = ["part"] + ["train" if index % 4 else "test" for index in range(len(lines) - 1)]
    text = "\n".join(f"{line},{part}" for line, part in zip(lines, parts, strict=True))
    (study / "manifest.csv").write_text(text)
    code, report = check(capsys, study)
    assert code == 65
    assert ["0-0.png", "0-1.png"] in report["in_two_parts"]


def test_marks_that_tell_the_class_are_pointed_out(study, capsys):
    for path in study.glob("*.png"):
        if int(path.stem.split("-")[0]) % 2:
            image = np.asarray(Image.open(path)) // 2
            cv2.drawMarker(image, (20, 80), 255, cv2.MARKER_CROSS, 9, 1)
            Image.fromarray(image).save(path)
    cli.run(["study", "check", str(study)])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("calipers")]
    assert "0.0% of benign, 100.0% of malignant" in line
    assert "tells the class" in line


def test_a_written_split_is_read_back_as_it_is(study, tmp_path, capsys):
    out = tmp_path / "elsewhere" / "split.csv"
    assert cli.run(["study", "split", str(study), "--out", str(out), "--seed", "4"]) == 0
    first, again = read_study(study), read_study(out)
    assert [case.part for case in again.cases] == list(split_study(first, 4).parts)
    assert [case.lesion for case in again.cases] == [case.lesion for case in first.cases]
    assert split_study(again, 0).parts == split_study(first, 4).parts
    assert "part train" in capsys.readouterr().out


def test_folds_keep_patients_together_and_classes_even(study, tmp_path):
    out = tmp_path / "folds.csv"
    cli.run(["study", "split", str(study), "--out", str(out), "--folds", "4"])
    rows = list(csv.DictReader(out.read_text().splitlines()))
    folds = {}
    for row in rows:
        folds.setdefault(row["patient"], set()).add(row["fold"])
    assert all(len(own) == 1 for own in folds.values())
    for fold in "1234":
        own = [row["label"] for row in rows if row["fold"] == fold]
        assert 4 <= own.count("malignant") <= 6


def test_every_fold_is_the_test_part_of_one_manifest(study, tmp_path):
    tested = []
    for number in (1, 2, 3):
        out = tmp_path / f"fold-{number}.csv"
        options = ["--folds", "3", "--test-fold", str(number)]
        cli.run(["study", "split", str(study), "--out", str(out), *options])
        rows = list(csv.DictReader(out.read_text().splitlines()))
        assert {row["part"] for row in rows} == {"train", "validation", "test"}
        tested += [row["path"] for row in rows if row["part"] == "test"]
    assert sorted(tested) == sorted(row["path"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--folds", "1"], UsageError),
        (["--folds", "3", "--test-fold", "4"], UsageError),
        (["--test-fold", "1"], UsageError),
        (["--seed", "-1"], UsageError),
    ],
)
def test_wrong_options_are_named(study, tmp_path, arguments, error):
    with pytest.raises(error):
        cli.run(["study", "split", str(study), "--out", str(tmp_path / "x.csv"), *arguments])
    assert not (tmp_path / "x.csv").exists()


def test_wrong_input_and_taken_output_are_named(study, tmp_path):
    with pytest.raises(NoInputError):
        cli.run(["study", "check", str(tmp_path / "nothing")])
    with pytest.raises(CannotCreateError):
        cli.run(["study", "split", str(study), "--out", str(study / "manifest.csv")])
    with pytest.raises(UsageError):
        cli.run(["study", "mend", str(study)])


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason=f"real data is not at {REAL}")
def test_busi_has_its_known_duplicates_and_eight_mixed_groups(capsys):
    code, report = check(capsys, REAL)
    assert code == 65
    assert report["labels"] == {"benign": 306, "malignant": 147, "normal": 93}
    assert len(report["contradicting"]) == 8
    assert len(report["near_duplicates"]) > 120
