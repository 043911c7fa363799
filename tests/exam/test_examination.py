"""Answers count only for the scene that they were asked about."""

import cv2
import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.engines.base import Inference
from edge.engines.worker import Answer
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.examination import LOOKING, NOT_FOUND, Examination
from edge.exam.features import LesionFeatures
from edge.exam.profiles import Profiles
from edge.exam.roi import FRAMES
from edge.exam.signal import State
from edge.sources.faults import DRAWN
from tests.clips import i420, tissue

MS = 1_000_000


def answer(sequence, risk=0.8, ood=1.0):
    return Answer(sequence, sequence * 40 * MS, Inference(risk, np.zeros((4, 4), np.float32), ood), "")


def look(examination, sequence, luma=None, fault=None, chosen=None, case=0):
    picture = tissue(sequence, 240, 320) if luma is None else luma
    frame = i420(picture, sequence=sequence, captured_ns=sequence * 40 * MS)
    if fault:
        DRAWN[fault](frame)
    examination.look(frame, frame.captured_ns, chosen, case=case)
    return examination.estimate(frame.captured_ns, None)


@pytest.fixture
def examination():
    examination = Examination("field")
    for sequence in range(FRAMES):
        look(examination, sequence)
    examination.ask(np.zeros((1, 1, 32, 32), np.uint8))
    return examination


def test_late_answer_about_the_scene_before_a_cut_is_ignored(examination):
    look(examination, 6, luma=255 - tissue(6, 240, 320))
    examination.take(answer(5))
    assert isinstance(examination.estimate(6 * 40 * MS, None), NoEstimate)
    examination.take(answer(6))
    assert examination.estimate(6 * 40 * MS, None).n == 1


def test_answer_about_a_faulty_picture_is_ignored_once_its_gate_is_closed(examination):
    examination.take(answer(5))
    for sequence in range(6, 9):
        look(examination, sequence, fault="doppler")
    examination.take(answer(7))
    for sequence in range(9, 24):
        said = look(examination, sequence)
    assert isinstance(said, NoEstimate)
    assert examination.risks == 1


@pytest.fixture
def strict():
    """As `examination`, of a model to which answers with an `ood` above 2 are strange."""
    strict = Examination("field", ood_threshold=2.0)
    for sequence in range(FRAMES):
        look(strict, sequence)
    strict.ask(np.zeros((1, 1, 32, 32), np.uint8))
    return strict


def test_frames_unlike_the_training_images_get_no_risk_and_say_so(strict):
    for sequence in range(FRAMES, FRAMES + 6):
        look(strict, sequence)
        strict.take(answer(sequence, ood=9.0))
    assert strict.estimate((FRAMES + 5) * 40 * MS, None) == NoEstimate("unlike the training images")


def test_a_single_strange_frame_only_does_not_count(strict):
    for sequence in range(FRAMES, FRAMES + 6):
        look(strict, sequence)
        strange = sequence == FRAMES + 2
        strict.take(answer(sequence, risk=0.99 if strange else 0.2, ood=9.0 if strange else 1.0))
    assert strict.estimate((FRAMES + 5) * 40 * MS, None).risk == pytest.approx(0.2)


def test_strange_answers_about_the_scene_before_a_cut_do_not_withhold_the_next(strict):
    strict.take(answer(FRAMES - 1, ood=9.0))
    strict.take(answer(FRAMES - 1, ood=9.0))
    look(strict, FRAMES, luma=255 - tissue(FRAMES, 240, 320))
    strict.take(answer(FRAMES))
    assert isinstance(strict.estimate(FRAMES * 40 * MS, None), RiskEstimate)


def test_answer_about_another_region_is_ignored(examination):
    examination.take(answer(5))
    look(examination, 6, chosen=Roi(100, 60, 80, 80))
    examination.take(answer(5))
    assert isinstance(examination.estimate(6 * 40 * MS, None), NoEstimate)
    assert examination.region == Roi(100, 60, 80, 80)


def test_failed_answer_withholds_until_the_next_good_one(examination):
    examination.take(answer(4))
    examination.take(Answer(5, 200 * MS, None, "CUDA error 700"))
    assert examination.estimate(200 * MS, None) == NoEstimate("CUDA error 700")
    assert examination.failures == 1
    examination.take(answer(5))
    assert isinstance(examination.estimate(200 * MS, None), RiskEstimate)


def test_paused_network_is_the_reason(examination):
    examination.take(answer(5))
    assert examination.estimate(200 * MS, "AI off: broken") == NoEstimate("AI off: broken")


def test_lesion_is_never_found_by_itself():
    examination = Examination("lesion")
    for sequence in range(FRAMES):
        said = look(examination, sequence)
    assert "draw it on the page" in said.reason
    assert not examination.analysable
    look(examination, FRAMES, chosen=Roi(100, 60, 80, 80))
    assert examination.analysable


def test_what_was_seen_before_a_freeze_says_nothing_of_what_comes_after(examination):
    examination.take(answer(5))
    frozen = tissue(5, 240, 320)
    for sequence in range(6, 26):
        look(examination, sequence, luma=frozen)
    assert examination.signal.state is State.FROZEN
    look(examination, 26)
    examination.take(answer(26, risk=0.05))
    said = examination.estimate(26 * 40 * MS, None)
    assert said.n == 1
    assert said.risk < 0.2


def held_still(sequence):
    """The same tissue with some noise: a lesion in it can be followed."""
    still = tissue(0, 240, 320)
    noise = np.random.default_rng(sequence).integers(-5, 6, (240, 320)) * (still > 16)
    return np.clip(still + noise, 16, 235).astype(np.uint8)


def test_lesion_that_is_lost_by_a_cut_has_to_be_marked_again():
    examination, mark = Examination("lesion"), Roi(100, 60, 80, 80)
    for sequence in range(FRAMES + 1):
        look(examination, sequence, luma=held_still(sequence), chosen=mark)
    assert examination.analysable
    said = look(examination, FRAMES + 1, luma=255 - held_still(7), chosen=mark)
    assert said.reason == "lesion lost: mark it again"
    found = examination.findings(said, 0.5)
    assert (found.lost, found.lesion, found.best) == (True, None, ())
    assert not examination.analysable
    look(examination, FRAMES + 2, luma=255 - held_still(8), chosen=Roi(100, 60, 80, 80))
    assert examination.analysable


def test_marked_lesion_gives_findings_also_to_a_model_of_the_field(examination):
    frame = i420(tissue(6, 240, 320), sequence=6, captured_ns=240 * MS)
    examination.look(frame, 240 * MS, mark=Roi(100, 60, 80, 80))
    found = examination.findings(NoEstimate("none"), 0.5)
    assert found.lesion == Roi(100, 60, 80, 80)
    assert found.features is not None
    assert found.size_mm is None
    assert examination.region == examination.finder.field


def test_low_risk_of_a_lesion_that_looks_benign_is_flagged(examination, monkeypatch):
    benign = LesionFeatures(0.2, 0.1, 0.1, 0.3, 0.0, -9.0)
    monkeypatch.setattr("edge.exam.lesion.measure_lesion", lambda *_: benign)
    frame = i420(tissue(6, 240, 320), sequence=6, captured_ns=240 * MS)
    examination.look(frame, 240 * MS, mark=Roi(100, 60, 80, 80))
    examination.take(answer(6, risk=0.1))
    estimate = examination.estimate(240 * MS, None)
    assert "regular shape" in examination.findings(estimate, 0.5).contradiction
    assert examination.findings(estimate, 0.05).contradiction is None
    assert examination.findings(NoEstimate("none"), 0.5).contradiction is None


def test_nothing_of_one_case_counts_for_the_next(examination):
    examination.take(answer(5))
    assert examination.estimate(5 * 40 * MS, None).n == 1
    assert look(examination, 6, case=1) == NoEstimate("a new case has begun")
    examination.take(answer(5))  # asked about the patient before
    assert look(examination, 7, case=1) == NoEstimate("a new case has begun")
    examination.take(answer(7))
    assert look(examination, 8, case=1).n == 1


def test_new_case_is_the_reason_also_where_it_takes_the_mark_along(examination):
    for sequence, mark in ((6, Roi(100, 60, 80, 80)), (7, None)):
        frame = i420(tissue(sequence, 240, 320), sequence=sequence, captured_ns=sequence * 40 * MS)
        examination.look(frame, frame.captured_ns, mark=mark, case=sequence)
    assert examination.estimate(7 * 40 * MS, None) == NoEstimate("a new case has begun")


def test_a_lesion_of_one_case_is_not_followed_into_the_next():
    examination = Examination("lesion")
    box = Roi(100, 80, 60, 60)
    look(examination, 0, chosen=box)
    assert examination.lesion.box is not None
    look(examination, 1, chosen=box, case=1)
    assert examination.lesion.box is None


def test_card_that_delivers_noise_is_said_to_show_no_ultrasound_and_comes_back(examination):
    for sequence in range(6, 12):
        said = look(examination, sequence, fault="noise")
    assert said == NoEstimate("noise, not ultrasound")
    assert examination.state is State.NOT_ULTRASOUND
    for sequence in range(12, 30):
        look(examination, sequence)
    assert examination.state is State.LIVE


def test_field_is_found_after_noise_from_the_start_and_after_another_size():
    examination = Examination("field")
    for sequence in range(12):
        look(examination, sequence, fault="noise")
        assert examination.region is None
    for sequence in range(12, 40):
        look(examination, sequence, luma=tissue(sequence, 240, 320, (100, 40, 150, 160)))
    assert examination.region.width < 170
    for sequence in range(40, 50):
        look(examination, sequence, fault="menu")
    for sequence in range(50, 80):
        look(examination, sequence, luma=tissue(sequence, 480, 640, (160, 60, 320, 360)))
    assert examination.state is State.LIVE
    assert examination.analysable


def test_drawn_field_is_the_one_that_masks_go_by_until_it_is_to_be_found(examination):
    found, drawn = examination.finder.field, Roi(90, 40, 100, 100)
    for sequence in range(6, 20):
        look(examination, sequence, chosen=drawn)
        assert examination.finder.field == drawn
    for sequence in range(20, 40):
        look(examination, sequence)
    assert examination.finder.field == found


@pytest.mark.parametrize(
    ("fault", "covered"), [("menu", True), ("noise", True), ("black", True), ("text", False)]
)
def test_field_that_shows_something_else_is_covered(examination, fault, covered):
    for sequence in range(6, 20):
        look(examination, sequence, fault=fault)
    assert examination.covered is covered


def patients(sequence, ground=16, noise=2):
    """A list of patients all over the screen, behind a converter."""
    picture = np.full((240, 320), ground, np.uint8)
    for row in range(14):
        cv2.putText(picture, "MUELLER HANS 1951-03-02", (70, 24 + 16 * row), 0, 0.45, 200, 1, cv2.LINE_AA)
    loud = picture + np.random.default_rng(sequence).integers(-noise, noise + 1, picture.shape, np.int16)
    return np.clip(loud, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("ground", "noise"), [(16, 0), (24, 2), (32, 0), (50, 3), (70, 3)])
@pytest.mark.parametrize("drawn", [None, Roi(80, 30, 160, 180)])
def test_list_of_patients_in_the_fields_place_is_covered_from_its_first_picture(
    examination, ground, noise, drawn
):
    for sequence in range(6, 30):
        look(examination, sequence, chosen=drawn)
    assert not examination.covered
    for sequence in range(30, 60 if drawn is None else 37):
        look(examination, sequence, luma=patients(sequence, ground, noise), chosen=drawn)
        assert examination.covered
    for sequence in range(60, 90):
        look(examination, sequence, chosen=drawn)
    assert not examination.covered


def test_list_of_patients_that_every_gate_takes_for_tissue_is_covered_all_the_same():
    def shown(examination, sequence, luma):
        frame = i420(luma, sequence=sequence, captured_ns=sequence * 33 * MS)
        examination.look(frame, frame.captured_ns)

    examination, rng = Examination("field"), np.random.default_rng(0)
    for sequence in range(12):
        small = tissue(sequence, 360, 640, (172, 27, 296, 312))
        shown(examination, sequence, cv2.resize(small, (1280, 720), interpolation=cv2.INTER_CUBIC))
    assert not examination.covered
    names = np.full((720, 1280), 76, np.uint8)
    for row in range(12):
        place = (354, 94 + 50 * row)
        cv2.putText(names, "MUELLER, HANS   1951-03-02   ID 4711", place, 0, 0.6, 156, 1, cv2.LINE_AA)
    for sequence in range(12, 42):
        noise = rng.integers(-3, 4, names.shape)
        shown(examination, sequence, np.clip(names + noise, 0, 255).astype(np.uint8))
        assert examination.covered
    assert examination.withheld(41 * 33 * MS) is None  # no gate has said a word


def test_field_that_is_known_from_another_day_is_covered_until_it_shows_tissue(examination):
    def screen(sequence):
        picture = tissue(sequence, 240, 320)
        cv2.putText(picture, "ABDOMEN 9L", (10, 20), 0, 0.6, 200, 1)
        return picture

    profiles = Profiles(None)
    for sequence, day in enumerate([Examination("field", profiles=profiles)] * FRAMES):
        look(day, sequence, luma=screen(sequence))
    again = Examination("field", profiles=profiles)
    look(again, 0, luma=screen(100))
    assert again.finder.field == examination.finder.field
    assert again.covered
    for sequence in range(1, FRAMES):
        look(again, sequence, luma=screen(100 + sequence))
    assert not again.covered


def test_dialog_over_a_part_of_the_tissue_is_covered_from_its_first_picture(examination):
    for sequence in range(6, 33):
        look(examination, sequence)
    for sequence in range(33, 60):  # 33 lies between two looks of the gates
        picture = tissue(sequence, 240, 320).copy()
        picture[60:180, 90:230] = 90
        look(examination, sequence, luma=picture)
        assert examination.covered


def test_coloured_line_does_not_hide_that_a_dialog_is_one(examination):
    for sequence in range(6, 60):
        picture = tissue(sequence, 240, 320).copy()
        picture[90:160, 100:220] = 90
        frame = i420(picture, sequence=sequence, captured_ns=sequence * 40 * MS)
        frame.planes[1][40:50, 50:110] = 190
        examination.look(frame, frame.captured_ns)
        assert examination.covered
    assert examination.withheld(60 * 40 * MS) == "colour over the tissue: Doppler or elastography"


def test_field_drawn_for_one_picture_size_is_not_looked_at_in_another(examination):
    drawn = Roi(80, 30, 100, 100)
    for sequence in range(6, 20):
        look(examination, sequence, chosen=drawn)
    assert examination.region == drawn
    for sequence in range(20, 40):
        luma = tissue(sequence, 480, 640)
        assert look(examination, sequence, luma=luma, chosen=drawn) == NoEstimate(
            "the field was drawn for another picture size: draw it again"
        )
        assert not examination.analysable
    for sequence in range(40, 60):
        look(examination, sequence, chosen=drawn)
    assert examination.region == drawn


def test_field_that_first_fits_later_is_the_one_that_masks_go_by(examination):
    drawn = Roi(200, 100, 300, 300)
    said = look(examination, 6, chosen=drawn)
    assert said == NoEstimate("the chosen region leaves the picture")
    for sequence in range(7, 30):
        look(examination, sequence, luma=tissue(sequence, 480, 640), chosen=drawn)
    assert examination.region == examination.finder.field == drawn


def grey(sequence):
    """A screen without anything on it, behind a converter."""
    return np.random.default_rng(sequence).integers(58, 63, (480, 640)).astype(np.uint8)


def test_verdict_of_a_gate_ends_with_the_field_that_it_was_about(examination):
    for sequence in range(6, 20):
        said = look(examination, sequence, fault="black")
    assert said == NoEstimate("black screen")
    for sequence in range(20, 120):
        said = look(examination, sequence, luma=grey(sequence))
    assert said == NoEstimate("no ultrasound field found: draw it on the page")


def test_lesion_is_not_judged_where_no_field_is_known_and_so_no_gate_looks():
    examination = Examination("lesion")
    for sequence in range(30):
        picture = np.zeros((480, 640), np.uint8)
        picture[200:260, 300:380] = tissue(sequence, 120, 160)[20:80, 40:120]
        frame = i420(picture, sequence=sequence, captured_ns=sequence * 40 * MS)
        examination.look(frame, frame.captured_ns, mark=Roi(310, 210, 40, 30))
        assert not examination.analysable
    assert examination.finder.field is None
    assert examination.withheld(30 * 40 * MS) in (LOOKING, NOT_FOUND)


def test_size_in_millimetres_follows_the_depth_scale(examination):
    def marked(sequence, step):
        picture = tissue(sequence, 240, 320, (60, 30, 200, 180)).copy()
        for number, row in enumerate(range(34, 206, step)):
            picture[row : row + 2, 266 : 270 + 4 * (number % 2 == 0)] = 210
        return picture

    examination = Examination("field")
    for sequence in range(20):
        look(examination, sequence, luma=marked(sequence, 16))
    near = examination.findings(NoEstimate(""), 0.5).px_per_mm
    for sequence in range(20, 60):
        look(examination, sequence, luma=marked(sequence, 24))
    far = examination.findings(NoEstimate(""), 0.5).px_per_mm
    assert (near, far) == (pytest.approx(3.2, rel=0.02), pytest.approx(4.8, rel=0.02))
