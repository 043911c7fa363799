"""The engine in a process of its own, which can be killed.

A thread that hangs in a runtime's native code cannot be ended, and a crash there ends the whole process.
Behind this seam both cost the risk alone: the picture goes on, and the next process has a fresh context.
Pictures go over in shared memory, everything else as messages over a socket between the two.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import socket
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

Make = Callable[[], Engine]


class EngineProcess:
    """An engine behind a socket. See `Engine` for the life cycle; `kill` may come from any thread."""

    def __init__(self, make: Make):
        """Start the process and wait until its engine is made.

        Args:
            make: can be pickled, for it is called in the other process.

        Raises:
            SonocartError: what `make` raised there.
            EngineError: the process ended.
        """
        memory = os.memfd_create("sonocart-engine")
        try:
            os.ftruncate(memory, STAGED_BYTES)
            self._memory = mmap.mmap(memory, STAGED_BYTES)
            ours, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-m", __name__, str(theirs.fileno()), str(memory)]
                self._process = subprocess.Popen(
                    command,
                    pass_fds=(theirs.fileno(), memory),
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
        finally:
            os.close(memory)
        self._shared = np.frombuffer(self._memory, np.uint8)
        self._pipe = Connection(ours.detach())
        self._staged: tuple[object, ...] | None = None
        try:
            made = self._ask(make)
            assert isinstance(made, tuple)
            self._name, self._precision, self._takes_frames = made
        except BaseException:
            self.kill()
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
        self._shared[: tensor.nbytes] = np.ascontiguousarray(tensor).view(np.uint8).reshape(-1)
        answer = self._ask(("tensor", tensor.shape, tensor.dtype.str))
        assert isinstance(answer, Inference)
        return answer

    def stage(self, frame: Frame, roi: Roi) -> bool:
        """See `FrameEngine.stage`; False where the engine in the process makes no tensors."""
        part = frame.planes[0][roi.y : roi.bottom, roi.x : roi.right]
        if not self._takes_frames or part.nbytes > STAGED_BYTES:
            return False
        self._shared[: part.nbytes].reshape(part.shape)[:] = part
        self._staged = ("frame", part.shape, frame.format, frame.full_range, frame.matrix)
        return True

    def infer_staged(self) -> tuple[Inference, NDArray[np.uint8]]:
        """See `FrameEngine.infer_staged`."""
        if self._staged is None:
            raise EngineError("no frame is staged")
        answer = self._ask(self._staged)
        assert isinstance(answer, tuple)
        return answer

    def kill(self) -> None:
        """End the process at once, whatever it does; a call that waits for it raises EngineError."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let the process end in order; it is killed where it does not. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._pipe.close()

    def _ask(self, request: object) -> object:
        try:
            self._pipe.send(request)
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            code = self._process.wait()
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise EngineError(f"the engine's process has ended ({how}); its log has the reason") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def serve(pipe: Connection, shared: NDArray[np.uint8]) -> None:
    """The other side: make the engine, then answer until the pipe is closed or None comes."""
    try:
        engine: Engine = pipe.recv()()
    except SonocartError as error:
        pipe.send(error)
        return
    frames = engine if isinstance(engine, FrameEngine) else None
    pipe.send((engine.name, engine.precision, frames is not None))
    try:
        while (request := pipe.recv()) is not None:
            pipe.send(_answer(engine, frames, request, shared))
    except EOFError:
        pass  # the daemon is gone
    finally:
        engine.close()


def _answer(
    engine: Engine, frames: FrameEngine | None, request: tuple[Any, ...], shared: NDArray[np.uint8]
) -> Inference | tuple[Inference, NDArray[np.uint8]] | SonocartError:
    kind, shape, *rest = request
    size = int(np.prod(shape))
    try:
        if kind == "tensor":
            dtype = np.dtype(rest[0])
            return engine.infer(shared[: size * dtype.itemsize].view(dtype).reshape(shape))
        assert frames is not None
        frame = Frame((shared[:size].reshape(shape),), rest[0], 0, 0, full_range=rest[1], matrix=rest[2])
        if not frames.stage(frame, frame.bounds):
            raise EngineError(f"the engine does not take a region of {frame.width}x{frame.height} pixels")
        return frames.infer_staged()
    except SonocartError as error:
        return error


def main(arguments: Sequence[str]) -> None:
    """Run by `EngineProcess` with the numbers of the socket and of the shared memory."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach the whole group; the daemon ends this one
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # where memory runs out, this process goes and not the daemon
        Path("/proc/self/oom_score_adj").write_text("900")
    pipe, memory = (int(descriptor) for descriptor in arguments)
    with Connection(pipe) as connection:
        serve(connection, np.frombuffer(mmap.mmap(memory, STAGED_BYTES), np.uint8))


if __name__ == "__main__":
    main(sys.argv[1:])
