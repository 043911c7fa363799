"""The report is one file that stands alone, tells every figure, and names no patient."""

import math
import re

import numpy as np
import pytest

from edge import cli
from edge.errors import CannotCreateError, UsageError
from export.bootstrap import patient_bootstrap
from export.report_cases import overlaid
from tests.export.conftest import write_learnable


@pytest.fixture(scope="module")
def page(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    study = write_learnable(folder / "other", patients=16, seed=9)
    out = folder / "report.html"
    arguments = ["evaluate", str(bundle), str(study), "--report", str(out), "--prevalence", "0.1"]
    assert cli.run(arguments) == 0
    return out.read_text()


def test_the_page_needs_nothing_from_elsewhere(page):
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert page.count("<svg") == 5


def test_the_page_has_what_a_reviewer_looks_for(page):
    for words in (
        "Not a medical device",
        "16 benign and 16 malignant images of 16 patients",
        "by patient (bootstrap)",
        "high-sensitivity",
        "Where 10.0% of the lesions are malignant",
        "Expected calibration error",
        "A perfectly calibrated model would show",
        "Most confident errors",
        "may they be compared?",
    ):
        assert words in page


def test_no_patient_and_no_file_is_named(page):
    text = re.sub(r"<svg.*?</svg>|base64,[^\"]*", "", page, flags=re.S)
    assert not re.search(r"\bp\d+\b|\d+-\d\.png", text)


def test_an_unwritable_report_and_an_impossible_prevalence_are_named(bundle, learnable):
    with pytest.raises(CannotCreateError):
        cli.run(["evaluate", str(bundle), str(learnable), "--report", "/proc/report.html"])
    with pytest.raises(UsageError, match="prevalence"):
        cli.run(["evaluate", str(bundle), str(learnable), "--prevalence", "20"])


def test_bootstrap_over_patients_is_wider_where_images_repeat_each_other():
    rng = np.random.default_rng(0)
    hits = rng.random(40) < 0.7
    alone = patient_bootstrap([f"p{i}" for i in range(40)], lambda chosen: float(hits[chosen].mean()))
    repeated = patient_bootstrap(
        [f"p{i}" for i in range(40) for _ in range(5)],
        lambda chosen: float(np.repeat(hits, 5)[chosen].mean()),
    )
    assert alone.value == repeated.value
    assert alone.high - alone.low == pytest.approx(repeated.high - repeated.low, rel=0.15)
    assert alone.low < alone.value < alone.high


def test_draws_without_a_figure_are_left_out():
    figure = patient_bootstrap(["a", "b", "c"], lambda chosen: math.nan if 0 in chosen else 1.0)
    assert (figure.low, figure.high) == (1.0, 1.0)


def test_the_heat_map_is_drawn_where_it_speaks_for_malignancy():
    import cv2

    heat = np.full((8, 8), 0.2, np.float32)
    heat[:, 6:] = 0.95
    jpeg = overlaid(np.full((64, 64), 100, np.uint8), heat)
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(int)
    assert np.ptp(picture[:, :32], axis=2).max() < 12
    assert (picture[:, 56:, 2] - picture[:, 56:, 0]).min() > 60
