"""The burnt-in counter names its frame or nothing."""

import cv2
import numpy as np
import pytest

from edge.phantom.counter import draw_counter, read_counter


def frame(height: int = 720, width: int = 1280) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8)


@pytest.mark.parametrize("height", [360, 480, 720, 768, 1080, 2160])
@pytest.mark.parametrize("count", [0, 1, 255, 256, 123456, (1 << 24) - 1])
def test_counter_comes_back_at_every_size(height: int, count: int) -> None:
    luma = frame(height, height * 4 // 3)
    draw_counter(luma, count)
    assert read_counter(luma) == count


def test_counter_starts_again_after_24_bits() -> None:
    luma = frame()
    draw_counter(luma, (1 << 24) + 5)
    assert read_counter(luma) == 5


def test_counter_survives_scaling_limited_range_and_jpeg() -> None:
    luma = frame(1080, 1920)
    draw_counter(luma, 98765)
    small = cv2.resize(luma, (1280, 720), interpolation=cv2.INTER_AREA)
    limited = np.rint(16 + small * (219 / 255)).astype(np.uint8)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", limited, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0)
    assert read_counter(jpeg) == 98765


def test_frames_without_a_counter_read_as_none() -> None:
    assert read_counter(np.zeros((720, 1280), np.uint8)) is None
    assert read_counter(frame()) is None
    assert read_counter(np.zeros((720, 100), np.uint8)) is None


def test_a_damaged_counter_reads_as_none() -> None:
    luma = frame()
    draw_counter(luma, 1)
    for block in range(40):
        damaged = luma.copy()
        part = damaged[704:712, 8 + 8 * block : 16 + 8 * block]
        part[:] = 255 - part
        assert read_counter(damaged) is None
