"""The split in the bundle keeps judgement and making apart."""

from dataclasses import replace

import pytest
from PIL import Image

from edge.contract.bundle import NewFile, amend_bundle, create_bundle
from edge.contract.spec import encode_spec
from edge.errors import DataError, NoInputError
from edge.study.images import image_hash, pixel_hash, read_image
from edge.study.parts import (
    SPLIT,
    Member,
    by_hash,
    encode_members,
    held_out,
    pseudonym,
    read_parts,
    used_in_making,
)
from tests.fakes import spec


def part_of(case):
    return ("train", "train", "validation", "validation", "test", "test")[int(case.patient[1:]) % 6]


def bundle_of(tmp_path, cases, name="bundle", pixels=True):
    salt = spec().provenance.study_sha256
    members = [
        Member(
            image_hash(c.path),
            pseudonym(c.patient, salt),
            c.label,
            part_of(c),
            pixel_hash(read_image(c.path)) if pixels else "",
        )
        for c in cases
    ]
    return create_bundle(
        tmp_path / name,
        {"model.json": NewFile(encode_spec(spec())), SPLIT: NewFile(encode_members(members))},
    )


def test_judgement_sees_the_test_part_only(tmp_path, study):
    bundle = bundle_of(tmp_path, study.cases)
    assert {part_of(case) for case in held_out(bundle, study)} == {"test"}
    assert len(held_out(bundle, study)) == 8


def test_calibration_never_sees_the_test_part(tmp_path, study):
    assert {part_of(c) for c in used_in_making(bundle_of(tmp_path, study.cases), study)} == {
        "train",
        "validation",
    }


def test_a_new_image_of_a_training_patient_is_not_judged(tmp_path, study):
    known = [case for case in study.cases if not (case.patient == "p0" and case.path.name == "0-1.png")]
    names = {case.path.name for case in held_out(bundle_of(tmp_path, known), study)}
    assert "0-1.png" not in names
    assert "4-0.png" in names


def test_another_study_with_the_same_numbering_is_judged_whole(tmp_path, study):
    strangers = [case for case in study.cases if case.path.name.endswith("-0.png")]
    others = [case for case in study.cases if case.path.name.endswith("-1.png")]
    bundle = bundle_of(tmp_path, strangers)
    assert len(held_out(bundle, replace(study, cases=tuple(others)))) == 12


@pytest.fixture
def resaved(tmp_path, study):
    """The same pictures in other files: compressed otherwise, grey as RGB, without the patients' names."""

    def save(case, index):
        path = tmp_path / "again" / f"{index}.{'bmp' if index % 3 == 0 else 'png'}"
        Image.open(case.path).convert("RGB" if index % 2 else "L").save(path, compress_level=0)
        return replace(case, path=path, patient=None)

    (tmp_path / "again").mkdir()
    return replace(study, cases=tuple(save(case, index) for index, case in enumerate(study.cases)))


def test_pictures_of_the_training_that_were_saved_anew_are_not_judged(tmp_path, study, resaved, caplog):
    assert not {image_hash(c.path) for c in study.cases} & {image_hash(c.path) for c in resaved.cases}
    kept = held_out(bundle_of(tmp_path, study.cases), resaved)
    judged = [part_of(c) for c, again in zip(study.cases, resaved.cases, strict=True) if again in kept]
    assert judged == ["test"] * 8
    assert not caplog.text


def test_a_new_image_of_a_training_patient_is_told_by_its_siblings_that_were_saved_anew(
    tmp_path, study, resaved
):
    known = [case for case in study.cases if case.path.name != "0-1.png"]
    named = [replace(a, patient=c.patient) for a, c in zip(resaved.cases, study.cases, strict=True)]
    kept = held_out(bundle_of(tmp_path, known), replace(resaved, cases=tuple(named)))
    assert all(part_of(case) == "test" for case in kept)


def test_a_split_without_pictures_still_works_and_warns(tmp_path, study, resaved, caplog):
    bundle = bundle_of(tmp_path, study.cases, pixels=False)
    old = bundle.read(SPLIT).decode().replace(",pixels\n", "\n").replace(",\n", "\n")
    made = amend_bundle(bundle, {SPLIT: NewFile(old.encode())})
    assert len(held_out(made, study)) == 8
    assert "saved anew count as new" in caplog.text
    assert len(held_out(made, resaved)) == 24
    assert caplog.text.count("saved anew count as new") == 1, "a verb that asks twice says it once"


def test_a_picture_in_two_parts_counts_as_learnt(tmp_path, study, resaved):
    twice = replace(study.cases[0], path=resaved.cases[0].path, patient="p4")  # train, and here in test
    kept = held_out(bundle_of(tmp_path, [*study.cases, twice]), replace(study, cases=resaved.cases))
    assert resaved.cases[0] in kept  # by its file, which the split names as of the test part
    again = tmp_path / "third.png"
    Image.open(study.cases[0].path).save(again, compress_level=1)
    third = replace(study.cases[0], path=again, patient=None)
    kept = held_out(
        bundle_of(tmp_path, [*study.cases, twice], "b"), replace(study, cases=(*study.cases, third))
    )
    assert third not in kept


def test_clips_and_broken_images_are_left_to_whoever_reads_them(tmp_path, study):
    broken = replace(study.cases[0], path=tmp_path / "sweep.mp4", patient=None)
    broken.path.write_bytes(b"no picture")
    kept = held_out(bundle_of(tmp_path, study.cases), replace(study, cases=(*study.cases, broken)))
    assert broken in kept


def test_equal_names_of_patients_without_an_equal_image_are_told(tmp_path, study, caplog):
    strangers = [case for case in study.cases if case.path.name.endswith("-0.png")]
    others = tuple(case for case in study.cases if case.path.name.endswith("-1.png"))
    bundle = bundle_of(tmp_path, strangers)
    held_out(bundle, replace(study, cases=others))
    assert "12 of 12 patients" in caplog.text
    caplog.clear()
    held_out(bundle, replace(study, cases=tuple(replace(c, patient=f"site-2-{c.patient}") for c in others)))
    assert not caplog.text


def test_nothing_left_to_judge_is_an_error(tmp_path, study):
    train = tuple(case for case in study.cases if part_of(case) == "train")
    with pytest.raises(DataError, match="no benign image is left"):
        held_out(bundle_of(tmp_path, train), replace(study, cases=train))


def test_a_foreign_study_cannot_calibrate(tmp_path, study):
    bundle = bundle_of(tmp_path, [case for case in study.cases if part_of(case) == "test"])
    with pytest.raises(DataError, match="not the one"):
        used_in_making(bundle, study)


def test_no_name_of_patient_or_file_travels(tmp_path, study):
    content = bundle_of(tmp_path, study.cases).read(SPLIT).decode()
    assert not any(case.patient + "," in content or case.path.name in content for case in study.cases)
    assert len(read_parts(bundle_of(tmp_path, study.cases, "again"))) == 24


def test_a_bundle_without_a_split_is_named(tmp_path, study):
    bundle = create_bundle(tmp_path / "bundle", {"model.json": NewFile(encode_spec(spec()))})
    with pytest.raises(NoInputError, match="split"):
        held_out(bundle, study)


def test_pseudonyms_differ_from_study_to_study():
    assert pseudonym("p1", "a" * 64) != pseudonym("p1", "b" * 64)


def test_one_file_in_two_parts_is_refused():
    members = [Member("a" * 64, "g1", "benign", "train"), Member("b" * 64, "g2", "benign", "test")]
    assert set(by_hash(members)) == {"a" * 64, "b" * 64}
    with pytest.raises(DataError, match="both train and test"):
        by_hash([*members, Member("a" * 64, "g3", "benign", "test")])
