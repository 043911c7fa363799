"""A case becomes a tensor by the cart's own road."""

import weakref
from dataclasses import replace

import numpy as np
import pytest

from edge.contract.frame import still
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.contract.spec import PREPROCESSING_ID, Preprocessing
from edge.errors import DataError
from edge.study import tensors
from edge.study.images import read_image
from edge.study.tensors import case_tensor, load_tensors

FIELD = Preprocessing(id=PREPROCESSING_ID, width=32, height=24, region="field", context=1.0)
LESION = Preprocessing(id=PREPROCESSING_ID, width=32, height=32, region="lesion", context=1.5)


def test_field_is_the_whole_picture_unless_the_case_says_otherwise(study):
    case = study.cases[0]
    frame = still(read_image(case.path))
    assert np.array_equal(case_tensor(case, FIELD), prepare(frame, frame.bounds, 32, 24))
    field = Roi(5, 6, 40, 30)
    assert np.array_equal(case_tensor(replace(case, field=field), FIELD), prepare(frame, field, 32, 24))


def test_lesion_is_cut_with_its_surroundings(study):
    case = study.cases[0]
    frame = still(read_image(case.path))
    square = Roi(2, 0, 45, 40)  # side 45 around the centre 25,18, cut at the top
    assert LESION.crop(case.lesion, frame.bounds) == square
    assert np.array_equal(case_tensor(case, LESION), prepare(frame, square, 32, 32))


def test_a_missing_lesion_box_is_named(study):
    with pytest.raises(DataError, match=r"0-0\.png.*no lesion box"):
        case_tensor(replace(study.cases[0], lesion=None), LESION)


def test_a_tensor_that_is_taken_is_kept_once(study, monkeypatch):
    made, alive = [], []

    def make(case, preprocessing):
        tensor = np.zeros((1, 1, preprocessing.height, preprocessing.width), np.uint8)
        made.append(weakref.ref(tensor))
        return tensor

    monkeypatch.setattr(tensors, "case_tensor", make)
    load_tensors(study.cases * 20, FIELD, lambda done: alive.append(sum(ref() is not None for ref in made)))
    assert len(alive) == len(made)
    assert alive[-1] < len(made) / 2  # a thread may not have let go of its last one


def test_faults_that_no_command_names_are_not_said_to_be_named_by_one(study):
    cases = [replace(case, lesion=None) for case in study.cases * 20]
    with pytest.raises(DataError, match=r"and 460 more$"):
        load_tensors(cases, LESION, lambda done: None)


def test_a_box_outside_the_image_is_named(study):
    with pytest.raises(DataError, match=r"0-0\.png.*80x60"):
        case_tensor(replace(study.cases[0], lesion=Roi(60, 8, 30, 20)), LESION)
