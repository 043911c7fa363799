"""The same kernels on a GPU: equal to what the CPU build gives, bit by bit."""

import numpy as np
import pytest

from edge.blit import encoding_of, make_sprite, paste
from edge.contract.frame import PixelFormat
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.engines.cuda import load_driver
from edge.engines.device_frame import DevicePanel, DevicePrepare, plan_launch
from edge.errors import UnavailableError
from tests.engines.speckled import make_frame
from tests.engines.test_kernels import layout_of, run

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def driver():
    pytest.importorskip("pycuda.driver", reason="no pycuda")
    try:
        return load_driver()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def cuda(driver):
    """pycuda with the primary context current."""
    import pycuda.driver as cuda

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    yield cuda
    context.pop()


def upload(cuda, plane):
    """A plane on the device with the gaps between its rows."""
    address = cuda.mem_alloc(plane.shape[0] * plane.strides[0])
    cuda.memcpy_htod(address, as_bytes(plane))
    return address


def as_bytes(plane):
    rows = np.zeros((plane.shape[0], plane.strides[0]), np.uint8)
    rows[:, : plane[0].size] = plane.reshape(plane.shape[0], -1)
    return rows


@pytest.mark.parametrize("full_range", [True, False], ids=["full", "limited"])
@pytest.mark.parametrize("layout", PixelFormat)
def test_tensor_is_that_of_the_cpu_build_and_within_a_grey_level_of_prepare(
    driver, cuda, kernels, layout, full_range
):
    frame = make_frame(layout, full_range=full_range, width=1920, height=1080)
    roi = Roi(303, 101, 1207, 893)
    kernel = DevicePrepare(driver)
    kernel.configure(plan_launch(layout_of(frame), roi, 224, 224))
    stream = cuda.Stream()
    plane, tensor = upload(cuda, frame.planes[0]), cuda.mem_alloc(224 * 224)
    kernel.start(int(plane), int(tensor), stream)
    stream.synchronize()
    found = np.empty((1, 1, 224, 224), np.uint8)
    cuda.memcpy_dtoh(found, tensor)
    assert np.array_equal(found, run(kernels, frame, roi, 224, 224))
    assert np.abs(found.astype(int) - prepare(frame, roi, 224, 224)).max() <= 1


@pytest.mark.parametrize("layout", PixelFormat)
def test_panel_is_what_the_overlay_pastes_and_nothing_else_is_touched(driver, cuda, layout):
    frame = make_frame(layout)
    rgb = np.random.default_rng(1).integers(0, 255, (40, 60, 3), np.uint8)
    sprite = make_sprite(rgb, encoding_of(frame))
    panel, stream = DevicePanel(driver), cuda.Stream()
    planes = [upload(cuda, plane) for plane in frame.planes]
    parts = [cuda.to_device(np.ascontiguousarray(part)) for part in sprite.planes]
    for index, (plane, part) in enumerate(zip(frame.planes, sprite.planes, strict=True)):
        x, y = (50, 30) if index else (100, 60)
        first = int(planes[index]) + y * plane.strides[0] + x * plane.strides[1]
        shape = (part.shape[0], part[0].size)
        panel.start(first, plane.strides[0], int(parts[index]), shape, stream)
    stream.synchronize()
    paste(frame, sprite, 100, 60)
    for plane, address in zip(frame.planes, planes, strict=True):
        expected = as_bytes(plane)
        found = np.empty_like(expected)
        cuda.memcpy_dtoh(found, address)
        assert np.array_equal(found, expected)
