"""Each gate closes on its fault, in every pixel format, and stays open on tissue."""

import cv2
import numpy as np
import pytest

from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.exam.gates import Gate, Gates, judge, measure, quality
from edge.phantom.modes import MODES, Scene, show
from edge.sources.faults import DRAWN
from tests.clips import i420, tissue

FIELD = Roi(160, 60, 320, 360)
MS = 1_000_000
EXPECTED = {
    "black": Gate.BLACK,
    "blue": Gate.FLAT,
    "menu": Gate.FLAT,
    "doppler": Gate.COLOUR,
    "caliper": Gate.MARKS,
    "text": Gate.MARKS,
    "dual": Gate.DUAL,
    "air": Gate.AIR,
    "noise": Gate.NOISE,
}


def frame_as(pixel_format, seed):
    grey = tissue(seed, 480, 640, (160, 60, 320, 360))
    half = np.full((240, 320), 128, np.uint8)
    full = np.clip((grey.astype(int) - 16) * 255 // 219, 0, 255).astype(np.uint8)
    rgb = np.dstack([full] * 3)
    planes, full_range = {
        PixelFormat.GRAY8: ((full,), True),
        PixelFormat.I420: ((grey, half, half.copy()), False),
        PixelFormat.NV12: ((grey, np.dstack([half, half])), False),
        PixelFormat.YUYV: ((np.dstack([grey, np.full_like(grey, 128)]),), False),
        PixelFormat.BGR24: ((rgb,), True),
        PixelFormat.RGB24: ((rgb,), True),
    }[pixel_format]
    return Frame(planes, pixel_format, 0, 0, full_range, Matrix.BT601)


def play(frames, step_ms=40, fresh=True):
    gates = Gates()
    return [gates.look(frame, FIELD, index * step_ms * MS, fresh) for index, frame in enumerate(frames)]


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_tissue_closes_no_gate(pixel_format):
    assert play([frame_as(pixel_format, i) for i in range(20)]) == [None] * 20


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize(("fault", "gate"), EXPECTED.items())
def test_fault_closes_its_gate_within_a_quarter_second(pixel_format, fault, gate):
    if pixel_format is PixelFormat.GRAY8 and fault == "doppler":
        pytest.skip("a grey picture has no colour")
    frames = [frame_as(pixel_format, i) for i in range(12)]
    for frame in frames:
        DRAWN[fault](frame)
    assert play(frames)[6:] == [gate] * 6


def test_gate_opens_again_after_some_good_looks():
    frames = [i420(tissue(i, 480, 640, (160, 60, 320, 360))) for i in range(30)]
    for frame in frames[:10]:
        DRAWN["doppler"](frame)
    said = play(frames)
    assert said[9] is said[14] is Gate.COLOUR
    assert said[-1] is None


def test_looks_are_no_more_frequent_than_ten_a_second(monkeypatch):
    looks = []
    monkeypatch.setattr("edge.exam.gates.judge", lambda features: looks.append(features))
    play([i420(tissue(0, 480, 640)) for _ in range(120)], step_ms=17)
    assert len(looks) <= 21


def test_frozen_picture_with_bright_fascia_has_no_caliper():
    picture = tissue(0, 480, 640, (160, 60, 320, 360))
    picture[200:202, 220:420] = 235
    assert play([i420(picture)] * 10, fresh=True)[-1] is Gate.MARKS
    assert play([i420(picture)] * 10, fresh=False)[-1] is None


def test_depth_marks_at_the_fields_edge_are_no_text():
    frames = []
    for i in range(10):
        picture = tissue(i, 480, 640, (160, 60, 320, 360))
        picture[80:400:12, 470:474] = 235
        frames.append(i420(picture))
    assert play(frames)[-1] is None


def features_of(frame):
    return measure(frame, FIELD, 0)


def test_tinted_picture_is_no_doppler():
    frame = i420(tissue(0, 480, 640, (160, 60, 320, 360)))
    frame.planes[1][:] = 100
    assert judge(features_of(frame)) is None


def test_shadow_from_the_skin_down_is_no_gap_unless_it_is_wholly_black():
    picture = tissue(0, 480, 640, (160, 60, 320, 360))
    picture[130:420, 300:330] = 16
    assert judge(features_of(i420(picture))) is None
    picture[60:420, 300:330] = 16
    assert judge(features_of(i420(picture))) is Gate.DUAL


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_a_scanner_closes_a_gate(mode):
    expected = {
        "doppler": Gate.COLOUR,
        "power": Gate.COLOUR,
        "elastography": Gate.COLOUR,
        "menu": Gate.MENU,
        "dual": Gate.DUAL,
        "air": Gate.AIR,
        "half-air": Gate.AIR,
        "glaring": Gate.BRIGHT,
        "blurred": Gate.BLURRED,
    }
    frames = [i420(tissue(i, 480, 640, (160, 60, 320, 360))) for i in range(12)]
    for number, frame in enumerate(frames):
        show(frame, mode, Scene(FIELD, Roi(250, 180, 120, 90), number))
    said = play(frames)[-1]
    assert said is expected.get(mode, said)
    assert said is not None


@pytest.mark.parametrize("kind", ["white", "tuned", "scaled", "encoded", "weak"])
def test_snow_of_every_kind_is_no_ultrasound(kind):
    rng = np.random.default_rng(0)
    snow = rng.integers(16, 236, (480, 640), np.uint8)
    snow = {
        "white": snow,
        "tuned": cv2.blur(snow, (3, 1)),  # a tuner's bandwidth is less than that of the samples
        "scaled": cv2.resize(snow[:320, :427], (640, 480), interpolation=cv2.INTER_LINEAR),
        "encoded": cv2.imdecode(cv2.imencode(".jpg", snow, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 0),
        "weak": np.clip(rng.normal(60, 12, (480, 640)), 16, 235).astype(np.uint8),
    }[kind]
    frame = i420(np.asarray(snow, np.uint8))
    for field in (FIELD, frame.bounds):
        assert judge(measure(frame, field, 0)) is Gate.NOISE


def test_speckle_without_any_structure_is_no_noise():
    found = features_of(i420(tissue(0, 480, 640, (160, 60, 320, 360))))
    assert found.patchy < 0.3
    assert judge(found) is None


def test_quality_falls_before_the_gate_closes():
    good, dimmed = (i420(tissue(0, 480, 640, (160, 60, 320, 360))) for _ in range(2))
    luma = dimmed.planes[0]
    luma[:] = np.clip((luma.astype(int) - 16) * 0.6 + 16, 16, 235).astype(np.uint8)
    assert 0.1 < quality(features_of(dimmed)) < quality(features_of(good))
    assert judge(features_of(dimmed)) is None


def test_screen_beside_a_sector_is_no_menu():
    picture = tissue(0, 480, 640, (160, 60, 320, 360))
    picture[60:420, 160:230] = 28
    assert judge(features_of(i420(picture))) is None
