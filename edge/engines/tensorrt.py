"""TensorRT on an NVIDIA GPU: a verified plan, replayed as a CUDA graph by the thread that loaded it.

Copy in, network and copy out are one graph. On a Jetson, whose GPU shares the CPU's memory, the two copies
are left out: the few kilobytes in and out lie in pinned mapped memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle
from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.contract.spec import ModelSpec
from edge.engines.base import EngineError, Inference, Phases, checked
from edge.engines.cuda import Driver, Graph, load_driver
from edge.engines.pinned import Buffer
from edge.engines.staging import Staging, make_staging
from edge.engines.tensorrt_key import find_plan, machine_key, require_pycuda
from edge.engines.tensorrt_log import make_logger, make_recorder

if TYPE_CHECKING:
    import tensorrt as trt


class TensorrtEngine:
    """One plan on the first GPU. See `Engine` for the life cycle; `spec` decides names, types and shapes."""

    def __init__(
        self,
        plan: bytes,
        spec: ModelSpec,
        precision: str,
        driver: Driver,
        *,
        dla: int | None = None,
        spin: bool = False,
    ):
        """Deserialise a plan and record its graph.

        Args:
            plan: verified, with the key of this machine.
            spec: of the bundle.
            precision: of the graph behind the plan, for reports.
            driver: from `load_driver`, which proves that there is a GPU.
            dla: number of the deep learning accelerator that the plan was built for, if for one.
            spin: the thread waits busily for the GPU: some microseconds sooner, a core lost.

        Raises:
            EngineError: TensorRT or CUDA cannot load or run the plan, or its tensors are not the
                specification's.
        """
        import pycuda.driver as cuda

        self._owner = threading.get_ident()
        self._driver = driver
        self._precision = precision
        self._cuda_error: type[Exception] = cuda.Error
        self._context: Any = None
        self._graph: Graph | None = None
        self._graph_staged: Graph | None = None
        self._frames: Staging | None = None
        self._failure: str | None = None
        try:
            self._open(plan, spec, dla, spin)
        except cuda.Error as error:
            self.close()
            raise EngineError(f"CUDA: {error}") from error
        except BaseException:
            self.close()
            raise

    def _open(self, plan: bytes, spec: ModelSpec, dla: int | None, spin: bool) -> None:
        import pycuda.driver as cuda
        import tensorrt as trt

        device = self._driver.device()
        where = device.name if dla is None else f"{device.name}, DLA {dla}"
        self._name = f"TensorRT {trt.__version__}, {where}"
        cuda.init()
        primary = cuda.Device(0).retain_primary_context()
        primary.push()
        self._context = primary
        self._errors = make_recorder()
        runtime = trt.Runtime(make_logger())
        runtime.error_recorder = self._errors
        if dla is not None:
            runtime.DLA_core = dla
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise self._error("TensorRT cannot load the plan")
        self._runtime, self._engine = runtime, engine  # in this order they must live
        _check_tensors(engine, spec)
        context = engine.create_execution_context(trt.ExecutionContextAllocationStrategy.STATIC)
        if context is None:
            raise self._error("TensorRT cannot make an execution context; is the GPU's memory full?")
        self._execution = context
        self._stream: Any = cuda.Stream()
        wait = cuda.event_flags.DISABLE_TIMING
        self._done: Any = cuda.Event(wait if spin else wait | cuda.event_flags.BLOCKING_SYNC)
        self._input = Buffer(spec.input.shape, np.uint8, mapped=device.integrated)
        self._risk, self._heatmap, self._ood = (
            Buffer(spec.output(name).shape, np.float32, mapped=device.integrated)
            for name in ("risk", "heatmap", "ood")
        )
        addresses = {
            spec.input.name: self._input,
            "risk": self._risk,
            "heatmap": self._heatmap,
            "ood": self._ood,
        }
        self._frames = make_staging(self._driver, spec, mapped=device.integrated)
        for name, buffer in addresses.items():
            if not context.set_tensor_address(name, buffer.address):
                raise self._error(f"TensorRT does not take the address of '{name}'")
        self._guard(self._first_run)

    @property
    def name(self) -> str:
        """Runtime and device in words."""
        return self._name

    @property
    def precision(self) -> str:
        """Of the graph behind the plan."""
        return self._precision

    @property
    def device_memory(self) -> int:
        """Bytes that an execution needs on the device, weights apart."""
        return int(self._engine.device_memory_size_v2)

    def layers(self) -> str:
        """The inspector's JSON; see `tensorrt_layers`."""
        import tensorrt as trt

        inspector = self._engine.create_engine_inspector()
        return inspector.get_engine_information(trt.LayerInformationFormat.JSON)

    def infer(self, tensor: NDArray[np.uint8]) -> Inference:
        """See `Engine.infer`. After a failed execution every further call fails: the context may be lost."""
        self._load(tensor)
        self._guard(self._replay)
        return self._outputs()

    def stage(self, frame: Frame, roi: Roi) -> bool:
        """See `FrameEngine.stage`. Plain memory: any thread may write it, and no call of CUDA is made."""
        frames = self._frames  # closing in another thread lets go of it
        return frames is not None and frames.load(frame, roi)

    def infer_staged(self) -> tuple[Inference, NDArray[np.uint8]]:
        """See `FrameEngine.infer_staged`: upload, kernel, network and download in one stream."""
        self._require_usable()
        if self._frames is None:
            raise EngineError("this engine makes no tensors itself")
        self._frames.require_loaded()  # not guarded: one asked too soon may go on
        self._risk.host.fill(np.nan)
        self._guard(self._run_staged)
        return self._outputs(), self._input.host.copy()

    def infer_timed(self, tensor: NDArray[np.uint8]) -> tuple[Inference, Phases]:
        """See `TimedEngine`. Runs outside the graph; in mapped memory there are no transfers to time."""
        import pycuda.driver as cuda

        self._load(tensor)
        marks = [cuda.Event() for _ in range(4)]

        def run() -> None:
            steps: tuple[Callable[[], None], ...] = (self._copy_in, self._execute, self._copy_out)
            marks[0].record(self._stream)
            for step, mark in zip(steps, marks[1:], strict=True):
                step()
                mark.record(self._stream)
            marks[-1].synchronize()

        self._guard(run)
        spans = [float(before.time_till(after)) for before, after in pairwise(marks)]
        return self._outputs(), Phases(*spans)

    def close(self) -> None:
        """Free graph, buffers and plan, and let go of the context. Safe to call twice."""
        context, self._context = self._context, None
        if context is None:
            return
        for graph in (self._graph, self._graph_staged):
            if graph is not None:
                try:
                    graph.close()
                except EngineError as error:
                    self._failure = str(error)  # a lost context frees nothing, and takes everything with it
        # In this order: what is used by another goes last.
        self._graph = self._graph_staged = self._frames = None
        users = ("_execution", "_engine", "_runtime")
        for name in (*users, "_input", "_risk", "_heatmap", "_ood", "_done", "_stream"):
            if hasattr(self, name):
                delattr(self, name)
        context.pop()

    def _require_usable(self) -> None:
        if threading.get_ident() != self._owner:
            raise EngineError("an engine belongs to the thread that loaded it; this is another one")
        if self._failure is not None:
            raise EngineError(f"the engine failed before and has to be loaded again: {self._failure}")
        if self._context is None:
            raise EngineError("the engine is closed")

    def _load(self, tensor: NDArray[np.uint8]) -> None:
        self._require_usable()
        if tensor.shape != self._input.host.shape or tensor.dtype != np.uint8:
            expected = self._input.host.shape
            raise EngineError(f"tensor is {tensor.dtype} {tensor.shape}, expected uint8 {expected}")
        np.copyto(self._input.host, tensor)
        self._risk.host.fill(np.nan)  # an execution that writes nothing must not pass for the frame before

    def _outputs(self) -> Inference:
        heatmap = self._heatmap.host
        return checked(
            self._risk.host.item(), heatmap.reshape(heatmap.shape[-2:]).copy(), self._ood.host.item()
        )

    def _first_run(self) -> None:
        """Once outside a graph, so that TensorRT allocates what it does lazily; then record."""
        self._input.host.fill(0)
        self._enqueue()
        self._stream.synchronize()
        self._graph = self._driver.capture(self._stream.handle, self._enqueue)
        if self._frames is not None:
            self._graph_staged = self._driver.capture(self._stream.handle, self._enqueue_staged)

    def _replay(self) -> None:
        assert self._graph is not None
        self._graph.launch()
        self._done.record(self._stream)
        self._done.synchronize()

    def _run_staged(self) -> None:
        assert self._frames is not None
        assert self._graph_staged is not None
        self._frames.start(self._input.address, self._stream)
        self._graph_staged.launch()
        self._done.record(self._stream)
        self._done.synchronize()

    def _enqueue(self) -> None:
        self._copy_in()
        self._execute()
        self._copy_out()

    def _enqueue_staged(self) -> None:
        """All but the input's upload, for the kernel has written it; it comes back for the examination."""
        self._risk.upload(self._stream)
        self._input.download(self._stream)
        self._execute()
        self._copy_out()

    def _copy_in(self) -> None:
        self._input.upload(self._stream)
        self._risk.upload(self._stream)

    def _execute(self) -> None:
        if not self._execution.execute_async_v3(self._stream.handle):
            raise self._error("TensorRT refused to execute")

    def _copy_out(self) -> None:
        self._risk.download(self._stream)
        self._heatmap.download(self._stream)
        self._ood.download(self._stream)

    def _guard(self, work: Callable[[], None]) -> None:
        """Run `work`; whatever fails in it ends the engine."""
        try:
            work()
            if self._errors.num_errors():
                raise self._error("TensorRT reported an error")
        except self._cuda_error as error:
            self._failure = f"CUDA: {error}"
            raise EngineError(self._failure) from error
        except EngineError as error:
            self._failure = str(error)
            raise

    def _error(self, what: str) -> EngineError:
        reasons = "; ".join(self._errors.get_error_desc(i) for i in range(self._errors.num_errors()))
        self._errors.clear()
        return EngineError(f"{what}: {reasons}" if reasons else what)


def _check_tensors(engine: trt.ICudaEngine, spec: ModelSpec) -> None:
    import tensorrt as trt

    types = {"uint8": trt.DataType.UINT8, "float32": trt.DataType.FLOAT}
    for wanted, mode in (
        (spec.input, trt.TensorIOMode.INPUT),
        *((o, trt.TensorIOMode.OUTPUT) for o in spec.outputs),
    ):
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        if wanted.name not in names:
            raise EngineError(f"the plan has no tensor '{wanted.name}', but: {', '.join(names)}")
        found = (
            engine.get_tensor_mode(wanted.name),
            engine.get_tensor_dtype(wanted.name),
            tuple(engine.get_tensor_shape(wanted.name)),
        )
        expected = (mode, types[wanted.dtype], wanted.shape)
        if found != expected:
            raise EngineError(f"the plan's tensor '{wanted.name}' is {found}, expected {expected}")


def tensorrt_engine(bundle: Bundle, precision: str, *, spin: bool = False) -> TensorrtEngine:
    """The bundle's engine of `precision` for this machine; its key is compared before it is deserialised.

    Raises:
        UnavailableError: no GPU, no TensorRT or one that is too old, or no pycuda.
        NoInputError: no engine of that precision has been built.
        RefusedError: the engine was built for another machine.
        EngineError: the plan cannot be loaded or run.
    """
    driver = load_driver()
    expected = machine_key(bundle, precision, driver)
    require_pycuda()
    key, plan = find_plan(bundle, expected)
    return TensorrtEngine(plan, bundle.spec, precision, driver, dla=key.dla, spin=spin)
