"""Stand-ins at the binding line: `tensorrt`, `pycuda.driver` and the driver, over plain host memory.

What the kit calls is recorded and executed on numpy arrays; faults are switched on by attributes of `Gpu`.
"""

from __future__ import annotations

import ctypes
import json
import sys
import types
from collections.abc import Callable
from enum import Enum, IntEnum

import msgspec
import numpy as np

from edge.contract.bundle import Bundle, NewFile, amend_bundle
from edge.contract.spec import ModelSpec
from edge.engines.base import EngineError
from edge.engines.cuda import Device
from edge.engines.tensorrt_key import Sidecar, machine_key, plan_file, sidecar_file
from edge.errors import UnavailableError


def memory(address: int, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """The array that lies at an address."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), dtype).reshape(shape)


class CudaError(Exception):
    """pycuda.driver.Error."""


class Gpu:
    """One fake GPU with its libraries; `install` puts it where the kit imports from."""

    def __init__(self, spec: ModelSpec, risk: Callable[[np.ndarray], float]):
        self.spec = spec
        self.risk = risk
        self.heatmap: Callable[[np.ndarray], np.ndarray] | None = None
        self.ood: Callable[[np.ndarray], float] = lambda frame: 3 * self.risk(frame)
        self.device_facts = Device("Fake Orin", 87, integrated=False, cuda="12.6")
        self.version = "10.3.0"
        self.log: list[str] = []
        self.kernels: ctypes.CDLL | None = None  # kernels.cu compiled for the CPU
        self.pushed = 0
        self.recording: list[Callable[[], None]] | None = None
        # Faults.
        self.parser_errors: list[tuple[str, str, str]] = []
        self.build_error: str | None = None
        self.deserialize_error: str | None = None
        self.execute_error: str | None = None
        self.cuda_error: str | None = None
        self.allocation_error: str | None = None
        self.context_fails = False
        self.writes_nothing = False
        self.uncapturable = False
        self.dla_cores = 0
        self.tensors = {t.name: t for t in (spec.input, *spec.outputs)}
        self.plan_seen: bytes | None = None
        self.dla_seen: int | None = None
        self.config: object = None
        self.on_build_step: Callable[[int], None] = lambda step: None

    def do(self, work: Callable[[], None]) -> None:
        """Work in the stream: at once, or into the graph that is being recorded."""
        if self.cuda_error is not None:
            raise CudaError(self.cuda_error)
        if self.recording is None:
            work()
        else:
            self.recording.append(work)

    def read_cubin(self, sm: int, cuda: str) -> bytes:
        if self.kernels is None:
            raise UnavailableError(f"no kernels for sm_{sm}")
        return b"cubin"

    def install(self, monkeypatch) -> None:
        tensorrt = make_tensorrt(self)
        driver = make_pycuda(self)
        package = types.ModuleType("pycuda")
        package.driver = driver
        monkeypatch.setattr("edge.engines.device_frame.read_cubin", self.read_cubin)
        monkeypatch.setitem(sys.modules, "tensorrt", tensorrt)
        monkeypatch.setitem(sys.modules, "pycuda", package)
        monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
        for module in (
            "edge.engines.cuda",
            "edge.engines.tensorrt",
            "calibration.build",
            "calibration.advise",
        ):
            monkeypatch.setattr(f"{module}.load_driver", lambda: FakeDriver(self))


def with_plan(bundle: Bundle, fake: Gpu, **changes: object) -> Bundle:
    """The bundle with a plan for the fake, or for a machine that differs from it in the key by `changes`."""
    key = msgspec.structs.replace(machine_key(bundle, "fp32", FakeDriver(fake)), **changes)
    sidecar = Sidecar(key=key, calibration_sha256=None, golden_difference=0, device_memory=0, layers=[])
    return amend_bundle(
        bundle,
        {
            plan_file(key): NewFile(b"the plan", "model.onnx"),
            sidecar_file(key): NewFile(msgspec.json.encode(sidecar), "model.onnx"),
        },
    )


class FakeDriver:
    """`edge.engines.cuda.Driver`."""

    def __init__(self, gpu: Gpu):
        self.gpu = gpu

    def device(self) -> Device:
        self.gpu.log.append("device")
        return self.gpu.device_facts

    def capture(self, stream: int, enqueue: Callable[[], None]):
        gpu = self.gpu
        gpu.log.append("capture")
        if gpu.uncapturable:
            raise EngineError("cuStreamEndCapture failed")
        gpu.recording = []
        enqueue()
        recorded, gpu.recording = gpu.recording, None

        class Graph:
            def launch(self) -> None:
                gpu.log.append("launch")
                if gpu.cuda_error is not None:
                    raise EngineError(gpu.cuda_error)
                for work in recorded:
                    work()

            def close(self) -> None:
                gpu.log.append("graph closed")

        return Graph()


class _Pinned:
    def __init__(self, shape, dtype):
        self.data = np.zeros(shape, dtype)
        self.__array_interface__ = self.data.__array_interface__

    def get_device_pointer(self) -> int:
        return self.data.ctypes.data


def make_pycuda(gpu: Gpu) -> types.ModuleType:
    module = types.ModuleType("pycuda.driver")

    class Context:
        def push(self) -> None:
            gpu.pushed += 1

        def pop(self) -> None:
            gpu.pushed -= 1

    def allocate(shape, dtype, mem_flags) -> np.ndarray:
        if gpu.allocation_error is not None:
            raise CudaError(gpu.allocation_error)
        return np.asarray(_Pinned(shape, dtype))

    class Memory:
        def __init__(self, size: int):
            self.data = np.zeros(size, np.uint8)

        def __int__(self) -> int:
            return self.data.ctypes.data

    class Stream:
        handle = 4711

        def synchronize(self) -> None:
            gpu.do(lambda: None)

    class Event:
        def __init__(self, flags: int = 0):
            self.flags = flags
            gpu.log.append(f"event {flags}")

        def record(self, stream) -> None:
            gpu.do(lambda: None)

        def synchronize(self) -> None:
            gpu.do(lambda: None)

        def time_till(self, other) -> float:
            return 0.25

    def to_device(target: Memory, host: np.ndarray, stream) -> None:
        gpu.do(lambda: np.copyto(target.data[: host.nbytes], host.view(np.uint8).reshape(-1)))

    def to_host(host: np.ndarray, source: Memory, stream) -> None:
        gpu.do(lambda: np.copyto(host.view(np.uint8).reshape(-1), source.data))

    def device_copy(host: np.ndarray) -> Memory:
        memory = Memory(host.nbytes)
        memory.data[:] = np.ascontiguousarray(host).view(np.uint8).reshape(-1)
        return memory

    class Module:
        """The kernels on the CPU, from the same source; a launch is work in the stream."""

        def get_function(self, name: str):
            kernel = getattr(gpu.kernels, {"prepare_tensor": "run_prepare", "blend_plane": "run_blend"}[name])

            def launch(*arguments, block, grid, stream, shared=None) -> None:
                assert block[0] <= 1024
                sizes = [grid[0], grid[1], 3] + ([] if shared is None else [shared])
                gpu.do(lambda: kernel(*sizes, *map(_as_c, arguments)))

            return launch

    module.to_device = device_copy
    module.module_from_buffer = lambda data: Module()
    module.Error = CudaError
    module.init = lambda: gpu.log.append("init")
    module.Device = lambda number: types.SimpleNamespace(retain_primary_context=Context)
    module.pagelocked_empty = allocate
    module.mem_alloc = Memory
    module.memcpy_htod_async = to_device
    module.memcpy_dtoh_async = to_host
    module.Stream = Stream
    module.Event = Event
    module.host_alloc_flags = types.SimpleNamespace(DEVICEMAP=2)
    module.event_flags = types.SimpleNamespace(BLOCKING_SYNC=1, DISABLE_TIMING=2)
    return module


def _as_c(argument: object):
    if isinstance(argument, np.float32):
        return ctypes.c_float(argument)
    if isinstance(argument, np.int32):
        return ctypes.c_int(argument)
    return ctypes.c_void_p(int(argument))  # an address or memory


def make_tensorrt(gpu: Gpu) -> types.ModuleType:
    trt = types.ModuleType("tensorrt")
    trt.__version__ = gpu.version

    class Base:
        def __init__(self, *arguments: object):
            pass

    class ILogger(Base):
        Severity = Enum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")

    trt.ILogger = ILogger
    trt.IErrorRecorder = type("IErrorRecorder", (Base,), {})
    trt.IProgressMonitor = type("IProgressMonitor", (Base,), {})
    trt.ErrorCodeTRT = Enum("ErrorCodeTRT", "SUCCESS FAILED_EXECUTION")
    trt.NetworkDefinitionCreationFlag = IntEnum("Flag", {"STRONGLY_TYPED": 1})
    trt.MemoryPoolType = Enum("MemoryPoolType", "WORKSPACE")
    trt.ProfilingVerbosity = Enum("ProfilingVerbosity", "DETAILED")
    trt.BuilderFlag = Enum("BuilderFlag", "GPU_FALLBACK TF32")
    trt.DeviceType = Enum("DeviceType", "DLA")
    trt.DataType = Enum("DataType", "UINT8 FLOAT INT64")
    trt.TensorIOMode = Enum("TensorIOMode", "INPUT OUTPUT")
    trt.ExecutionContextAllocationStrategy = Enum("Strategy", "STATIC")
    trt.LayerInformationFormat = Enum("Format", "JSON")

    class Builder:
        def __init__(self, logger):
            self.num_DLA_cores = gpu.dla_cores
            self.error_recorder = None

        def create_network(self, flags):
            assert flags == 1 << trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
            return types.SimpleNamespace(num_layers=3)

        def create_builder_config(self):
            gpu.config = Config()
            return gpu.config

        def build_serialized_network(self, network, config):
            monitor = config.progress_monitor
            monitor.phase_start("Building", None, 3)
            monitor.phase_start("Tactics", "Building", 2)
            for step in range(2):
                gpu.on_build_step(step)
                if not monitor.step_complete("Tactics", step):
                    return None
            monitor.phase_finish("Tactics")
            monitor.phase_finish("Building")
            if gpu.build_error is not None:
                self.error_recorder.report_error(trt.ErrorCodeTRT.FAILED_EXECUTION, gpu.build_error)
                return None
            return memoryview(b"plan of " + gpu.device_facts.name.encode())

    class Config:
        def __init__(self):
            self.pools, self.cache = {}, b""
            self.flags = {trt.BuilderFlag.TF32}  # as TensorRT begins

        def set_memory_pool_limit(self, pool, size):
            self.pools[pool] = size

        def create_timing_cache(self, data):
            return None if data.startswith(b"damaged") else data

        def set_timing_cache(self, cache, ignore_mismatch):
            """Timings of another device are taken where the caller asks for that."""
            if cache.startswith(b"foreign") and not ignore_mismatch:
                return False
            self.cache = cache
            return True

        def get_timing_cache(self):
            return types.SimpleNamespace(serialize=lambda: self.cache + b"timed")

        def set_flag(self, flag):
            self.flags.add(flag)

        def clear_flag(self, flag):
            self.flags.discard(flag)

    class OnnxParser:
        def __init__(self, network, logger):
            pass

        @property
        def num_errors(self):
            return len(gpu.parser_errors)

        def parse(self, model):
            return not gpu.parser_errors

        def get_error(self, index):
            name, operator, text = gpu.parser_errors[index]
            return types.SimpleNamespace(
                node=lambda: index,
                node_name=lambda: name,
                node_operator=lambda: operator,
                desc=lambda: text,
                code=lambda: "UNSUPPORTED_NODE",
            )

    class Runtime:
        error_recorder = None
        DLA_core = -1

        def __init__(self, logger):
            gpu.log.append("runtime")

        def deserialize_cuda_engine(self, plan):
            gpu.plan_seen, gpu.dla_seen = plan, self.DLA_core
            if gpu.deserialize_error is not None:
                self.error_recorder.report_error(trt.ErrorCodeTRT.FAILED_EXECUTION, gpu.deserialize_error)
                return None
            return CudaEngine(self)

    class CudaEngine:
        device_memory_size_v2 = 1024

        def __init__(self, runtime):
            self.runtime = runtime
            self.num_io_tensors = len(gpu.tensors)

        def get_tensor_name(self, index):
            return list(gpu.tensors)[index]

        def get_tensor_mode(self, name):
            kind = trt.TensorIOMode
            return kind.INPUT if name == gpu.spec.input.name else kind.OUTPUT

        def get_tensor_dtype(self, name):
            return {"uint8": trt.DataType.UINT8, "float32": trt.DataType.FLOAT}.get(
                gpu.tensors[name].dtype, trt.DataType.INT64
            )

        def get_tensor_shape(self, name):
            return gpu.tensors[name].shape

        def create_execution_context(self, strategy):
            return None if gpu.context_fails else ExecutionContext(self)

        def create_engine_inspector(self):
            layer = {
                "Name": "stem",
                "LayerType": "CaskConvolution",
                "Inputs": [{"Name": "pool", "Format/Datatype": "Thirty-two wide channel Int8 format"}],
                "Outputs": [{"Name": "a", "Format/Datatype": "Row major linear FP32 format"}],
            }
            text = json.dumps({"Layers": [layer], "Bindings": ["frame", "risk", "heatmap", "ood"]})
            return types.SimpleNamespace(get_engine_information=lambda form: text)

    class ExecutionContext:
        def __init__(self, engine):
            self.engine = engine
            self.addresses = {}

        def set_tensor_address(self, name, address):
            self.addresses[name] = address
            return True

        def execute_async_v3(self, stream):
            if gpu.execute_error is not None:
                recorder = self.engine.runtime.error_recorder
                recorder.report_error(trt.ErrorCodeTRT.FAILED_EXECUTION, gpu.execute_error)
                return False
            gpu.do(self.run)
            return True

        def run(self):
            if gpu.writes_nothing:
                return
            at = self.addresses
            frame = memory(at[gpu.spec.input.name], gpu.spec.input.shape, np.uint8)
            risk = gpu.risk(frame)
            memory(at["risk"], (1,), np.float32)[:] = risk
            heatmap = risk / 2 if gpu.heatmap is None else gpu.heatmap(frame)
            memory(at["heatmap"], gpu.spec.output("heatmap").shape, np.float32)[:] = heatmap
            memory(at["ood"], (1,), np.float32)[:] = gpu.ood(frame)

    for kind in (Builder, OnnxParser, Runtime):
        setattr(trt, kind.__name__, kind)
    return trt
