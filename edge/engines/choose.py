"""Which engine runs a bundle on this machine."""

from __future__ import annotations

import logging

from edge.contract.bundle import Bundle
from edge.engines.base import Engine
from edge.errors import UnavailableError

logger = logging.getLogger(__name__)


def open_checked(bundle: Bundle, precision: str, *, threads: int, spin: bool = False) -> Engine:
    """As `open_engine`, once it has passed the bundle's golden frames.

    Raises:
        InternalError: it has not; it is closed.
    """
    from edge.engines.golden import check_golden

    engine = open_engine(bundle, precision, threads=threads, spin=spin)
    try:
        check_golden(bundle, engine, precision)
    except BaseException:
        engine.close()
        raise
    return engine


def open_engine(bundle: Bundle, precision: str, *, threads: int, spin: bool = False) -> Engine:
    """TensorRT where the bundle has an engine of `precision` and this machine a GPU, else ONNX Runtime.

    Where there is such an engine and this machine cannot run it, the log says what it lacks.

    Args:
        bundle: verified.
        precision: fp32, fp16, int8 or int8+fp16.
        threads: for ONNX Runtime.
        spin: wait busily.

    Raises:
        RefusedError: there is a GPU, and the engine was built for another one.
    """
    from edge.engines.onnx import onnx_engine

    if any(name.endswith(".plan") for name in bundle.names("engines")):
        from edge.engines.tensorrt import tensorrt_engine
        from edge.engines.tensorrt_key import built_keys

        if precision in {key.precision for key in built_keys(bundle)}:
            try:
                return tensorrt_engine(bundle, precision, spin=spin)
            except UnavailableError as error:  # a workstation with a cart's bundle, or a cart that lacks it
                logger.warning("%s runs on the CPU, though the bundle has an engine: %s", precision, error)
    return onnx_engine(bundle, precision, threads=threads, spin=spin)
