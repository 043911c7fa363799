"""A split keeps patients and near-duplicates together and gives each part its share of both classes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge.errors import DataError
from edge.study.read import read_study
from export.grouping import group_study
from export.split import assign_folds, assign_parts, split_study


@pytest.fixture
def study(learnable):
    return read_study(learnable)


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=60, max_size=200), st.integers(0, 9))
def test_parts_have_their_shares_and_share_no_group(sizes, seed):
    groups = [f"p{i}" for i, (size, _) in enumerate(sizes) for _ in range(size)]
    labels = ["malignant" if bad else "benign" for size, bad in sizes for _ in range(size)]
    part_of = assign_parts(groups, [(label, "") for label in labels], seed)
    parts = np.array([part_of[name] for name in groups])
    for label in ("benign", "malignant"):
        own = parts[np.array(labels) == label]
        for part, share in (("train", 0.703), ("validation", 0.198), ("test", 0.099)):
            assert abs((own == part).sum() - share * len(own)) <= 6


def test_sites_of_one_or_two_patients_reach_every_part():
    groups = [f"p{i}" for i in range(200)]
    strata = [("malignant" if i % 3 == 0 else "benign", f"site {i // 2}") for i in range(200)]
    part_of = assign_parts(groups, strata, 0)
    for label in ("benign", "malignant"):
        parts = [part_of[group] for group, stratum in zip(groups, strata, strict=True) if stratum[0] == label]
        assert abs(parts.count("validation") / len(parts) - 0.198) < 0.03
        assert abs(parts.count("test") / len(parts) - 0.099) < 0.03


def test_the_same_seed_gives_the_same_split_and_another_seed_another(study):
    assert split_study(study, 1) == split_study(study, 1)
    assert split_study(study, 1).parts != split_study(study, 2).parts


def test_no_patient_is_in_two_parts(study):
    split = split_study(study, 0)
    for patient in {case.patient for case in study.cases}:
        assert len({p for p, c in zip(split.parts, study.cases, strict=True) if c.patient == patient}) == 1
    assert sum(split.count_images().values()) == 80
    assert split.count_groups()["train"] * 2 == split.count_images()["train"]


def test_the_manifests_own_parts_are_kept(study):
    parts = split_study(study, 3).parts
    fixed = replace(study, cases=tuple(replace(c, part=p) for c, p in zip(study.cases, parts, strict=True)))
    assert split_study(fixed, 99).parts == parts


def test_a_manifest_that_parts_a_patient_is_refused(study):
    parts = list(split_study(study, 3).parts)
    parts[0] = "test" if parts[0] != "test" else "train"
    fixed = replace(study, cases=tuple(replace(c, part=p) for c, p in zip(study.cases, parts, strict=True)))
    with pytest.raises(DataError, match="patient 'p0'"):
        split_study(fixed, 0)


@pytest.mark.parametrize("column", ["part", "fold"])
def test_a_manifest_that_names_some_parts_or_folds_is_refused_and_not_split_anew(study, column):
    cases = tuple(replace(c, **{column: "train"}) for c in study.cases[:-1])
    some = replace(study, cases=(*cases, study.cases[-1]))
    with pytest.raises(DataError, match=f"{column} is empty for 1 of"):
        split_study(some, 0) if column == "part" else assign_folds(some, group_study(some), 5, 0)


def test_folds_of_the_manifest_without_a_class_or_alone_are_refused(study):
    for fold_of, message in (
        (lambda c: "1" if c.malignant else "2", "fold 1 .* has no benign image"),
        (lambda c: "1", "names 1 fold"),
    ):
        fixed = replace(study, cases=tuple(replace(c, fold=fold_of(c)) for c in study.cases))
        with pytest.raises(DataError, match=message):
            assign_folds(fixed, group_study(fixed), 5, 0)


def test_a_part_of_the_manifest_without_a_class_is_refused(study):
    cases = [replace(c, part="test" if c.patient in ("p0", "p2") else "train") for c in study.cases]
    cases = [replace(c, part="validation") if c.patient in ("p4", "p5") else c for c in cases]
    with pytest.raises(DataError, match=r"test part .* has no malignant image: name one"):
        split_study(replace(study, cases=tuple(cases)), 0)


def test_copies_of_a_picture_under_two_patients_or_labels_are_refused(study, tmp_path):
    first = study.cases[0]
    copy = tmp_path / "copy.png"
    copy.write_bytes(first.path.read_bytes())
    for change, message in (
        ({"patient": "another"}, "of the patients 'p0' and 'another'"),
        ({"label": "malignant"}, "labelled benign and malignant"),
    ):
        cases = (*study.cases, replace(first, path=copy, **change))
        with pytest.raises(DataError, match=message):
            split_study(replace(study, cases=cases), 0)


def test_frames_of_one_file_stay_together_where_no_patients_are_named(study, monkeypatch):
    monkeypatch.setattr("edge.study.pictures.read_image", lambda path, frame: np.zeros((96, 96), np.uint8))
    monkeypatch.setattr("export.grouping.near_duplicates", lambda glances, patients, read, step: [])
    file = study.cases[0].path
    cases = tuple(replace(c, patient=None) for c in study.cases)
    cases += tuple(replace(cases[0], path=file, frame=number) for number in (1, 2))
    split = split_study(replace(study, cases=cases), 0)
    assert split.groups[0] == split.groups[-1] == split.groups[-2]
    assert split.groups[0] != split.groups[1]


def test_too_few_patients_for_three_parts_are_refused(study):
    few = tuple(c for c in study.cases if c.patient in ("p0", "p1", "p2"))
    with pytest.raises(DataError, match="too few patients"):
        split_study(replace(study, cases=few), 0)


@pytest.fixture
def nameless(tmp_path):
    """Class folders with 24 different images, a mirrored copy of one, and one that stands in both folders."""
    rng = np.random.default_rng(0)
    for label in ("benign", "malignant"):
        (tmp_path / label).mkdir()
        for number in range(12):
            small = Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8))
            small.resize((64, 64)).save(tmp_path / label / f"{number}.png")
    first = Image.open(tmp_path / "benign" / "0.png")
    first.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "benign" / "copy.png")
    Image.open(tmp_path / "benign" / "1.png").save(tmp_path / "malignant" / "copy.png")
    return read_study(tmp_path)


def test_without_patients_near_duplicates_stay_together(nameless):
    split = split_study(nameless, 0)
    names = [str(case.path.relative_to(nameless.root)) for case in nameless.cases]
    pair = [names.index("benign/0.png"), names.index("benign/copy.png")]
    assert split.groups[pair[0]] == split.groups[pair[1]]
    assert split.parts[pair[0]] == split.parts[pair[1]] != "excluded"


def test_near_duplicates_with_contradicting_labels_are_left_out_and_told(nameless):
    split = split_study(nameless, 0)
    excluded = {nameless.cases[index].path.name for index in split.members("excluded")}
    assert excluded == {"1.png", "copy.png"}
    assert "2 images in 1 groups left out" in " ".join(split.notes)
