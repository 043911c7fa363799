"""The few calls of NVIDIA's driver that pycuda and TensorRT lack: a safe probe, the machine's facts, graphs.

Everything goes through libcuda, which the driver installs; no CUDA toolkit is needed on the cart. Handles
are shared with pycuda, for both use the device's primary context.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

from edge.engines.base import EngineError
from edge.errors import UnavailableError

LIBRARY = "libcuda.so.1"

_INTEGRATED = 18  # CUdevice_attribute, cuda.h
_MAJOR, _MINOR = 75, 76
_THREAD_LOCAL = 1  # CUstreamCaptureMode: other threads' calls do not spoil the capture


@dataclass(frozen=True, slots=True)
class Device:
    """What a plan or a cubin is bound to.

    Attributes:
        name: of the GPU.
        sm: compute capability, 87 for Orin.
        integrated: it shares the CPU's memory.
        cuda: newest CUDA version that the driver knows, for instance "12.6".
    """

    name: str
    sm: int
    integrated: bool
    cuda: str


class Driver:
    """libcuda after a successful cuInit. Make one with `load_driver`."""

    def __init__(self, library: ctypes.CDLL):
        """Wrap an initialised library."""
        self._library = library

    def call(self, name: str, *arguments: object) -> None:
        """Call a function of the driver's API.

        Raises:
            EngineError: it does not return CUDA_SUCCESS. Some of these leave the context unusable.
        """
        code = getattr(self._library, name)(*arguments)
        if code != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(code, ctypes.byref(text))
            raise EngineError(f"{name} failed: {(text.value or b'unknown error').decode()} ({code})")

    def device(self) -> Device:
        """Facts of the first GPU."""
        handle = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(handle), 0)
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, len(name), handle)
        major, minor, integrated = (self._attribute(a, handle) for a in (_MAJOR, _MINOR, _INTEGRATED))
        version = ctypes.c_int()
        self.call("cuDriverGetVersion", ctypes.byref(version))
        cuda = f"{version.value // 1000}.{version.value % 1000 // 10}"
        return Device(name.value.decode(), major * 10 + minor, bool(integrated), cuda)

    def capture(self, stream: int, enqueue: Callable[[], None]) -> Graph:
        """Record what `enqueue` puts into `stream` as a graph that one call replays.

        Args:
            stream: CUstream handle; the primary context is current in this thread.
            enqueue: only starts work in `stream`; has run once before, so that nothing is allocated lazily.

        Raises:
            EngineError: something in it cannot be captured.
            BaseException: what `enqueue` raised. The stream is usable again in any case.
        """
        handle = ctypes.c_void_p(stream)
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuStreamBeginCapture_v2", handle, _THREAD_LOCAL)
        try:
            enqueue()
        except BaseException:
            # Ends the capture, whatever it says of the spoilt recording.
            self._library.cuStreamEndCapture(handle, ctypes.byref(graph))
            if graph:
                self._library.cuGraphDestroy(graph)
            raise
        self.call("cuStreamEndCapture", handle, ctypes.byref(graph))
        try:
            flags = ctypes.c_ulonglong(0)
            self.call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, flags)
        finally:
            self.call("cuGraphDestroy", graph)
        return Graph(self, executable, handle)

    def _attribute(self, number: int, device: ctypes.c_int) -> int:
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), number, device)
        return value.value


class Graph:
    """A recorded sequence of copies and kernels."""

    def __init__(self, driver: Driver, executable: ctypes.c_void_p, stream: ctypes.c_void_p):
        """Made by `Driver.capture`."""
        self._driver = driver
        self._executable: ctypes.c_void_p | None = executable
        self._stream = stream

    def launch(self) -> None:
        """Start the whole sequence in the stream it was recorded from."""
        self._driver.call("cuGraphLaunch", self._executable, self._stream)

    def close(self) -> None:
        """Free it. Safe to call twice."""
        if self._executable is not None:
            executable, self._executable = self._executable, None
            self._driver.call("cuGraphExecDestroy", executable)


def load_driver(library: str = LIBRARY) -> Driver:
    """The driver, once it says that there is a usable GPU.

    TensorRT and its lean runtime end the process with a segmentation fault where there is none, so this
    comes before any of their calls.

    Raises:
        UnavailableError: no driver, or no GPU that it can use.
    """
    try:
        loaded = ctypes.CDLL(library)
    except OSError as error:
        raise UnavailableError(
            f"no NVIDIA driver on this machine ({error}); run this on the cart or its twin"
        ) from error
    code = loaded.cuInit(0)
    if code != 0:
        raise UnavailableError(f"the NVIDIA driver finds no usable GPU (cuInit: {code}). Run: nvidia-smi")
    return Driver(loaded)
