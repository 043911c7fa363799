"""The thread that owns the engine. It takes one picture at a time and is replaced when it hangs or fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge.contract.frame import Frame
from edge.contract.preprocess import Tensor, prepare
from edge.contract.roi import Roi
from edge.engines.base import Engine, EngineError, FrameEngine, Inference, KillableEngine
from edge.errors import SonocartError
from edge.mailbox import Mailbox
from edge.timing import Timing

logger = logging.getLogger(__name__)

DEADLINE_S = 2.0  # for one inference; the slowest network worth running live takes a tenth of it
FAILURES = 3  # in a row, before the engine is built anew
REPEATS = 3  # equal answers to different pictures, after a first one, before none is believed
REPLACEMENTS = 3  # before the network stays off


@dataclass(frozen=True, slots=True)
class Job:
    """A prepared tensor, uint8 (1, 1, height, width), and the frame it was made from.

    `tensor` is None where `EngineWorker.prepare` has staged the frame for the engine's own device.
    """

    tensor: Tensor | None
    sequence: int
    captured_ns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a job: an inference, or None and the reason.

    `tensor` is the one that the engine's own device made, the caller's; None where it was in the job.
    """

    sequence: int
    captured_ns: int
    inference: Inference | None
    reason: str
    tensor: Tensor | None = None


class _Owner:
    """One thread and the engine that it makes, uses and closes."""

    def __init__(self, make: Callable[[], Engine], timing: Timing):
        self.jobs: Mailbox[Job] = Mailbox()
        self.answers: Mailbox[Answer] = Mailbox()
        self.ready = threading.Event()
        self.failure: SonocartError | None = None
        self.name = ""
        self.engine: Engine | None = None
        self._before: tuple[Tensor, Inference] | None = None
        self._equal = 0
        self._make = make
        self._timing = timing
        self.thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            engine = self._make()
            self.name, self.engine = engine.name, engine
        except SonocartError as error:
            self.failure = error
            return
        except Exception as error:  # the top of a thread
            logger.exception("the engine cannot be made")
            self.failure = EngineError(f"the engine cannot be made: {error}")
            return
        finally:
            self.ready.set()
        try:
            while (job := self.jobs.take(None)) is not None:
                self.answers.put(self._answer(engine, job))
        finally:
            engine.close()

    def _answer(self, engine: Engine, job: Job) -> Answer:
        try:
            with self._timing.stage("infer"):
                made: Tensor | None = None
                if job.tensor is not None:
                    inference = engine.infer(job.tensor)
                else:
                    assert isinstance(engine, FrameEngine)
                    inference, made = engine.infer_staged()
        except EngineError as error:
            return Answer(job.sequence, job.captured_ns, None, str(error))
        except Exception as error:  # whatever a runtime throws, the picture goes on
            logger.exception("the engine broke")
            return Answer(job.sequence, job.captured_ns, None, f"the network failed: {error}")
        if self._repeats(job.tensor if made is None else made, inference):
            return Answer(job.sequence, job.captured_ns, None, "the network says the same of every picture")
        return Answer(job.sequence, job.captured_ns, inference, "", made)

    def _repeats(self, tensor: Tensor | None, inference: Inference) -> bool:
        """True where the last answers were equal bit by bit, and the pictures were not."""
        before = self._before
        self._before = None if tensor is None else (tensor.copy(), inference)
        if before is None or tensor is None or np.array_equal(before[0], tensor):
            return False
        equal = inference.risk == before[1].risk and np.array_equal(inference.heatmap, before[1].heatmap)
        self._equal = self._equal + 1 if equal else 0
        return self._equal >= REPEATS


class EngineWorker:
    """Submits tensors and hands back answers; called by one thread, which never waits unless it asks to."""

    def __init__(self, make: Callable[[], Engine], timing: Timing, *, deadline_s: float = DEADLINE_S):
        """Start the thread.

        Args:
            make: builds a checked engine; called in the thread that will use it, again for each replacement.
            timing: receives the stage "infer".
            deadline_s: after this long without an answer the engine counts as hanging.
        """
        self._make = make
        self._timing = timing
        self._deadline_ns = int(deadline_s * 1e9)
        self._owner = _Owner(make, timing)
        self._busy_since: int | None = None
        self._failures = 0
        self._replacements = 0
        self._off: str | None = None

    @property
    def engine(self) -> str:
        """The engine's runtime and device in words; empty before `wait_ready`."""
        return self._owner.name

    @property
    def replacements(self) -> int:
        """How often the engine had to be built anew."""
        return self._replacements

    @property
    def paused(self) -> str | None:
        """Why no tensor is taken at present, or None."""
        if self._off is not None:
            return f"AI off: {self._off}"
        if not self._owner.ready.is_set():
            return "AI paused: the network is being loaded"
        return None

    @property
    def idle(self) -> bool:
        """True if `submit` would be taken at once."""
        return self._busy_since is None and self.paused is None

    def wait_ready(self) -> None:
        """Wait until the engine is made, and raise what went wrong."""
        self._owner.ready.wait()
        if self._owner.failure is not None:
            raise self._owner.failure

    def prepare(self, frame: Frame, roi: Roi, out: Tensor) -> Tensor | None:
        """What to submit for a region of `frame`: `out`, or None where the engine's device makes the tensor.

        Only when `idle`. The frame is not read after this.

        Args:
            frame: any pixel format.
            roi: inside the frame.
            out: uint8 (1, 1, height, width), overwritten where the tensor is made here.
        """
        engine = self._owner.engine
        if isinstance(engine, FrameEngine) and engine.stage(frame, roi):
            return None
        return prepare(frame, roi, out.shape[3], out.shape[2], out=out)

    def submit(self, job: Job) -> None:
        """Start one inference; only when `idle`. The tensor may be overwritten once its answer is back."""
        self._busy_since = time.monotonic_ns()
        self._owner.jobs.put(job)

    def poll(self, timeout: float = 0.0) -> Answer | None:
        """The answer if there is one, waiting up to `timeout` seconds; replaces an engine that is lost."""
        if self._owner.ready.is_set() and self._owner.failure is not None and self._off is None:
            self._replace(str(self._owner.failure))
        if self._busy_since is None:
            return None
        answer = self._owner.answers.take(timeout)
        if answer is not None:
            self._busy_since = None
            self._failures = 0 if answer.inference else self._failures + 1
            if self._failures >= FAILURES:
                self._replace(answer.reason)
        elif time.monotonic_ns() - self._busy_since > self._deadline_ns:
            self._busy_since = None
            self._replace("the network does not answer")
        return answer

    def wait(self) -> Answer | None:
        """The answer to the job under way, up to the deadline; None if there is none."""
        while self._busy_since is not None:
            answer = self.poll(self._deadline_ns / 1e9)
            if answer is not None:
                return answer
        return None

    def close(self) -> None:
        """Let the thread end after its present job; a hanging one is left behind after the deadline.

        A process that ends while a runtime's native code runs may abort, so the job is waited for.
        """
        self._owner.jobs.close()
        self._owner.thread.join(timeout=self._deadline_ns / 1e9)
        if self._owner.thread.is_alive() and isinstance(self._owner.engine, KillableEngine):
            self._owner.engine.kill()

    def _replace(self, reason: str) -> None:
        """End the engine and start another; after some times stay off.

        A thread cannot be killed: an engine in this process that hangs is left behind.
        """
        self._owner.jobs.close()
        if isinstance(self._owner.engine, KillableEngine):
            self._owner.engine.kill()
        self._failures = 0
        if self._replacements >= REPLACEMENTS:
            self._off = reason
            logger.error("the network stays off: %s", reason)
            return
        self._replacements += 1
        logger.warning("the engine is built anew (%d): %s", self._replacements, reason)
        self._owner = _Owner(self._make, self._timing)
