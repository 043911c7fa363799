"""ONNX Runtime on the CPU: the engine of machines without TensorRT, and the reference of all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle, cpu_file
from edge.contract.spec import METADATA_KEY, ModelSpec, decode_spec
from edge.engines.base import EngineError, Inference, checked
from edge.errors import DataError, RefusedError

if TYPE_CHECKING:
    import onnxruntime as ort


class OnnxEngine:
    """One ONNX Runtime session. See `Engine` for the life cycle."""

    def __init__(
        self,
        model: bytes,
        spec: ModelSpec,
        precision: str,
        *,
        threads: int,
        spin: bool = False,
        optimise: bool = True,
    ):
        """Load a graph.

        Args:
            model: the ONNX file's bytes, already verified.
            spec: of the bundle; the graph's own copy must be the same.
            precision: of the graph, for reports.
            threads: that one inference may use.
            spin: idle workers wait busily: sooner awake, but they take the cores from capture and drawing.
            optimise: False runs the graph node by node as written, which is how quantised graphs are judged.

        Raises:
            DataError: not an ONNX graph that this runtime can run.
            RefusedError: the graph carries another specification than the bundle.
        """
        import onnxruntime as ort
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented")
        own = tuple(getattr(state, name) for name in (*names, "RuntimeException"))
        self._errors = (*own, RuntimeError, ValueError)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
        if not optimise:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except self._errors as error:
            raise DataError(
                f"ONNX Runtime {ort.__version__} cannot load the {precision} graph: {error}"
            ) from error
        found = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, "")
        if decode_spec(found.encode()) != spec:
            raise RefusedError("the graph's own specification is not the bundle's; export the bundle again")
        _check_tensors(self._session, spec, precision)
        self._input = spec.input.name
        self._shape = spec.input.shape
        self._precision = precision
        self._name = f"ONNX Runtime {ort.__version__}, CPU, {threads} thread{'s' * (threads != 1)}"

    @property
    def name(self) -> str:
        """Runtime and device in words."""
        return self._name

    @property
    def precision(self) -> str:
        """Of the graph that is loaded."""
        return self._precision

    def infer(self, tensor: NDArray[np.uint8]) -> Inference:
        """See `Engine.infer`."""
        if tensor.shape != self._shape or tensor.dtype != np.uint8:
            raise EngineError(f"tensor is {tensor.dtype} {tensor.shape}, expected uint8 {self._shape}")
        try:
            risk, heatmap, ood = self._session.run(["risk", "heatmap", "ood"], {self._input: tensor})
        except self._errors as error:
            raise EngineError(f"ONNX Runtime failed: {error}") from error
        return checked(float(risk.reshape(-1)[0]), heatmap.reshape(heatmap.shape[-2:]), ood.item())

    def close(self) -> None:
        """ONNX Runtime frees the session with its last reference."""


def _check_tensors(session: ort.InferenceSession, spec: ModelSpec, precision: str) -> None:
    """Raise DataError where a tensor of the graph is not the specification's."""
    kinds = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}
    found = {tensor.name: tensor for tensor in (*session.get_inputs(), *session.get_outputs())}
    if [tensor.name for tensor in session.get_inputs()] != [spec.input.name]:
        names = ", ".join(tensor.name for tensor in session.get_inputs())
        raise DataError(f"the {precision} graph reads '{names}', expected '{spec.input.name}'")
    for wanted in (spec.input, *spec.outputs):
        tensor = found.get(wanted.name)
        if tensor is None:
            raise DataError(f"the {precision} graph has no tensor '{wanted.name}', but: {', '.join(found)}")
        if (tensor.type, tuple(tensor.shape)) != (kinds[wanted.dtype], wanted.shape):
            raise DataError(
                f"tensor '{wanted.name}' of the {precision} graph is {tensor.type} {tuple(tensor.shape)}, "
                f"expected {wanted.dtype} {wanted.shape}"
            )


def onnx_engine(bundle: Bundle, precision: str, *, threads: int, spin: bool = False) -> OnnxEngine:
    """The fastest engine that ONNX Runtime has for the bundle's `precision` on a CPU.

    A quantised graph is arranged for TensorRT; where the bundle has the same arranged for CPU kernels, that
    one is loaded.
    """
    name = cpu_file(precision)
    model = bundle.read(name) if bundle.has(name) else bundle.model(precision)
    return OnnxEngine(model, bundle.spec, precision, threads=threads, spin=spin)


def reference_engine(bundle: Bundle, precision: str, *, threads: int) -> OnnxEngine:
    """The engine that accuracy is judged on: quantised graphs run as written, in their own Q/DQ meaning.

    Without VNNI the fused INT8 kernels saturate; that is this CPU's error and not the model's.
    """
    model = bundle.model(precision)
    return OnnxEngine(model, bundle.spec, precision, threads=threads, optimise=precision == "fp32")
