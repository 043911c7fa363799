"""The field is found among a scanner's text, bars and ticks."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.exam.roi import FRAMES, TRIES, FieldFinder, overlap
from edge.phantom.chrome import LAYOUTS
from edge.phantom.cine import CineOptions, make_cine
from edge.sources.base import Pace
from edge.sources.still import StillSource
from edge.sources.video import VideoSource
from tests.clips import i420, tissue

FIELD = (180, 60, 260, 280)


def screen(seed, field=FIELD):
    picture = tissue(seed, 400, 640, field)
    cv2.putText(picture, "CLINIC NORTH  12.03.2031", (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 200, 1)
    cv2.rectangle(picture, (600, 40), (610, 200), 180, -1)  # grey bar
    for y in range(60, 340, 20):
        cv2.line(picture, (450, y), (458, y), 210, 2)  # depth ticks
    return picture


def find(pictures):
    finder = FieldFinder()
    return [finder.look(i420(picture)) for picture in pictures]


def close(found, expected, pixels):
    return all(
        abs(a - b) <= pixels
        for a, b in zip(
            (found.x, found.y, found.right, found.bottom),
            (expected[0], expected[1], expected[0] + expected[2], expected[1] + expected[3]),
            strict=True,
        )
    )


def test_moving_tissue_is_found_after_some_frames_and_held():
    found = find([screen(i) for i in range(FRAMES + 3)])
    assert found[: FRAMES - 1] == [None] * (FRAMES - 1)
    assert close(found[FRAMES - 1], FIELD, 8)
    assert len(set(found[FRAMES - 1 :])) == 1


def test_still_tissue_is_found_by_its_texture():
    assert close(find([screen(1)] * FRAMES)[-1], FIELD, 26)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("geometry", ["linear", "sector"])
@pytest.mark.parametrize(("seed", "size"), [(1, (1920, 1080)), (2, (1280, 720)), (3, (640, 480))])
def test_field_of_a_still_probe_keeps_out_of_the_header(layout, geometry, seed, size):
    options = CineOptions(seed, "benign", *size, layout, geometry, "still", 2)
    cine = make_cine(options, lambda done: None)
    found, truth = find([cine.frame(i) for i in range(FRAMES)])[-1], cine.field
    pixel = size[0] / 320  # of the small picture that is looked at
    grown = Roi(
        int(truth.x - 1.5 * pixel),
        int(truth.y - 1.5 * pixel),
        int(truth.width + 3 * pixel),
        int(truth.height + 3 * pixel),
    )
    assert found.inside(grown)
    assert found.y > 0.06 * size[1]  # the header with the patient's name ends at 0.055
    assert found.width * found.height > 0.85 * truth.width * truth.height


@pytest.mark.parametrize(
    ("name", "header"), [("US1_J2KR.dcm", 106), ("gdcm-US-ALOKA-16.dcm", 24)], ids=["scattered", "bar"]
)
def test_field_of_a_real_still_keeps_out_of_the_header(name, header):
    path = Path(os.environ.get("SONOCART_DATA", "../shared/data")) / "dicom" / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    source, finder = StillSource(path), FieldFinder()
    found = [finder.look(source.read()) for _ in range(FRAMES)][-1]
    assert found.y >= header
    assert found.width * found.height > 0.4 * 640 * 240


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("motion", ["sweep", "still"])
def test_no_rim_of_the_screen_is_in_the_field(layout, motion):
    options = CineOptions(2, "benign", 1280, 720, layout, "linear", motion, 6)
    cine = make_cine(options, lambda done: None)
    found = find([cine.frame(i) for i in range(FRAMES)])[-1]
    assert found.inside(cine.field)  # a network finds a dark rim unlike its training images
    assert overlap(found, cine.field) > 0.95


def noisy(luma, level, seed):
    noise = np.random.default_rng(seed).normal(0, level, luma.shape)
    return np.clip(np.rint(luma + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("motion", ["sweep", "still"])
@pytest.mark.parametrize("level", [4, 12])
def test_header_is_no_field_in_a_converters_noise(level, motion):
    cine = make_cine(CineOptions(5, "benign", 640, 480, "aster", "linear", motion, 6), lambda done: None)
    found = find([noisy(cine.frame(i), level, i) for i in range(FRAMES)])[-1]
    assert found is not None
    assert found.y > 0.06 * 480
    assert overlap(found, cine.field) > 0.6


def test_noise_is_measured_between_the_black_bars_that_a_converter_adds():
    pictures = [
        cv2.copyMakeBorder(noisy(screen(i), 8, i), 0, 0, 90, 90, cv2.BORDER_CONSTANT, value=16)
        for i in range(FRAMES)
    ]
    x, y, width, height = FIELD
    assert close(find(pictures)[-1], (x + 90, y, width, height), 12)


def test_screen_without_tissue_has_no_field_in_noise_either_and_is_told_in_the_end():
    blank = screen(0)
    blank[60:340, 180:440] = 16
    finder = FieldFinder()
    for i in range(TRIES * FRAMES):
        assert finder.tries < TRIES
        assert finder.look(i420(noisy(blank, 8, i))) is None
    assert finder.tries == TRIES


def test_black_screen_with_text_has_no_field_and_keeps_looking():
    blank = screen(0)
    blank[60:340, 180:440] = 16
    finder = FieldFinder()
    assert [finder.look(i420(blank)) for _ in range(FRAMES)][-1] is None
    assert [finder.look(i420(screen(i))) for i in range(FRAMES)][-1] is not None


def test_field_that_the_source_names_holds_from_the_first_picture_unless_the_operator_draws_one():
    finder, named, drawn = FieldFinder(None, Roi(200, 80, 200, 200)), Roi(200, 80, 200, 200), Roi(*FIELD)
    assert {finder.look(i420(screen(i))) for i in range(2 * FRAMES)} == {named}
    finder.draw(i420(screen(0)), drawn)
    assert {finder.look(i420(screen(i))) for i in range(2 * FRAMES)} == {drawn}
    finder.undraw(i420(screen(0)))
    assert {finder.look(i420(screen(i))) for i in range(2 * FRAMES)} == {named}
    assert finder.look(i420(tissue(0, 100, 120))) is None  # another screen, of which it says nothing


def test_other_geometry_is_looked_at_anew():
    finder = FieldFinder()
    for i in range(FRAMES):
        finder.look(i420(screen(i)))
    assert finder.field is not None
    assert finder.look(i420(tissue(0, 96, 128))) is None


def test_real_clip():
    data = Path(os.environ.get("SONOCART_DATA", "../shared/data"))
    clip = data / "clips" / "clarius-ocular-short.mp4"
    if not clip.exists():
        pytest.skip(f"{clip} is not here")
    source = VideoSource(clip, pace=Pace.MAX)
    finder = FieldFinder()
    found = [finder.look(source.read()) for _ in range(FRAMES)][-1]
    assert close(found, (264, 86, 752, 780), 12)


def test_sector_is_found_by_its_bounding_rectangle():
    mask = np.zeros((400, 640), np.uint8)
    cv2.ellipse(mask, (320, 20), (320, 320), 0, 45, 135, 1, -1)
    pictures = [
        np.where(mask, tissue(i, 400, 640, (0, 0, 640, 400)), 16).astype(np.uint8) for i in range(FRAMES)
    ]
    left, top, width, height = cv2.boundingRect(mask)
    found = find(pictures)[-1]
    assert isinstance(found, Roi)
    assert close(found, (left, top, width, height), 24)


def test_overlap():
    assert overlap(Roi(0, 0, 10, 10), Roi(0, 0, 10, 10)) == 1
    assert overlap(Roi(0, 0, 10, 10), Roi(5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap(Roi(0, 0, 10, 10), Roi(20, 0, 10, 10)) == 0
