"""The TensorRT engine's control flow, with a fake at the binding line. No GPU has been here."""

import sys
import threading

import msgspec
import numpy as np
import pytest

from edge.contract.bundle import open_bundle
from edge.contract.frame import still
from edge.contract.roi import Roi
from edge.contract.spec import TensorSpec
from edge.engines.base import EngineError, TimedEngine
from edge.engines.choose import open_engine
from edge.engines.cuda import Device
from edge.engines.onnx import OnnxEngine
from edge.engines.tensorrt import TensorrtEngine, tensorrt_engine
from edge.engines.tensorrt_key import machine_key
from edge.engines.tensorrt_log import make_recorder
from edge.errors import NoInputError, RefusedError, UnavailableError
from tests.engines.fake_gpu import FakeDriver, Gpu, with_plan
from tests.networks import residual_spec, write_bundle, write_study


def mean(frame):
    return float(frame.mean()) / 255


@pytest.fixture
def gpu(monkeypatch):
    fake = Gpu(residual_spec(), mean)
    fake.install(monkeypatch)
    return fake


def load(gpu, **options):
    return TensorrtEngine(b"plan", gpu.spec, "int8", FakeDriver(gpu), **options)


def tensor(level):
    return np.full(residual_spec().input.shape, level, np.uint8)


@pytest.mark.parametrize("integrated", [False, True])
def test_each_frame_gets_its_own_fresh_outputs(gpu, integrated):
    gpu.device_facts = Device("Fake", 87, integrated=integrated, cuda="12.6")
    engine = load(gpu)
    first, second = engine.infer(tensor(51)), engine.infer(tensor(204))
    assert first.risk == pytest.approx(0.2)
    assert second.risk == pytest.approx(0.8)
    assert first.heatmap.shape == (8, 8)
    assert np.all(first.heatmap == pytest.approx(0.1))  # not overwritten by the second
    assert first.ood == pytest.approx(0.6)
    assert gpu.log.count("launch") == 2
    assert gpu.log.count("capture") == 1


def test_driver_is_asked_before_any_call_of_tensorrt(gpu):
    load(gpu)
    assert gpu.log.index("device") < gpu.log.index("init") < gpu.log.index("runtime")


@pytest.mark.parametrize(("spin", "flags"), [(False, 3), (True, 2)])
def test_waits_by_blocking_unless_told_to_spin(gpu, spin, flags):
    load(gpu, spin=spin)
    assert f"event {flags}" in gpu.log


def test_another_thread_may_not_use_it(gpu):
    engine = load(gpu)
    caught = []

    def use():
        try:
            engine.infer(tensor(0))
        except EngineError as error:
            caught.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "belongs to the thread" in caught[0]


def test_closing_gives_the_context_back_once(gpu):
    engine = load(gpu)
    assert gpu.pushed == 1
    engine.close()
    engine.close()
    assert gpu.pushed == 0
    assert "graph closed" in gpu.log
    with pytest.raises(EngineError, match="closed"):
        engine.infer(tensor(0))


def test_a_closed_engine_holds_nothing_of_cuda_and_takes_no_frame(gpu):
    engine = load(gpu)
    engine.close()
    held = [name for name, value in vars(engine).items() if type(value).__module__.startswith("tests.")]
    assert held == ["_driver"]
    assert not engine.stage(still(np.zeros((64, 64), np.uint8)), Roi(0, 0, 64, 64))
    with pytest.raises(EngineError, match="closed"):
        engine.infer_staged()


def test_tensorrt_itself_finds_the_errors_that_were_recorded(gpu):
    """Its own code asks for `get_num_errors`, whatever the bindings call the method towards Python."""
    recorder = make_recorder()
    recorder.report_error(None, "out of memory")
    assert recorder.get_num_errors() == recorder.num_errors() == 1


def test_lost_context_raises_now_and_ever_after(gpu):
    engine = load(gpu)
    gpu.cuda_error = "cuGraphLaunch failed: CUDA_ERROR_ILLEGAL_ADDRESS (700)"
    with pytest.raises(EngineError, match="ILLEGAL_ADDRESS"):
        engine.infer(tensor(0))
    gpu.cuda_error = None
    with pytest.raises(EngineError, match=r"failed before.*ILLEGAL_ADDRESS"):
        engine.infer(tensor(0))
    engine.close()


def test_execution_that_writes_nothing_is_no_answer(gpu):
    engine = load(gpu)
    assert engine.infer(tensor(100)).risk > 0
    gpu.writes_nothing = True
    with pytest.raises(EngineError, match="no risk: nan"):
        engine.infer(tensor(100))


def test_refused_execution_carries_tensorrts_reason_and_gives_the_context_back(gpu):
    gpu.execute_error = "Error Code 1: Cuda Runtime (invalid resource handle)"
    with pytest.raises(EngineError, match="refused to execute: Error Code 1"):
        load(gpu)
    assert gpu.pushed == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"deserialize_error": "version tag does not match"}, "cannot load the plan: version tag"),
        ({"context_fails": True}, "memory full"),
        ({"uncapturable": True}, "EndCapture"),
        ({"cuda_error": "out of memory"}, "CUDA: out of memory"),
        ({"allocation_error": "pagelocked_empty failed"}, "CUDA: pagelocked_empty failed"),
    ],
)
def test_loading_fails_with_the_reason_and_gives_the_context_back(gpu, fault, message):
    for name, value in fault.items():
        setattr(gpu, name, value)
    with pytest.raises(EngineError, match=message):
        load(gpu)
    assert gpu.pushed == 0


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("frame", {"name": "image"}, "no tensor 'frame'"),
        ("frame", {"shape": (1, 3, 32, 32)}, "expected"),
        ("risk", {"dtype": "int64"}, "'risk' is"),
        ("heatmap", {"shape": (1, 4, 4)}, "'heatmap' is"),
    ],
)
def test_plan_with_other_tensors_than_the_contract_is_refused(gpu, name, changes, message):
    altered = msgspec.structs.replace(gpu.tensors.pop(name), **changes)
    assert isinstance(altered, TensorSpec)
    gpu.tensors[altered.name] = altered
    with pytest.raises(EngineError, match=message):
        load(gpu)


def test_wrong_tensor_is_refused_before_it_reaches_the_gpu(gpu):
    engine = load(gpu)
    for wrong in (np.zeros((1, 1, 8, 8), np.uint8), np.zeros(gpu.spec.input.shape, np.float32)):
        with pytest.raises(EngineError, match="expected uint8"):
            engine.infer(wrong)
    assert engine.infer(tensor(255)).risk == pytest.approx(1.0)


def test_phases_are_timed_outside_the_graph(gpu):
    engine = load(gpu)
    assert isinstance(engine, TimedEngine)
    inference, phases = engine.infer_timed(tensor(51))
    assert inference.risk == pytest.approx(0.2)
    assert (phases.transfer_in_ms, phases.compute_ms, phases.transfer_out_ms) == (0.25, 0.25, 0.25)
    assert "launch" not in gpu.log


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "bundle", write_study(tmp_path / "study", 3))


def test_accelerators_plan_is_loaded_for_its_core_where_there_is_none_for_the_gpu(gpu, bundle):
    made = with_plan(bundle, gpu, dla=1)
    engine = tensorrt_engine(made, "fp32")
    assert gpu.dla_seen == 1
    assert engine.name.endswith("Fake Orin, DLA 1")
    tensorrt_engine(with_plan(made, gpu), "fp32")
    assert gpu.dla_seen == -1  # both are there, and the GPU's runs


def test_key_of_a_plan_without_an_accelerator_is_as_it_was(gpu, bundle):
    key = machine_key(bundle, "fp32", FakeDriver(gpu))
    assert b"dla" not in msgspec.json.encode(key)
    assert key.id != machine_key(bundle, "fp32", FakeDriver(gpu), 0).id


@pytest.mark.parametrize("missing", ["tensorrt", "pycuda.driver"])
def test_missing_bindings_are_told_with_what_to_install(gpu, bundle, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    fix = {"tensorrt": "python3-libnvinfer", "pycuda.driver": r"sonocart\[tensorrt\]"}[missing]
    with pytest.raises(UnavailableError, match=fix):
        tensorrt_engine(with_plan(bundle, Gpu(gpu.spec, mean)), "fp32")


def test_plan_of_this_machine_is_loaded(gpu, bundle):
    engine = tensorrt_engine(with_plan(bundle, gpu), "fp32")
    assert gpu.plan_seen == b"the plan"
    assert "Fake Orin" in engine.name


@pytest.mark.parametrize(
    "changes",
    [
        {"gpu": "Other GPU"},
        {"tensorrt": "10.7.0"},
        {"cuda": "13.2"},
        {"l4t": "36.4"},
        {"onnx_sha256": "0" * 64},
    ],
)
def test_plan_of_another_machine_is_refused_unseen_with_both_keys(gpu, bundle, changes):
    foreign = with_plan(bundle, gpu, **changes)
    with pytest.raises(RefusedError, match=r"built for .*this machine needs .*sonocart build") as error:
        tensorrt_engine(foreign, "fp32")
    assert "Fake Orin" in str(error.value)
    assert gpu.plan_seen is None


def test_missing_plan_says_how_to_build_it(gpu, bundle):
    with pytest.raises(NoInputError, match=r"sonocart build .* --precision fp32"):
        tensorrt_engine(bundle, "fp32")


def test_altered_plan_is_refused_unseen(gpu, bundle):
    made = with_plan(bundle, gpu)
    name = next(name for name in made.manifest.files if name.endswith(".plan"))
    (made.path / name).write_bytes(b"the plam")
    with pytest.raises(RefusedError, match="altered"):
        tensorrt_engine(made, "fp32")
    with pytest.raises(RefusedError, match="altered"):
        open_bundle(made.path)
    assert gpu.plan_seen is None


@pytest.mark.parametrize("version", ["8.6.1", "10.2.0", "10.0.1.6"])
def test_old_tensorrt_is_refused_with_the_reason(gpu, bundle, monkeypatch, version):
    gpu.version = version
    gpu.install(monkeypatch)
    with pytest.raises(UnavailableError, match=r"10\.3 \(JetPack 6\.1\)"):
        tensorrt_engine(bundle, "fp32")


def test_gpu_runs_what_was_built_for_it_and_a_workstation_the_graph(gpu, bundle, monkeypatch):
    assert isinstance(open_engine(bundle, "fp32", threads=1), OnnxEngine)
    made = with_plan(bundle, gpu)
    assert isinstance(open_engine(made, "fp32", threads=1), TensorrtEngine)

    def none():
        raise UnavailableError("no NVIDIA driver")

    monkeypatch.setattr("edge.engines.tensorrt.load_driver", none)
    assert isinstance(open_engine(made, "fp32", threads=1), OnnxEngine)


def test_engine_that_is_not_run_for_want_of_a_package_is_told(gpu, bundle, monkeypatch, caplog):
    open_engine(bundle, "fp32", threads=1)
    assert not caplog.text  # no engine, nothing to tell
    made = with_plan(bundle, gpu)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    assert isinstance(open_engine(made, "fp32", threads=1), OnnxEngine)
    assert "fp32 runs on the CPU, though the bundle has an engine: pycuda is not here" in caplog.text
    assert "sonocart[tensorrt]" in caplog.text


def test_foreign_plan_on_a_gpu_is_not_silently_replaced_by_the_cpu(gpu, bundle):
    with pytest.raises(RefusedError):
        open_engine(with_plan(bundle, gpu, gpu="Other GPU"), "fp32", threads=1)
