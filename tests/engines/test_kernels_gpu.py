"""The same kernels on a GPU: equal to what the CPU build gives, bit by bit."""

import numpy as np
import pytest

from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.engines.cuda import load_driver
from edge.engines.device_frame import DevicePrepare, Layout, plan_launch
from edge.errors import UnavailableError

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def driver():
    pytest.importorskip("pycuda.driver", reason="no pycuda")
    try:
        return load_driver()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("layout", [PixelFormat.GRAY8, PixelFormat.YUYV, PixelFormat.BGR24])
def test_kernel_on_the_gpu_is_within_a_grey_level_of_prepare(driver, layout):
    import pycuda.driver as cuda

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    try:
        channels = {PixelFormat.GRAY8: (), PixelFormat.YUYV: (2,), PixelFormat.BGR24: (3,)}[layout]
        picture = np.random.default_rng(0).integers(0, 255, (1080, 1920, *channels), np.uint8)
        frame = Frame((picture,), layout, 0, 0, full_range=False, matrix=Matrix.BT601)
        roi = Roi(303, 101, 1207, 893)
        kernel = DevicePrepare(driver)
        kernel.configure(plan_launch(Layout(layout, frame.bounds, picture.strides[0], False), roi, 224, 224))
        stream = cuda.Stream()
        plane, tensor = cuda.to_device(picture), cuda.mem_alloc(224 * 224)
        kernel.start(int(plane), int(tensor), stream)
        stream.synchronize()
        found = np.empty((1, 1, 224, 224), np.uint8)
        cuda.memcpy_dtoh(found, tensor)
        assert np.abs(found.astype(int) - prepare(frame, roi, 224, 224)).max() <= 1
    finally:
        context.pop()
