"""The field is found among a scanner's text, bars and ticks."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.exam.roi import FRAMES, FieldFinder
from edge.sources.base import Pace
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


def test_black_screen_with_text_has_no_field_and_keeps_looking():
    blank = screen(0)
    blank[60:340, 180:440] = 16
    finder = FieldFinder()
    assert [finder.look(i420(blank)) for _ in range(FRAMES)][-1] is None
    assert [finder.look(i420(screen(i))) for i in range(FRAMES)][-1] is not None


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
