"""A study on disk: reproducible, complete, and whole or not there."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.errors import CannotCreateError
from edge.phantom.patient import draw_patient
from edge.phantom.study import StudySummary, draw_labels, write_study

COLUMNS = "patient,label,pathology,view,path,lesion_x,lesion_y,lesion_w,lesion_h,scanner,site,px_per_mm"


def write(out: Path, patients: int = 4, seed: int = 5, **options: object) -> StudySummary:
    settings = {"jobs": 1, "progress": [].append, **options}
    return write_study(out, patients, seed, **settings)  # type: ignore[arg-type]


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(folder: Path, name: str = "manifest.csv") -> list[dict[str, str]]:
    with (folder / name).open() as file:
        return list(csv.DictReader(file))


def test_same_seed_same_bytes_whatever_the_number_of_processes(tmp_path: Path) -> None:
    write(tmp_path / "one", jobs=1)
    write(tmp_path / "two", jobs=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    write(tmp_path / "other", seed=6)
    assert (
        content(tmp_path / "one")["images/P0000-transverse.png"]
        != content(tmp_path / "other")["images/P0000-transverse.png"]
    )


def test_manifest_names_every_picture_with_its_lesion_inside(tmp_path: Path) -> None:
    summary = write(tmp_path / "study", patients=6, views=3)
    table = rows(tmp_path / "study")
    assert ",".join(table[0]) == COLUMNS
    assert len(table) == summary.images == 18
    assert {row["path"] for row in table} == {
        f"images/{p.name}" for p in (tmp_path / "study" / "images").iterdir()
    }
    assert {row["view"] for row in table} == {"transverse", "longitudinal"}
    for row in table:
        picture = cv2.imread(str(tmp_path / "study" / row["path"]), cv2.IMREAD_UNCHANGED)
        assert picture.ndim == 2
        assert picture.dtype == np.uint8
        box = Roi(*(int(row[f"lesion_{part}"]) for part in "xywh"))
        assert box.inside(Roi(0, 0, picture.shape[1], picture.shape[0]))
        assert box.width > 15


def test_truth_has_what_the_pictures_were_drawn_from(tmp_path: Path) -> None:
    write(tmp_path / "study")
    truth = rows(tmp_path / "study", "truth.csv")
    assert [row["patient"] for row in truth] == ["P0000", "P0001", "P0002", "P0003"]
    patient = draw_patient(5, 2, truth[2]["label"])
    assert truth[2]["pathology"] == patient.pathology
    assert float(truth[2]["size"]) == pytest.approx(patient.latents[-1], abs=1e-4)
    about = json.loads((tmp_path / "study" / "study.json").read_text())
    assert 0.93 < about["ceiling_auc"] < 0.96
    assert about["seed"] == 5


def test_prevalence_is_kept_exactly_and_both_classes_are_there() -> None:
    assert draw_labels(1, 300, 0.33).count("malignant") == 99
    assert draw_labels(1, 2, 0.05).count("malignant") == 1
    assert draw_labels(1, 10, 0.0).count("malignant") == 0
    assert draw_labels(1, 300, 0.33) != draw_labels(2, 300, 0.33)


def test_scanner_and_site_say_nothing_about_the_label(tmp_path: Path) -> None:
    from edge.phantom.scanner import draw_scanner

    lesion = draw_patient(1, 0, "benign").lesion
    sites = [draw_scanner(np.random.default_rng([1, number, 2]), lesion).site for number in range(400)]
    labels = np.asarray(draw_labels(1, 400, 0.33)) == "malignant"
    shares = [labels[np.asarray(sites) == site].mean() for site in sorted(set(sites))]
    assert len(shares) == 3
    assert max(shares) - min(shares) < 0.15


def test_a_folder_with_something_in_it_is_refused_unless_forced(tmp_path: Path) -> None:
    out = tmp_path / "study"
    out.mkdir()
    (out / "mine").write_text("keep")
    with pytest.raises(CannotCreateError, match="not empty"):
        write(out)
    assert content(out) == {"mine": b"keep"}
    write(out, force=True)
    assert "mine" not in content(out)
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreateError, match="file"):
        write(tmp_path / "file" / "study")
    with pytest.raises(CannotCreateError, match="is a file"):
        write(tmp_path / "file")


def test_an_interrupted_study_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "study", progress=interrupt)
    assert list(tmp_path.iterdir()) == []
