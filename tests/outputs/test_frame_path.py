"""On a frame's way nothing of a frame's size is copied, converted or allocated, but for the one copy out of
the decoder. NumPy and OpenCV tell tracemalloc of every array, so bytes can be counted.
"""

import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.contract.frame import Matrix
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.engines.base import Inference
from edge.engines.worker import Answer
from edge.exam.examination import Examination
from edge.exam.reading import Identity
from edge.exam.signal import State
from edge.outputs.overlay import Overlay
from edge.outputs.planes import as_jfif, as_jpeg
from edge.sources.base import Pace
from edge.sources.video import VideoSource
from edge.timing import Timing
from tests.clips import i420, tissue, write_clip
from tests.outputs.test_overlay import LIT, reading

HEIGHT, WIDTH = 1080, 1920
LUMA = HEIGHT * WIDTH
SECOND = 1_000_000_000
FIELD = Roi(450, 78, 1020, 942)
IDENTITY = Identity("parotid", "a1b2c3d4e5f6", "int8")


@pytest.fixture(scope="module")
def lumas():
    """Speckle of some pixels' size: finer one, new in each picture, is a converter's noise and no field."""
    small = [tissue(seed, HEIGHT // 4, WIDTH // 4, (112, 19, 256, 236)) for seed in range(3)]
    return [cv2.resize(luma, (WIDTH, HEIGHT)) for luma in small]


@pytest.fixture
def frames(lumas):
    return [i420(luma, sequence=k, captured_ns=k * 40_000_000) for k, luma in enumerate(lumas)]


def bytes_allocated(action):
    """The most memory that `action` held at a time beyond what was there before."""
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        action()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_counting_sees_a_copied_plane(frames):
    assert bytes_allocated(lambda: frames[0].planes[0].copy()) >= LUMA
    assert bytes_allocated(lambda: cv2.LUT(frames[0].planes[0], np.arange(256, dtype=np.uint8))) >= LUMA


def test_looking_at_a_frame_copies_some_rows_alone(frames):
    examination = Examination("field")
    for k in range(7):
        examination.look(frames[k % 3], k)
    assert examination.region is not None
    assert bytes_allocated(lambda: examination.look(frames[1], 9)) < 0.05 * LUMA


def test_a_look_of_the_gates_uses_its_pictures_again(frames):
    examination = Examination("field")
    for k in range(12):
        examination.look(frames[k % 3], k * SECOND)
    assert bytes_allocated(lambda: examination.look(frames[1], 12 * SECOND)) < 0.25 * LUMA


def test_nothing_is_left_behind_in_a_steady_state(frames):
    examination, overlay, timing = Examination("field"), Overlay(IDENTITY), Timing()
    out = np.empty((1, 1, 224, 224), np.uint8)
    heat = np.zeros((7, 7), np.float32)

    def show(k):
        frame = replace(frames[k % 3], sequence=k, captured_ns=k * SECOND // 25)
        with timing.stage("frame"):
            examination.look(frame, frame.captured_ns)
            prepare(frame, FIELD, 224, 224, out=out)
            examination.aim(FIELD, (224, 224))
            examination.ask(out)
            examination.take(Answer(k, frame.captured_ns, Inference(0.5, heat, 0.0), ""))
            overlay.draw(frame, reading(field=FIELD), LIT)

    for k in range(100):
        show(k)
    tracemalloc.start()
    try:
        show(100)
        before = tracemalloc.get_traced_memory()[0]
        for k in range(101, 151):
            show(k)
        assert tracemalloc.get_traced_memory()[0] - before < 50 * 1024
    finally:
        tracemalloc.stop()


def test_preparing_needs_some_copies_of_the_tensor_and_none_of_the_frame(frames):
    out = np.empty((1, 1, 224, 224), np.uint8)
    prepare(frames[0], FIELD, 224, 224, out=out)
    assert bytes_allocated(lambda: prepare(frames[1], FIELD, 224, 224, out=out)) < 40 * out.size


def test_drawing_what_is_drawn_already_allocates_what_it_covers_and_no_more(frames):
    overlay = Overlay(IDENTITY)
    overlay.draw(frames[0], reading(field=FIELD), LIT)
    covered = 1.5 * overlay.place.width * overlay.place.height
    assert bytes_allocated(lambda: overlay.draw(frames[1], reading(field=FIELD), LIT)) < covered + 30_000


def test_drawing_anew_allocates_some_panels_and_no_frame(frames):
    overlay = Overlay(IDENTITY)
    overlay.draw(frames[0], reading(field=FIELD), LIT)
    frozen = reading(field=FIELD, state=State.FROZEN, reason="picture frozen for 1 s")
    panel = 3 * overlay._place.width * overlay._place.height
    assert bytes_allocated(lambda: overlay.draw(frames[1], frozen, LIT)) < 5 * panel


def test_encoding_uses_its_planes_again(frames):
    overlay = Overlay(IDENTITY)
    for frame in frames:
        overlay.draw(frame, reading(field=FIELD), LIT)
    as_jfif(frames[0])
    converted = bytes_allocated(lambda: as_jfif(frames[1]))
    panel = 3 * overlay._place.width * overlay._place.height
    assert converted < 3 * panel
    assert bytes_allocated(lambda: as_jpeg(frames[2], 80)) < 0.5 * LUMA


def test_full_range_planes_go_to_the_encoder_as_they_are(lumas):
    frame = i420(lumas[0], full_range=True, matrix=Matrix.BT601)
    assert all(np.shares_memory(a, b) for a, b in zip(as_jfif(frame), frame.planes, strict=True))


def test_overlay_leaves_colour_in_the_panel_alone(frames):
    overlay = Overlay(IDENTITY)
    overlay.draw(frames[0], reading(field=FIELD), LIT)
    place = overlay._place
    for plane in frames[0].planes[1:]:
        plane[place.y // 2 : place.bottom // 2, place.x // 2 : place.right // 2] = 128
        assert np.all(plane == 128)


def test_decoded_pictures_are_copied_once_into_memory_that_is_used_again(tmp_path, lumas):
    clip = write_clip(tmp_path / "clip.mp4", lumas * 3)
    source = VideoSource(clip, pace=Pace.MAX)
    for _ in range(3):
        source.read()
    for _ in range(4):
        allocated = bytes_allocated(source.read)
        assert allocated < 0.05 * LUMA
    first, second = source.read(), source.read()
    held = [plane.base for plane in (*first.planes, *second.planes)]
    assert all(base is held[0] for base in held[:3])
    assert held[3] is not held[0]
    source.close()
