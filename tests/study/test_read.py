"""A study is read whole, or refused with the line that is wrong."""

import os

import numpy as np
import pytest
from PIL import Image

from edge.contract.roi import Roi
from edge.errors import DataError, NoInputError
from edge.study.read import read_study

HEADER = "patient,label,pathology,view,path,lesion_x,lesion_y,lesion_w,lesion_h,scanner,site,px_per_mm\n"
GOOD = "p1,benign,Warthin tumour,long,a.png,4,5,20,16,Phantom,A,10.5\n"
BAD = "p2,malignant,,,b.png,,,,,,,\n"


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(np.full((40, 60), 90, np.uint8)).save(tmp_path / name)
    return tmp_path


def manifest(folder, text):
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    return folder


def test_manifest_is_read_by_column_names(folder):
    study = read_study(manifest(folder, HEADER + GOOD + BAD))
    first, second = study.cases
    assert first.lesion == Roi(4, 5, 20, 16)
    assert (first.patient, first.pathology, first.px_per_mm) == ("p1", "Warthin tumour", 10.5)
    assert not first.malignant
    assert second.malignant
    assert second.lesion is None
    assert study.patients_known
    assert study.notes == ()


def test_a_manifest_file_may_be_named_itself(folder):
    (folder / "folds.csv").write_text("path,label,part\na.png,benign,train\nb.png,malignant,test\n")
    study = read_study(folder / "folds.csv")
    assert [case.part for case in study.cases] == ["train", "test"]
    assert not study.patients_known


def test_unknown_columns_and_labels_without_tumour_are_noted(folder):
    study = read_study(
        manifest(folder, "label,path,age\nbenign,a.png,7\nmalignant,b.png,8\nnormal,c.png,9\n")
    )
    assert len(study.cases) == 2
    assert "'age'" in study.notes[0]
    assert "'normal'" in study.notes[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("p3,benign,,,c.png,nan,1,2,3,,,", "line 4: lesion_x is 'nan'"),
        ("p3,benign,,,c.png,one,1,2,3,,,", "line 4: lesion_x is 'one'"),
        ("p3,benign,,,c.png,1e999,1,2,3,,,", "finite"),
        ("p3,benign,,,c.png,1,1,0,3,,,", "line 4: lesion"),
        ("p3,benign,,,c.png,1,,2,3,,,", "line 4: lesion"),
        ("p3,maligant,,,c.png,,,,,,,", "line 4: label is 'maligant'"),
        ("p3,,,,c.png,,,,,,,", "line 4: label is ''"),
        (",benign,,,c.png,,,,,,,", "line 4: patient is empty"),
        ("NaN,benign,,,c.png,,,,,,,", "line 4: patient is 'NaN'"),
        ("p3,benign,,,c.png,,,,,,,0", "px_per_mm"),
        ("p3,benign,,,a.png,,,,,,,", "line 2 already"),
        ("p3,benign", "more or fewer values"),
        ("p3,benign,,,,,,,,,,", "path is empty"),
    ],
)
def test_a_wrong_line_is_named(folder, line, message):
    with pytest.raises(DataError, match=message):
        read_study(manifest(folder, HEADER + GOOD + BAD + line + "\n"))


def test_a_missing_image_is_named_with_its_line(folder):
    with pytest.raises(NoInputError, match=r"line 4.*gone\.png"):
        read_study(manifest(folder, HEADER + GOOD + BAD + "p3,benign,,,gone.png,,,,,,,\n"))


@pytest.mark.parametrize("text", ["", "path;label\na.png;benign\n", "label\nbenign\n"])
def test_a_manifest_without_its_columns_is_refused(folder, text):
    with pytest.raises(DataError, match="no column"):
        read_study(manifest(folder, text))


def test_a_manifest_in_another_encoding_is_refused(folder):
    (folder / "manifest.csv").write_bytes("path,label,pathology\na.png,benign,Drüse\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_study(folder)


def test_one_class_only_is_refused(folder):
    with pytest.raises(DataError, match="none of class 'malignant'"):
        read_study(manifest(folder, HEADER + GOOD))


def test_class_folders_are_read_and_everything_else_is_noted(folder):
    for name in ("Benign", "malignant", "normal"):
        (folder / name).mkdir()
        (folder / name / "1.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "Benign" / "1_mask.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "Benign" / "Thumbs.db").write_bytes(b"x")
    study = read_study(folder)
    assert [(case.label, case.path.name) for case in study.cases] == [
        ("benign", "1.png"),
        ("malignant", "1.png"),
    ]
    notes = " ".join(study.notes)
    assert "mask" in notes
    assert "normal" in notes
    assert "no image" in notes


@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_what_is_no_study_is_refused(tmp_path, what):
    path = tmp_path / "study"
    if what == "empty":
        path.mkdir()
    elif what == "file":
        path.write_text("no study")
    with pytest.raises(NoInputError):
        read_study(path)


def test_a_name_that_no_line_can_show_is_refused_with_its_folder(tmp_path):
    for label, name in (("benign", "a\nb.png"), ("malignant", "c.png")):
        (tmp_path / label).mkdir()
        Image.fromarray(np.full((40, 60), 90, np.uint8)).save(tmp_path / label / name)
    with pytest.raises(DataError, match=r"name 'a\\nb.png' in '.*benign' has signs that cannot be printed"):
        read_study(tmp_path)


def test_a_dead_link_and_a_pipe_are_refused_and_not_waited_for(folder):
    (folder / "benign").mkdir()
    (folder / "malignant").mkdir()
    pipe, link = folder / "benign" / "pipe.png", folder / "malignant" / "link.png"
    os.mkfifo(pipe)
    link.symlink_to(folder / "nowhere.png")
    with pytest.raises(DataError) as refused:
        read_study(folder)
    for name in (pipe, link):
        assert f"{name}' is a dead link or no regular file" in str(refused.value)


def test_a_name_that_is_too_long_is_an_image_that_is_not_there(folder):
    with pytest.raises(NoInputError, match="line 2: there is no image"):
        read_study(manifest(folder, f"label,path\nbenign,{'x' * 5000}.png\n"))


def test_all_lines_that_are_wrong_are_named_at_once(folder):
    lines = "p3,maligant,,,c.png,,,,,,,\np4,benign,,,d.png,,,,,,,\np5,benign,,,c.png,,,,,,,-1\n"
    with pytest.raises(DataError) as refused:
        read_study(manifest(folder, HEADER + GOOD + BAD + lines))
    for words in ("line 4: label is 'maligant'", "line 5: there is no image", "line 6: px_per_mm"):
        assert words in str(refused.value)


def test_of_very_many_faults_twenty_are_named(folder):
    lines = "".join(f"p{n},benign,,,none-{n}.png,,,,,,,\n" for n in range(30))
    with pytest.raises(DataError, match="30 faults") as refused:
        read_study(manifest(folder, HEADER + GOOD + BAD + lines))
    assert "none-19.png" in str(refused.value)
    assert "none-20.png" not in str(refused.value)
    assert "and 10 more" in str(refused.value)


def test_faults_of_the_images_are_looked_for_openly_and_named_with_those_of_the_manifest(folder, capsys):
    (folder / "b.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"(?s)2 faults.*line 4.*b\.png"):
        read_study(manifest(folder, HEADER + GOOD + BAD + "p3,NaN,,,c.png,,,,,,,\n"))
    assert "looking for more faults in the images" in capsys.readouterr().err


def test_study_without_a_fault_is_read_without_a_word(folder, capsys):
    read_study(manifest(folder, HEADER + GOOD + BAD))
    assert capsys.readouterr().err == ""
