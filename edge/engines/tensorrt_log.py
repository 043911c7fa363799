"""TensorRT's messages and errors on their way into the kit's logs and exceptions.

Made by functions, since the base classes exist only where TensorRT does.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorrt as trt

logger = logging.getLogger(__name__)

_KEPT = 20  # errors; the first ones tell the cause


def make_logger() -> trt.ILogger:
    """A TensorRT logger that speaks through `logging`. Whoever makes it keeps it as long as its user."""
    import tensorrt as trt

    levels = {
        trt.ILogger.Severity.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.Severity.ERROR: logging.ERROR,
        trt.ILogger.Severity.WARNING: logging.WARNING,
        trt.ILogger.Severity.INFO: logging.DEBUG,
    }

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # pybind11 refuses super().__init__

        def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
            level = levels.get(severity)  # VERBOSE has none: it is thousands of lines a build
            if level is not None:
                logger.log(level, "%s", msg)

    return Logger()


def make_recorder() -> trt.IErrorRecorder:
    """An error recorder: TensorRT's calls return False or None, and the reason is here."""
    import tensorrt as trt

    class Recorder(trt.IErrorRecorder):
        def __init__(self) -> None:
            trt.IErrorRecorder.__init__(self)
            self._errors: list[tuple[trt.ErrorCodeTRT, str]] = []
            self._overflowed = False

        def num_errors(self) -> int:
            return len(self._errors)

        get_num_errors = num_errors  # the name that the bindings ask for when TensorRT counts

        def get_error_code(self, arg0: int) -> trt.ErrorCodeTRT:
            return self._errors[arg0][0] if arg0 < len(self._errors) else trt.ErrorCodeTRT.SUCCESS

        def get_error_desc(self, arg0: int) -> str:
            return self._errors[arg0][1] if arg0 < len(self._errors) else ""

        def has_overflowed(self) -> bool:
            return self._overflowed

        def clear(self) -> None:
            self._errors.clear()
            self._overflowed = False

        def report_error(self, arg0: trt.ErrorCodeTRT, arg1: str) -> bool:
            if len(self._errors) >= _KEPT:
                self._overflowed = True
            else:
                self._errors.append((arg0, arg1))
            return True

    return Recorder()
