"""The thread that owns the engine. It takes one picture at a time and is replaced when it hangs or fails."""

from __future__ import annotations

import logging
import math
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
REPLACEMENTS = 3  # in a row, before the network is left off for a while
RESTS_S = (60, 120, 300, 900)  # that it is off before it is tried again; then always the last
PROVEN_S = 60  # from an engine's first answer on, after which what was before is forgotten


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

    def __init__(self, make: Callable[[], Engine], timing: Timing, tell: Callable[[], None]):
        self.jobs: Mailbox[Job] = Mailbox()
        self.answers: Mailbox[Answer] = Mailbox()
        self.ready = threading.Event()
        self.failure: SonocartError | None = None
        self.name = ""
        self.engine: Engine | None = None
        self.frames: FrameEngine | None = None  # the same, where it makes its tensors itself
        self._before: tuple[Tensor, Inference] | None = None
        self._equal = 0
        self._make = make
        self._timing = timing
        self._tell = tell
        self.thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.thread.start()

    @property
    def stuck(self) -> bool:
        """True while an engine that cannot be killed keeps the thread."""
        return self.thread.is_alive() and not isinstance(self.engine, KillableEngine)

    def _run(self) -> None:
        try:
            engine = self._make()
            self.frames = engine if isinstance(engine, FrameEngine) else None
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
                self._tell()
        finally:
            engine.close()

    def _answer(self, engine: Engine, job: Job) -> Answer:
        try:
            with self._timing.stage("infer"):
                made: Tensor | None = None
                if job.tensor is not None:
                    inference = engine.infer(job.tensor)
                else:
                    assert self.frames is not None
                    inference, made = self.frames.infer_staged()
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
        if before is None or tensor is None:
            return False
        equal = inference.risk == before[1].risk and np.array_equal(inference.heatmap, before[1].heatmap)
        if equal and np.array_equal(before[0], tensor):
            return False
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
        self._listener: Callable[[], None] | None = None
        self._owner = _Owner(make, timing, self._tell)
        self._busy_since: int | None = None
        self._job: Job | None = None  # the one under way, or the last one
        self._failures = 0
        self._replacements = 0
        self._in_a_row = 0
        self._first_ns: int | None = None  # when this engine first answered
        self._rests = 0
        self._off: str | None = None
        self._again_ns = 0

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
            left = math.ceil((self._again_ns - time.monotonic_ns()) / 60e9)
            hangs = left <= 0 and self._owner.stuck
            how = "it hangs, restart the service" if hangs else f"tried again in {max(left, 1)} min"
            return f"AI paused: {self._off}; {how}"
        if not self._owner.ready.is_set():
            return "AI paused: the network is being loaded"
        return None

    @property
    def idle(self) -> bool:
        """True if `submit` would be taken at once."""
        return self._busy_since is None and self.paused is None

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the engine's thread, whenever there is an answer to `poll`."""
        self._listener = listener

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
        frames = self._owner.frames
        if frames is not None and frames.stage(frame, roi):
            return None
        return prepare(frame, roi, out.shape[3], out.shape[2], out=out)

    def submit(self, job: Job) -> None:
        """Start one inference; only when `idle`. The tensor may be overwritten once its answer is back."""
        self._busy_since, self._job = time.monotonic_ns(), job
        self._owner.jobs.put(job)

    def poll(self, timeout: float = 0.0) -> Answer | None:
        """The answer if there is one, waiting up to `timeout` seconds; replaces an engine that is lost.

        At the deadline it is that the network does not answer.
        """
        if self._off is not None:
            if time.monotonic_ns() < self._again_ns or self._owner.stuck:
                return None
            self._off = None
            self._renew()
        elif self._owner.ready.is_set() and self._owner.failure is not None:
            self._replace(str(self._owner.failure))
        if self._busy_since is None:
            return None
        answer = self._owner.answers.take(timeout)
        if answer is not None:
            self._busy_since = None
            self._failures = 0 if answer.inference else self._failures + 1
            if self._failures >= FAILURES:
                self._replace(answer.reason)
            elif answer.inference:
                self._prove(time.monotonic_ns())
        elif time.monotonic_ns() - self._busy_since > self._deadline_ns:
            assert self._job is not None
            answer = Answer(self._job.sequence, self._job.captured_ns, None, "the network does not answer")
            self._busy_since = None
            self._replace(answer.reason)
        return answer

    def wait(self) -> Answer | None:
        """The answer to the job under way; None if there is none."""
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

    def _tell(self) -> None:
        if self._listener is not None:
            self._listener()

    def _prove(self, now_ns: int) -> None:
        """Forget what was before this engine, once it has answered for long enough."""
        if self._first_ns is None:
            self._first_ns = now_ns
        elif now_ns - self._first_ns > PROVEN_S * 10**9:
            self._in_a_row = self._rests = 0

    def _replace(self, reason: str) -> None:
        """End the engine and start another; after some times in a row leave it off for a while.

        What starves on a busy machine works again once that is free, and a new engine proves itself by its
        golden frames. A thread cannot be killed: an engine in this process that hangs is left behind, and
        after a rest none is tried before its thread has ended.
        """
        self._owner.jobs.close()
        if isinstance(self._owner.engine, KillableEngine):
            self._owner.engine.kill()
        self._failures = 0
        if self._in_a_row >= REPLACEMENTS:
            rest = RESTS_S[min(self._rests, len(RESTS_S) - 1)]
            self._off, self._again_ns = reason, time.monotonic_ns() + rest * 10**9
            self._rests += 1
            logger.error("the network is off and tried again in %d s: %s", rest, reason)
            return
        self._in_a_row += 1
        logger.warning("the engine is built anew (%d): %s", self._replacements + 1, reason)
        self._renew()

    def _renew(self) -> None:
        self._replacements += 1
        self._first_ns = None
        self._owner = _Owner(self._make, self._timing, self._tell)
