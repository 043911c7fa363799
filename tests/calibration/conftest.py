"""A study, its FP32 bundle and the INT8 graphs made from them."""

import pytest

from calibration.frames import calibration_set
from calibration.graph import parse
from calibration.int8 import Choice, quantise
from edge.study.parts import used_in_making
from edge.study.read import read_study
from edge.study.tensors import load_tensors
from tests.networks import write_bundle, write_study


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def bundle(tmp_path, study):
    return write_bundle(tmp_path / "bundle", study)


@pytest.fixture(scope="session")
def made(tmp_path_factory, study):
    """`Int8` of the toy network by one method."""
    bundle = write_bundle(tmp_path_factory.mktemp("made") / "bundle", study)
    cases = used_in_making(bundle, read_study(study))
    frames = calibration_set(load_tensors(cases, bundle.spec.preprocessing, lambda _: None))
    return quantise(
        parse(bundle.model("fp32")),
        bundle.spec,
        frames,
        Choice(("max",), (), 0.0, rank_layers=False, half=False),
        1,
        lambda title, steps: lambda: None,
    )
