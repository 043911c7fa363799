"""Building a plan: what TensorRT says reaches the user, and a bundle changes only when all is well."""

import json
import signal
import sys
import threading
import time

import numpy as np
import pytest

from calibration.build import build
from calibration.plan import Settings, _make_monitor, build_plan
from edge.cli import run
from edge.contract.bundle import open_bundle
from edge.engines.onnx import reference_engine
from edge.engines.tensorrt import tensorrt_engine
from edge.errors import DataError, InternalError, NoInputError, UnavailableError, UsageError
from tests.engines.fake_gpu import Gpu
from tests.networks import residual_spec

SETTINGS = Settings(workspace=1 << 30, optimization_level=3, dla=None)


@pytest.fixture
def gpu(bundle, monkeypatch):
    reference = reference_engine(bundle, "fp32", threads=1)
    fake = Gpu(residual_spec(), lambda frame: reference.infer(frame.copy()).risk)
    fake.heatmap = lambda frame: reference.infer(frame.copy()).heatmap
    fake.ood = lambda frame: reference.infer(frame.copy()).ood
    fake.install(monkeypatch)
    return fake


def nothing(*arguments):
    pass


def test_bundle_gains_a_plan_that_runs(bundle, gpu, capsys):
    assert run(["build", str(bundle.path), "--precision", "fp32", "--json"]) == 0
    sidecar = json.loads(capsys.readouterr().out)
    made = open_bundle(bundle.path)
    name = next(name for name in made.names("engines") if name.endswith(".plan"))
    assert made.read(name) == b"plan of Fake Orin"
    assert made.manifest.files[name].parent == made.sha256("model.onnx")
    assert sidecar["key"]["sm"] == 87
    assert sidecar["layers"] == [{"name": "stem", "kind": "CaskConvolution", "precision": "int8"}]
    tensorrt_engine(made, "fp32").close()
    assert gpu.pushed == 0


def test_table_of_precisions_is_printed(bundle, gpu, capsys):
    run(["build", str(bundle.path), "--precision", "fp32"])
    out = capsys.readouterr().out
    assert "int8  CaskConvolution  stem" in out
    assert "1 in int8" in out


def test_every_parser_error_is_told_with_node_and_operator(bundle, gpu):
    gpu.parser_errors = [("a", "Einsum", "not supported"), ("b", "Loop", "neither")]
    with pytest.raises(DataError) as error:
        build(bundle, "fp32", SETTINGS, b"", nothing, threading.Event())
    assert "'a' (Einsum): not supported" in str(error.value)
    assert "'b' (Loop): neither" in str(error.value)
    assert open_bundle(bundle.path).id == bundle.id


def test_failed_build_tells_the_reason_and_keeps_the_last_good_engine(bundle, gpu):
    build(bundle, "fp32", SETTINGS, b"", nothing, threading.Event())
    before = open_bundle(bundle.path)
    gpu.build_error = "Error Code 2: OutOfMemory (no further information)"
    with pytest.raises(InternalError, match=r"OutOfMemory.*--workspace"):
        build(before, "fp32", SETTINGS, b"", nothing, threading.Event())
    assert open_bundle(bundle.path).id == before.id


def test_plan_that_computes_something_else_is_not_kept(bundle, gpu):
    risk = gpu.risk
    gpu.risk = lambda frame: 0.99
    with pytest.raises(InternalError, match=r"golden frames: risk differs by 0\.[1-9]"):
        build(bundle, "fp32", SETTINGS, b"", nothing, threading.Event())
    gpu.risk, gpu.heatmap = risk, lambda frame: np.zeros((1, 8, 8), np.float32)
    with pytest.raises(InternalError, match=r"risk differs by 0\.00.. and heat map by 0\.[1-9]"):
        build(bundle, "fp32", SETTINGS, b"", nothing, threading.Event())
    assert open_bundle(bundle.path).id == bundle.id
    assert gpu.pushed == 0


def test_cancelled_build_stops_at_the_next_step(bundle, gpu):
    cancelled, steps = threading.Event(), []

    def at(step):
        steps.append(step)
        cancelled.set()

    gpu.on_build_step = at
    with pytest.raises(KeyboardInterrupt):
        build(bundle, "fp32", SETTINGS, b"", nothing, cancelled)
    assert steps == [0]
    assert open_bundle(bundle.path).id == bundle.id


def test_ctrl_c_is_an_event_and_no_exception_inside_tensorrt(bundle, gpu):
    gpu.on_build_step = lambda step: signal.raise_signal(signal.SIGINT)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(["build", str(bundle.path), "--precision", "fp32"])
    assert signal.getsignal(signal.SIGINT) is before
    assert open_bundle(bundle.path).id == bundle.id


def test_settings_reach_the_builder(bundle, gpu, tmp_path):
    gpu.dla_cores = 2
    cache = tmp_path / "orin.cache"
    cache.write_bytes(b"old ")
    options = ["--workspace", "64", "--optimization-level", "5", "--dla", "1", "--timing-cache", str(cache)]
    run(["build", str(bundle.path), "--precision", "fp32", *options])
    assert list(gpu.config.pools.values()) == [64 << 20]
    assert gpu.config.builder_optimization_level == 5
    assert gpu.config.DLA_core == 1
    assert [flag.name for flag in gpu.config.flags] == ["GPU_FALLBACK"]  # and no TF32
    assert cache.read_bytes() == b"old timed"


@pytest.mark.parametrize(("core", "cores"), [(0, 0), (2, 2), (-1, 2)])
def test_absent_dla_is_told(bundle, gpu, core, cores):
    gpu.dla_cores = cores
    with pytest.raises(UnavailableError, match=f"{cores} DLA cores"):
        build_plan(b"", Settings(1, 3, core), b"", nothing, threading.Event())


def test_plan_for_an_accelerator_stands_beside_the_gpus(bundle, gpu):
    gpu.dla_cores = 1
    build(bundle, "fp32", SETTINGS, b"", nothing, threading.Event())
    before = open_bundle(bundle.path)
    sidecar, _ = build(before, "fp32", Settings(1 << 30, 3, dla=0), b"", nothing, threading.Event())
    assert (sidecar.key.dla, gpu.dla_seen) == (0, 0)
    plans = [name for name in open_bundle(bundle.path).names("engines") if name.endswith(".plan")]
    assert len(plans) == 2
    tensorrt_engine(open_bundle(bundle.path), "fp32").close()
    assert gpu.dla_seen == -1


@pytest.mark.parametrize("cache", [b"foreign timings", b"damaged timings"])
def test_timings_of_another_device_are_left_aside_with_a_warning(bundle, gpu, caplog, cache):
    _, timed = build(bundle, "fp32", SETTINGS, cache, nothing, threading.Event())
    assert timed == b"timed"
    assert "the timing cache is of another GPU" in caplog.text


def test_without_pycuda_nothing_is_compiled_and_the_package_is_named(bundle, gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(UnavailableError, match=r"pip install 'sonocart\[tensorrt\]'"):
        run(["build", str(bundle.path), "--precision", "fp32"])
    assert gpu.config is None  # no builder was asked


def test_progress_counts_every_phase(bundle, gpu):
    seen = []
    build(bundle, "fp32", SETTINGS, b"", lambda *step: seen.append(step), threading.Event())
    assert ("Tactics", "Building", 0, 2) in seen
    assert ("Tactics", "Building", 2, 2) in seen
    assert seen[-1] == ("Building", None, 3, 3)


def test_progress_is_told_by_one_thread_at_a_time(bundle, gpu):
    inside = [0]
    together = []

    def report(*step):
        inside[0] += 1
        together.append(inside[0])
        time.sleep(0.005)
        inside[0] -= 1

    def phase(name):
        monitor.phase_start(name, None, 5)
        for step in range(5):
            assert monitor.step_complete(name, step)
        monitor.phase_finish(name)

    monitor = _make_monitor(report, threading.Event())
    threads = [threading.Thread(target=phase, args=(f"phase {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == 4 * 7
    assert set(together) == {1}


def test_precision_without_a_graph_says_how_to_make_it(bundle, gpu):
    with pytest.raises(NoInputError, match="sonocart calibrate"):
        run(["build", str(bundle.path), "--precision", "int8"])


def test_senseless_workspace_is_a_usage_error(bundle, gpu):
    with pytest.raises(UsageError, match="workspace"):
        run(["build", str(bundle.path), "--workspace", "0"])


def test_machine_without_a_gpu_is_told(bundle):
    with pytest.raises(UnavailableError):
        run(["build", str(bundle.path), "--precision", "fp32"])
