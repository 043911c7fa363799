"""The engine in a process of its own, which can be killed.

A thread that hangs in a runtime's native code cannot be ended, and a crash there ends the whole process.
Behind this seam both cost the risk alone: the picture goes on, and the next process has a fresh context.
Pictures and heat maps go over in shared memory. A tensor and its answer are a few plain bytes on a socket;
everything else, which is seldom, is a pickled message there.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.engines.base import Engine, EngineError, FrameEngine, Inference
from edge.engines.staging import STAGED_BYTES
from edge.errors import SonocartError

PATIENCE_S = 2.0  # for an orderly end
LOADING_S = 120.0
"""For an engine to be made: an Orin deserialises a plan in seconds, a loaded one in tens of them."""

_PLAIN, _PICKLED = b"=", b"p"  # what a message begins with
_REQUEST = struct.Struct("=cII")  # _PLAIN, and the tensor's height and width
_ANSWER = struct.Struct("=cddII")  # _PLAIN, risk, ood, and the heat map's height and width
_HEAT = STAGED_BYTES  # where the heat map lies in the shared memory, behind the picture
_HEAT_BYTES = 1 << 20

Make = Callable[[], Engine]


class EngineProcess:
    """An engine behind a socket. See `Engine` for the life cycle; `kill` may come from any thread."""

    def __init__(self, make: Make, *, loading_s: float = LOADING_S):
        """Start the process and wait until its engine is made.

        Args:
            make: can be pickled, for it is called in the other process.
            loading_s: after this long the process is killed.

        Raises:
            SonocartError: what `make` raised there.
            EngineError: the process ended, or took longer than `loading_s`.
        """
        memory = os.memfd_create("sonocart-engine")
        try:
            os.ftruncate(memory, _HEAT + _HEAT_BYTES)
            self._memory = mmap.mmap(memory, _HEAT + _HEAT_BYTES)
            ours, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-m", __name__, str(theirs.fileno()), str(memory)]
                self._process = subprocess.Popen(
                    command,
                    pass_fds=(theirs.fileno(), memory),
                    stdin=subprocess.DEVNULL,
                    env=_environment(),
                )
        finally:
            os.close(memory)
        self._shared = np.frombuffer(self._memory, np.uint8)
        self._pipe = Connection(ours.detach())
        self._staged: tuple[object, ...] | None = None
        try:
            self._send(_pickled(make))
            if not self._pipe.poll(loading_s):
                raise EngineError(f"the engine is not loaded after {loading_s:g} s")
            made = self._receive()
            assert isinstance(made, tuple)
            self._name, self._precision, self._takes_frames = made
        except BaseException:
            self._end()
            raise

    @property
    def name(self) -> str:
        """Of the engine in the process."""
        return str(self._name)

    @property
    def precision(self) -> str:
        """Of the engine in the process."""
        return str(self._precision)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def infer(self, tensor: NDArray[np.uint8]) -> Inference:
        """See `Engine.infer`. EngineError too where the process has ended."""
        height, width = tensor.shape[-2:]
        self._shared[: tensor.size] = tensor.reshape(-1)
        answer = self._ask(_REQUEST.pack(_PLAIN, height, width))
        assert isinstance(answer, Inference)
        return answer

    def stage(self, frame: Frame, roi: Roi) -> bool:
        """See `FrameEngine.stage`; False where the engine in the process makes no tensors."""
        part = frame.planes[0][roi.y : roi.bottom, roi.x : roi.right]
        if not self._takes_frames or part.nbytes > STAGED_BYTES:
            return False
        self._shared[: part.nbytes].reshape(part.shape)[:] = part
        self._staged = (part.shape, frame.format, frame.full_range, frame.matrix)
        return True

    def infer_staged(self) -> tuple[Inference, NDArray[np.uint8]]:
        """See `FrameEngine.infer_staged`."""
        if self._staged is None:
            raise EngineError("no frame is staged")
        answer = self._ask(_pickled(self._staged))
        assert isinstance(answer, tuple)
        return answer

    def kill(self) -> None:
        """End the process at once, whatever it does; a call that waits for it raises EngineError.

        Waits for nothing: in the kernel's own hands, a driver's, a process ends when those let it go. The
        engine's own thread reaps it.
        """
        self._process.kill()

    def close(self) -> None:
        """Let the process end in order; it is killed where it does not. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._pipe.send_bytes(_pickled(None))
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._end()
        self._pipe.close()

    def _end(self) -> None:
        """Kill and reap the process; one that does not end is left to Python's own reaping."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_S)

    def _ask(self, request: bytes) -> object:
        self._send(request)
        return self._receive()

    def _send(self, request: bytes) -> None:
        with contextlib.suppress(OSError):  # `_receive` tells how the process ended
            self._pipe.send_bytes(request)

    def _receive(self) -> object:
        try:
            raw = self._pipe.recv_bytes()
        except (EOFError, OSError) as error:
            code = self._process.wait()
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise EngineError(f"the engine's process has ended ({how}); its log has the reason") from error
        if raw.startswith(_PLAIN):
            _, risk, ood, height, width = _ANSWER.unpack(raw)
            heat = self._shared[_HEAT : _HEAT + 4 * height * width].view(np.float32)
            return Inference(risk, heat.reshape(height, width).copy(), ood)
        answer = pickle.loads(raw[1:])
        if isinstance(answer, Exception):
            raise answer
        return answer


def _environment() -> dict[str, str]:
    """This process's, and that malloc asks Linux for huge pages: weights lie in thousands of small ones else.

    glibc knows the setting from 2.35 on; a user's own settings come last and so win.
    """
    tunables = ":".join(filter(None, ("glibc.malloc.hugetlb=1", os.environ.get("GLIBC_TUNABLES"))))
    path = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": path, "GLIBC_TUNABLES": tunables}


def serve(pipe: Connection, shared: NDArray[np.uint8]) -> None:
    """The other side: make the engine, then answer until the pipe is closed or None comes."""
    try:
        engine: Engine = pickle.loads(pipe.recv_bytes()[1:])()
    except SonocartError as error:
        pipe.send_bytes(_pickled(error))
        return
    frames = engine if isinstance(engine, FrameEngine) else None
    pipe.send_bytes(_pickled((engine.name, engine.precision, frames is not None)))
    try:
        while True:
            raw = pipe.recv_bytes()
            if raw.startswith(_PLAIN):
                _, height, width = _REQUEST.unpack(raw)
                pipe.send_bytes(_infer(engine, shared, height, width))
                continue
            request = pickle.loads(raw[1:])
            if request is None:
                break
            pipe.send_bytes(_pickled(_infer_staged(frames, request, shared)))
    except EOFError:
        pass  # the daemon is gone
    finally:
        engine.close()


def _infer(engine: Engine, shared: NDArray[np.uint8], height: int, width: int) -> bytes:
    """The answer to the tensor in `shared`: in there too, unless it is none."""
    try:
        found = engine.infer(shared[: height * width].reshape(1, 1, height, width))
    except SonocartError as error:
        return _pickled(error)
    heat = found.heatmap
    shared[_HEAT : _HEAT + heat.nbytes].view(np.float32).reshape(heat.shape)[:] = heat
    return _ANSWER.pack(_PLAIN, found.risk, found.ood, *heat.shape)


def _infer_staged(
    frames: FrameEngine | None, request: tuple[Any, ...], shared: NDArray[np.uint8]
) -> tuple[Inference, NDArray[np.uint8]] | SonocartError:
    shape, pixel_format, full_range, matrix = request
    assert frames is not None
    planes = (shared[: int(np.prod(shape))].reshape(shape),)
    frame = Frame(planes, pixel_format, 0, 0, full_range=full_range, matrix=matrix)
    try:
        if not frames.stage(frame, frame.bounds):
            raise EngineError(f"the engine does not take a region of {frame.width}x{frame.height} pixels")
        return frames.infer_staged()
    except SonocartError as error:
        return error


def _pickled(message: object) -> bytes:
    return _PICKLED + pickle.dumps(message)


def main(arguments: Sequence[str]) -> None:
    """Run by `EngineProcess` with the numbers of the socket and of the shared memory."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach the whole group; the daemon ends this one
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # where memory runs out, this process goes and not the daemon
        Path("/proc/self/oom_score_adj").write_text("900")
    pipe, memory = (int(descriptor) for descriptor in arguments)
    with Connection(pipe) as connection:
        serve(connection, np.frombuffer(mmap.mmap(memory, _HEAT + _HEAT_BYTES), np.uint8))


if __name__ == "__main__":
    main(sys.argv[1:])
