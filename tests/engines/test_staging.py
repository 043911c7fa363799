"""Frames made tensors on the device: the engine's own way from a frame, and the way back to the CPU."""

import numpy as np
import pytest

from edge.blit import encoding_of, make_sprite, paste
from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.engines.base import EngineError
from edge.engines.cuda import Device
from edge.engines.device_frame import DevicePanel
from edge.engines.staging import STAGED_BYTES
from edge.engines.tensorrt import TensorrtEngine
from edge.engines.worker import EngineWorker, Job
from edge.timing import Timing
from tests.engines.fake_gpu import FakeDriver, Gpu
from tests.engines.speckled import make_frame
from tests.networks import residual_spec

ROI = Roi(7, 3, 181, 160)
SHAPE = residual_spec().input.shape


@pytest.fixture
def gpu(monkeypatch, kernels):
    fake = Gpu(residual_spec(), lambda frame: float(frame.mean()) / 255)
    fake.heatmap = lambda frame: frame[0, :, ::4, ::4].astype(np.float32) / 255
    fake.kernels = kernels
    fake.install(monkeypatch)
    return fake


def load(gpu):
    return TensorrtEngine(b"plan", gpu.spec, "int8", FakeDriver(gpu))


@pytest.mark.parametrize("integrated", [False, True], ids=["copied", "mapped"])
@pytest.mark.parametrize("full_range", [True, False], ids=["full", "limited"])
@pytest.mark.parametrize("layout", PixelFormat)
def test_the_network_sees_what_prepare_makes(gpu, layout, full_range, integrated):
    gpu.device_facts = Device("Fake", 87, integrated=integrated, cuda="12.6")
    engine = load(gpu)
    frame = make_frame(layout, full_range=full_range)
    assert engine.stage(frame, ROI)
    found, tensor = engine.infer_staged()
    assert np.abs(tensor.astype(int) - prepare(frame, ROI, SHAPE[3], SHAPE[2])).max() <= 1
    expected = engine.infer(prepare(frame, ROI, SHAPE[3], SHAPE[2]))
    assert found.risk == pytest.approx(expected.risk, abs=0.1 / 255)
    assert np.abs(found.heatmap - expected.heatmap).max() < 1.01 / 255


def test_frame_may_be_overwritten_once_it_is_staged(gpu):
    engine = load(gpu)
    frame = make_frame(PixelFormat.GRAY8)
    expected = engine.infer(prepare(frame, ROI, SHAPE[3], SHAPE[2])).risk
    engine.stage(frame, ROI)
    frame.planes[0][:] = 255
    assert engine.infer_staged()[0].risk == pytest.approx(expected, abs=0.1 / 255)


def test_another_region_and_another_format_are_laid_out_anew(gpu):
    engine = load(gpu)
    for layout, roi in (
        (PixelFormat.NV12, ROI),
        (PixelFormat.NV12, Roi(0, 0, 300, 40)),
        (PixelFormat.YUYV, Roi(0, 0, 300, 40)),
    ):
        frame = make_frame(layout)
        engine.stage(frame, roi)
        expected = engine.infer(prepare(frame, roi, SHAPE[3], SHAPE[2])).risk
        assert engine.infer_staged()[0].risk == pytest.approx(expected, abs=0.1 / 255)


def test_asking_before_a_frame_is_staged_does_not_end_the_engine(gpu):
    engine = load(gpu)
    with pytest.raises(EngineError, match="no frame is staged"):
        engine.infer_staged()
    assert engine.stage(make_frame(PixelFormat.GRAY8), ROI)
    assert engine.infer_staged()[0].risk > 0


def ask(worker, frame, roi):
    tensor = np.full(SHAPE, 9, np.uint8)
    prepared = worker.prepare(frame, roi, tensor)
    worker.submit(Job(prepared, 1, 2))
    return prepared, worker.wait()


def test_worker_hands_frames_to_an_engine_that_takes_them(gpu):
    worker = EngineWorker(lambda: load(gpu), Timing())
    worker.wait_ready()
    frame = make_frame(PixelFormat.NV12)
    prepared, answer = ask(worker, frame, ROI)
    assert prepared is None
    assert np.abs(answer.tensor.astype(int) - prepare(frame, ROI, SHAPE[3], SHAPE[2])).max() <= 1
    expected = prepare(frame, ROI, SHAPE[3], SHAPE[2]).mean() / 255
    assert answer.inference.risk == pytest.approx(expected, abs=0.1 / 255)
    worker.close()


def test_without_kernels_for_this_gpu_the_cpu_prepares(gpu, caplog):
    gpu.kernels = None
    worker = EngineWorker(lambda: load(gpu), Timing())
    worker.wait_ready()
    frame = make_frame(PixelFormat.NV12)
    prepared, answer = ask(worker, frame, ROI)
    assert np.array_equal(prepared, prepare(frame, ROI, SHAPE[3], SHAPE[2]))
    assert answer.inference.risk == pytest.approx(prepared.mean() / 255)
    assert "no kernels for sm_87" in caplog.text
    worker.close()


def test_region_that_is_too_large_is_prepared_by_the_cpu(gpu):
    side = int(STAGED_BYTES**0.5) + 1
    frame = Frame(
        (np.zeros((side, side), np.uint8),), PixelFormat.GRAY8, 0, 0, full_range=True, matrix=Matrix.BT601
    )
    engine = load(gpu)
    assert not engine.stage(frame, frame.bounds)
    with pytest.raises(EngineError, match="no frame is staged"):
        engine.infer_staged()


def test_lost_context_and_silent_network_are_no_answer_on_this_way_either(gpu):
    engine = load(gpu)
    engine.stage(make_frame(PixelFormat.GRAY8), ROI)
    gpu.writes_nothing = True
    with pytest.raises(EngineError, match="no risk: nan"):
        engine.infer_staged()
    gpu.writes_nothing = False
    gpu.cuda_error = "cuLaunchKernel failed: CUDA_ERROR_ILLEGAL_ADDRESS"
    with pytest.raises(EngineError, match="ILLEGAL_ADDRESS"):
        engine.infer_staged()
    gpu.cuda_error = None
    with pytest.raises(EngineError, match="failed before"):
        engine.infer_staged()
    engine.close()
    assert gpu.pushed == 0


@pytest.mark.parametrize("layout", [PixelFormat.NV12, PixelFormat.YUYV, PixelFormat.BGR24])
def test_panel_is_blended_in_place_as_the_overlay_pastes_it(gpu, layout):
    expected, found = make_frame(layout), make_frame(layout)
    rgb = np.random.default_rng(1).integers(0, 255, (40, 60, 3), np.uint8)
    sprite = make_sprite(rgb, encoding_of(expected))
    paste(expected, sprite, 100, 60)
    panel = DevicePanel(FakeDriver(gpu))
    for index, (plane, part) in enumerate(zip(found.planes, sprite.planes, strict=True)):
        x, y = (50, 30) if index else (100, 60)
        compact = np.ascontiguousarray(part)
        pitch, pixel = plane.strides[:2]
        panel.start(
            plane.ctypes.data + y * pitch + x * pixel,
            pitch,
            compact.ctypes.data,
            (part.shape[0], part.shape[1] * pixel),
            None,
        )
    for a, b in zip(found.planes, expected.planes, strict=True):
        assert np.array_equal(a, b)
