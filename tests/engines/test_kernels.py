"""The CUDA kernels, compiled for the CPU from the same source and held to `prepare` and `paste`."""

import ctypes

import numpy as np
import pytest

from edge.blit import encoding_of, make_sprite, paste
from edge.contract.frame import PixelFormat
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.engines.device_frame import TILE, Layout, plan_launch
from edge.engines.taps import area_taps, linear_taps
from edge.errors import DataError
from tests.engines.speckled import HEIGHT, WIDTH, make_frame


def layout_of(frame):
    return Layout(frame.format, frame.bounds, frame.planes[0].strides[0], frame.full_range)


def run(kernels, frame, roi, width, height, threads=1):
    launch = plan_launch(layout_of(frame), roi, width, height)
    tensor = np.full((1, 1, height, width), 77, np.uint8)
    pointer = lambda array: ctypes.c_void_p(array.ctypes.data)  # noqa: E731
    tables = [np.ascontiguousarray(a) for t in (launch.rows, launch.columns) for a in (t.first, t.weights)]
    intact = kernels.run_prepare(
        launch.grid[0],
        launch.grid[1],
        threads,
        launch.shared,
        ctypes.c_void_p(frame.planes[0].ctypes.data + launch.skip),
        launch.pitch,
        launch.step,
        launch.colour,
        pointer(tables[0]),
        pointer(tables[1]),
        launch.rows.weights.shape[1],
        roi.height,
        pointer(tables[2]),
        pointer(tables[3]),
        launch.columns.weights.shape[1],
        roi.width,
        pointer(tensor),
        width,
        launch.inner.x,
        launch.inner.y,
        launch.inner.width,
        launch.inner.height,
        ctypes.c_float(launch.gain),
        ctypes.c_float(launch.offset),
        TILE,
    )
    assert intact, "the kernel wrote behind the shared memory that its launch asks for"
    return tensor


def levels(kernels, frame, roi, width, height, **options):
    found = run(kernels, frame, roi, width, height, **options).astype(int)
    return int(np.abs(found - prepare(frame, roi, width, height)).max())


@pytest.mark.parametrize("full_range", [True, False], ids=["full", "limited"])
@pytest.mark.parametrize("layout", PixelFormat)
@pytest.mark.parametrize(
    "roi",
    [
        Roi(0, 0, WIDTH, HEIGHT),
        Roi(33, 21, 256, 128),  # whole multiples of the tensor
        Roi(7, 3, 181, 199),  # neither
        Roi(100, 50, 40, 30),  # enlarged
        Roi(5, 100, 300, 3),  # nearly a line
        Roi(11, 0, 2, 200),
    ],
    ids=str,
)
def test_every_format_is_within_a_grey_level_of_prepare(kernels, layout, full_range, roi):
    frame = make_frame(layout, full_range=full_range)
    assert levels(kernels, frame, roi, 64, 64) <= 1


@pytest.mark.parametrize("seed", range(12))
def test_random_regions_and_tensors_are_within_a_grey_level(kernels, seed):
    rng = np.random.default_rng(seed)
    formats = list(PixelFormat)
    frame = make_frame(formats[seed % len(formats)], full_range=bool(seed % 2), seed=seed)
    for _ in range(10):
        x, y = int(rng.integers(0, WIDTH - 2)), int(rng.integers(0, HEIGHT - 2))
        roi = Roi(x, y, int(rng.integers(1, WIDTH - x + 1)), int(rng.integers(1, HEIGHT - y + 1)))
        width, height = (int(side) for side in rng.integers(8, 150, 2))
        assert levels(kernels, frame, roi, width, height) <= 1, (roi, width, height)


def test_full_hd_field_into_the_networks_sizes(kernels):
    frame = make_frame(PixelFormat.NV12, full_range=False, width=1920, height=1080)
    for size in (128, 224):
        assert levels(kernels, frame, Roi(303, 101, 1207, 893), size, size) <= 1


@pytest.mark.parametrize("threads", [2, 7])
def test_block_size_changes_nothing(kernels, threads):
    frame = make_frame(PixelFormat.YUYV)
    roi = Roi(7, 3, 181, 199)
    assert np.array_equal(run(kernels, frame, roi, 70, 50), run(kernels, frame, roi, 70, 50, threads=threads))


def test_most_pixels_are_equal_and_not_merely_near(kernels):
    frame = make_frame(PixelFormat.GRAY8)
    roi = Roi(7, 3, 181, 199)
    assert np.mean(run(kernels, frame, roi, 64, 64) == prepare(frame, roi, 64, 64)) > 0.999


def test_colour_is_opencvs_luma_exactly(kernels):
    """A region of the tensor's own size is copied pixel by pixel, so only the luma is at work."""
    for layout in (PixelFormat.BGR24, PixelFormat.RGB24):
        frame = make_frame(layout)
        roi = Roi(10, 10, 64, 64)
        assert np.array_equal(run(kernels, frame, roi, 64, 64), prepare(frame, roi, 64, 64))


def test_region_outside_the_frame_is_refused():
    layout = Layout(PixelFormat.GRAY8, Roi(0, 0, 100, 100), 100, full_range=True)
    with pytest.raises(DataError, match="leaves the frame"):
        plan_launch(layout, Roi(50, 0, 51, 10), 32, 32)


@pytest.mark.parametrize("make", [area_taps, linear_taps])
@pytest.mark.parametrize(("source", "target"), [(100, 10), (101, 10), (7, 7), (1, 1), (3, 2), (1, 5), (2, 9)])
def test_weights_sum_to_one_and_stay_inside(make, source, target):
    taps = make(source, target)
    assert np.allclose(taps.weights.sum(axis=1), 1, atol=1e-6)
    last = taps.first[:, None] + np.arange(taps.weights.shape[1])
    assert np.all(taps.weights[last >= source] == 0)
    assert taps.first.min() >= 0


@pytest.mark.parametrize("layout", PixelFormat)
def test_opaque_panel_is_what_the_overlay_pastes(kernels, layout):
    expected, found = make_frame(layout), make_frame(layout)
    rgb = np.random.default_rng(1).integers(0, 255, (40, 60, 3), np.uint8)
    sprite = make_sprite(rgb, encoding_of(expected))
    paste(expected, sprite, 100, 60)
    for index, (plane, part) in enumerate(zip(found.planes, sprite.planes, strict=True)):
        x, y = (50, 30) if index else (100, 60)
        blend(kernels, plane, part, x, y, 255)
    for a, b in zip(found.planes, expected.planes, strict=True):
        assert np.array_equal(a, b)


def test_alpha_mixes_and_rounds_to_the_nearest(kernels):
    plane, sprite = np.full((6, 50), 200, np.uint8), np.full((4, 40), 20, np.uint8)
    blend(kernels, plane, sprite, 3, 1, 64)
    expected = round((20 * 64 + 200 * 191) / 255)
    assert np.all(plane[1:5, 3:43] == expected)
    assert np.all(plane[0] == 200)
    assert np.all(plane[:, :3] == 200)
    assert np.all(plane[:, 43:] == 200)


def blend(kernels, plane, part, x, y, alpha):
    pixel = plane.strides[1]
    target = plane.ctypes.data + y * plane.strides[0] + x * pixel
    kernels.run_blend(
        2,
        part.shape[0],
        3,
        ctypes.c_void_p(target),
        plane.strides[0],
        ctypes.c_void_p(part.ctypes.data),
        part.strides[0],
        part.shape[1] * pixel,
        alpha,
    )
