"""Compiles a verified ONNX graph into a TensorRT plan for the GPU of this machine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.engines.tensorrt_log import make_logger, make_recorder
from edge.errors import DataError, InternalError, UnavailableError

if TYPE_CHECKING:
    import tensorrt as trt

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to build.

    Attributes:
        workspace: bytes of device memory that a kernel may use while it is tried.
        optimization_level: 0 to 5; TensorRT's own default is 3. Higher tries more kernels.
        dla: number of the deep learning accelerator to use, with the GPU for what it cannot do; None for the
            GPU alone.
    """

    workspace: int
    optimization_level: int
    dla: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A built plan and the timings that make the next build quick."""

    data: bytes
    timing_cache: bytes


Report = Callable[[str, str | None, int, int], None]
"""Called with a phase's name, its parent's, the steps done and their number; never by two threads at once."""


def build_plan(
    model: bytes, settings: Settings, timing_cache: bytes, report: Report, cancelled: threading.Event
) -> Plan:
    """Build; takes seconds to many minutes, and the whole GPU.

    Args:
        model: ONNX bytes; all types are in the graph, for TensorRT may choose none (strongly typed).
        settings: how.
        timing_cache: of an earlier build, or empty. One of another GPU or TensorRT is left aside, with a
            warning.
        report: progress, called from TensorRT's own threads, by one of them at a time.
        cancelled: set it to give up at the next step.

    Raises:
        DataError: TensorRT cannot read the graph; every error with its node and operator.
        UnavailableError: `settings.dla` is not there.
        InternalError: the build failed; the reasons that TensorRT gave.
        KeyboardInterrupt: `cancelled` was set.
    """
    import tensorrt as trt

    log, recorder = make_logger(), make_recorder()
    builder = trt.Builder(log)
    builder.error_recorder = recorder
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        errors = [_describe(parser.get_error(index)) for index in range(parser.num_errors)]
        raise DataError(f"TensorRT {trt.__version__} cannot read the graph:\n  " + "\n  ".join(errors))
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace)
    config.builder_optimization_level = settings.optimization_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    # TensorRT multiplies FP32 in TF32 unless told otherwise: ten bits where the graph says 23, which the
    # measures' sums over a whole picture were never judged with
    config.clear_flag(trt.BuilderFlag.TF32)
    _attach(config, timing_cache)
    if settings.dla is not None:
        if not 0 <= settings.dla < builder.num_DLA_cores:
            raise UnavailableError(
                f"this machine has {builder.num_DLA_cores} DLA cores for TensorRT {trt.__version__}, "
                f"so there is no number {settings.dla}; leave out --dla"
            )
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = settings.dla
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    monitor = _make_monitor(report, cancelled)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if cancelled.is_set():
        raise KeyboardInterrupt
    if plan is None:
        reasons = [recorder.get_error_desc(index) for index in range(recorder.num_errors())]
        raise InternalError(
            f"TensorRT {trt.__version__} could not build the engine: "
            f"{'; '.join(reasons) or 'no reason given'}. If memory ran out, lower --workspace"
        )
    return Plan(bytes(plan), bytes(config.get_timing_cache().serialize()))


def _attach(config: trt.IBuilderConfig, timing_cache: bytes) -> None:
    """The timings, if they were taken on this GPU with this TensorRT; else none, to be filled.

    The timings of another device are never asked for: they would choose kernels for it.
    """
    cache = config.create_timing_cache(timing_cache)
    if cache is not None and config.set_timing_cache(cache, False):
        return
    logger.warning("the timing cache is of another GPU or TensorRT, or damaged; it is not used")
    empty = config.create_timing_cache(b"")
    assert empty is not None
    config.set_timing_cache(empty, False)


def _describe(error: trt.ParserError) -> str:
    node = f"node {error.node()} '{error.node_name()}' ({error.node_operator()})"
    return f"{node}: {error.desc()} [{error.code()}]"


def _make_monitor(report: Report, cancelled: threading.Event) -> trt.IProgressMonitor:
    import tensorrt as trt

    class Monitor(trt.IProgressMonitor):
        """TensorRT calls it from several threads of its own.

        An exception in it is printed by the bindings and gives the build up, without reaching the caller.
        """

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._lock = threading.Lock()
            self._steps: dict[str, tuple[str | None, int]] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._steps[phase_name] = (parent_phase, num_steps)
                report(phase_name, parent_phase, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                parent, steps = self._steps.get(phase_name, (None, step + 1))
                report(phase_name, parent, step + 1, steps)
            return not cancelled.is_set()

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                parent, steps = self._steps.pop(phase_name, (None, 1))
                report(phase_name, parent, steps, steps)

    return Monitor()
