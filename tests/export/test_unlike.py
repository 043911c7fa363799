"""Other pictures, faults and spoilt pictures are tried, counted and printed."""

import json

import numpy as np
import pytest
from PIL import Image

from edge import cli
from edge.errors import NoInputError
from export.unlike import SPOILT


@pytest.fixture(scope="module")
def report(bundle, learnable, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    (folder / "stripes").mkdir()
    for index in range(3):
        stripes = np.tile(np.uint8(80 * (np.arange(96) // (3 + index) % 3)), (96, 1))
        Image.fromarray(stripes).save(folder / "stripes" / f"{index}.png")
    page = folder / "page.html"
    arguments = ["--unlike", str(folder / "stripes"), "--report", str(page), "--card", str(folder / "C.md")]
    assert cli.run(["evaluate", str(bundle), str(learnable), *arguments]) == 0
    return page


def kinds(page):
    return {kind["kind"]: kind for kind in json.loads(page.with_suffix(".json").read_text())["unlike"]}


def test_named_pictures_faults_and_spoilt_ones_are_all_there(report):
    found = kinds(report)
    assert {"test pictures", "stripes", "drawn: black", "drawn: doppler", "spoilt: blurred"} <= set(found)
    assert found["stripes"]["area"]["value"] == 1
    assert found["drawn: black"]["either"]["value"] == 1
    for figure in ("area", "hit", "withheld", "gated", "either"):
        assert 0 <= found["stripes"][figure]["low"] <= found["stripes"][figure]["value"] <= 1


def test_colour_that_the_network_cannot_see_is_seen_by_the_gates(report):
    assert kinds(report)["drawn: doppler"]["gated"]["value"] == 1


def test_a_marked_lesion_at_the_edge_is_always_told_and_an_unmarked_one_is_not(report):
    found = kinds(report)
    assert found["spoilt: lesion cut off, marked"]["gated"]["value"] == 1
    assert found["test pictures, marked"]["gated"] == found["test pictures"]["gated"]
    assert found["spoilt: lesion cut off"]["gated"]["value"] < 1


def test_kinds_made_of_test_pictures_have_intervals_over_patients_and_foreign_ones_have_none(report):
    found = kinds(report)
    assert found["drawn: doppler"]["either"]["over_patients"] == {"low": 1.0, "high": 1.0}
    assert found["stripes"]["either"]["over_patients"] is None


def test_page_and_card_tell_of_them(report):
    assert "drawn: doppler" in report.read_text()
    card = (report.parent / "C.md").read_text()
    assert "| sensitivity | " in card
    assert "Not judged yet" not in card


@pytest.mark.parametrize("name", SPOILT)
def test_spoiling_keeps_the_size_and_the_original(name):
    image = np.random.default_rng(0).integers(0, 255, (48, 64), np.uint8)
    before = image.copy()
    spoilt = SPOILT[name](image)
    assert spoilt.shape == image.shape
    assert np.array_equal(image, before)
    assert not np.array_equal(spoilt, image)


def test_what_is_not_there_or_has_no_picture_is_named(bundle, learnable, tmp_path):
    with pytest.raises(NoInputError, match="there is no"):
        cli.run(["evaluate", str(bundle), str(learnable), "--unlike", str(tmp_path / "none")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoInputError, match="'empty' has no picture"):
        cli.run(["evaluate", str(bundle), str(learnable), "--unlike", str(tmp_path / "empty")])
