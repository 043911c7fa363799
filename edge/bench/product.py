"""The cart's own loop under measurement: its parts as `sonocart run` puts them together, and stop-watches.

The source is let through a turnstile, so that the loop can take turns with others in one run; the output
encodes a JPEG of each presented frame as the page does, and notes when each frame went out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.bench.setup import Setup
from edge.contract.frame import Frame
from edge.engines.base import Engine
from edge.engines.process import EngineProcess
from edge.engines.worker import EngineWorker
from edge.errors import InternalError
from edge.exam.desk import Choices, Desk
from edge.exam.examination import Examination
from edge.exam.reading import Identity, Reading
from edge.loop import Output, Parts, run_loop
from edge.mailbox import Mailbox
from edge.outputs.planes import as_jfif, encode_planes
from edge.sources.base import FrameSource, Pace, SourceEnded, SourceInfo
from edge.sources.capture import Capture
from edge.sources.isolated import IsolatedSource
from edge.timing import Timing
from edge.urgency import PICTURE, VIEWERS, urgent

STUCK_S = 60.0
"""A turn that lasts longer than this has lost a frame."""

DECODER, ENGINE = "decoder's process", "engine's process"


@dataclass(slots=True)
class Passage:
    """When a frame came and went, nanoseconds of `time.monotonic_ns`; 0 where it did not."""

    came: int = 0
    presented: int = 0
    encoded: int = 0
    age_ms: float | None = None


@dataclass(slots=True)
class Journal:
    """The passage of every frame by its sequence number."""

    passages: dict[int, Passage] = field(default_factory=dict)

    def at(self, sequence: int) -> Passage:
        """The passage of a frame."""
        return self.passages.setdefault(sequence, Passage())

    def take_finished(self) -> list[Passage]:
        """Passages of encoded frames, in order; they and all that came before them are forgotten."""
        order = sorted(self.passages)
        last = max((k for k in order if self.passages[k].encoded), default=-1)
        gone = [self.passages.pop(k) for k in order if k <= last]
        return [passage for passage in gone if passage.encoded]


class Turnstile:
    """A source that lets through as many frames as were granted; without a limit after `open`."""

    def __init__(self, source: FrameSource, journal: Journal):
        """Closed."""
        self._source = source
        self._journal = journal
        self._condition = threading.Condition()
        self._granted = 0.0
        self._closed = False

    @property
    def info(self) -> SourceInfo:
        """Of the source."""
        return self._source.info

    def grant(self, frames: float) -> None:
        """Let `frames` more through; infinity lets all through."""
        with self._condition:
            self._granted += frames
            self._condition.notify_all()

    def read(self) -> Frame:
        """See `FrameSource.read`; waits until a frame is granted."""
        with self._condition:
            self._condition.wait_for(lambda: self._granted > 0 or self._closed)
            if self._closed:
                raise SourceEnded
            self._granted -= 1
        frame = self._source.read()
        self._journal.at(frame.sequence).came = time.monotonic_ns()
        return frame

    def close(self) -> None:
        """End a waiting `read`."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._source.close()


class JpegOutput:
    """Encodes presented frames in a thread of its own, as the page's hub does for its viewers."""

    def __init__(self, journal: Journal, timing: Timing, quality: int, *, wait: bool):
        """`wait` lets the loop wait for the encoder, so that every frame is encoded."""
        self._journal = journal
        self._timing = timing
        self._quality = quality
        self._wait = wait
        self._frames: Mailbox[Frame] = Mailbox()
        self._encoded = threading.Condition()
        self.count = 0
        self.thread = threading.Thread(target=self._run, name="bench-encoder", daemon=True)
        self.thread.start()

    def present(self, frame: Frame, reading: Reading) -> None:
        """See `Output.present`."""
        passage = self._journal.at(frame.sequence)
        passage.presented = time.monotonic_ns()
        passage.age_ms = reading.age_ms
        if self._wait:
            self._frames.put_when_empty(frame)
        else:
            self._frames.put(frame)

    def note(self, reading: Reading) -> None:
        """Nothing to encode."""

    def wait_for(self, count: int) -> None:
        """Wait until `count` frames have been encoded since the start."""
        with self._encoded:
            if not self._encoded.wait_for(lambda: self.count >= count, STUCK_S):
                raise InternalError(f"the pipeline has stopped after {self.count} of {count} frames")

    def close(self) -> None:
        """Stop encoding."""
        self._frames.close()

    def _run(self) -> None:
        with urgent(None if self._wait else VIEWERS):
            self._encode_all()

    def _encode_all(self) -> None:
        while (frame := self._frames.take(None)) is not None:
            with self._timing.stage("encode"):
                with self._timing.stage("planes"):
                    planes = as_jfif(frame)
                with self._timing.stage("jpeg"):
                    encode_planes(planes, self._quality)
            self._journal.at(frame.sequence).encoded = time.monotonic_ns()
            with self._encoded:
                self.count += 1
                self._encoded.notify_all()


def process_cpu_ns(pid: int) -> int:
    """CPU time of a living process so far; 0 of one that is gone. See clock_getcpuclockid(3)."""
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)
    except OSError:
        return 0


class Product:
    """Capture, engine, loop and encoder, running until `close`."""

    def __init__(
        self,
        setup: Setup,
        source: FrameSource,
        pace: Pace,
        quality: int,
        outputs: tuple[Output, ...] = (),
    ):
        """Put the parts together; no frame passes before `turn` or `open`. `outputs` come after JPEG's."""
        bundle = setup.bundle
        self.timing = Timing()
        self.journal = Journal()
        self._decoder = source
        self._engine: Engine | None = None
        self._source = Turnstile(source, self.journal)
        self._output = JpegOutput(self.journal, self.timing, quality, wait=pace is Pace.MAX)
        self._worker = EngineWorker(self._start_engine(setup), self.timing)
        self._worker.wait_ready()
        rank = PICTURE if pace is Pace.LIVE else None
        self.capture = Capture(self._source, pace, self.timing, rank=rank)
        self.examination = Examination(bundle.spec.preprocessing.region, bundle.spec.ood_threshold)
        self._stop = threading.Event()
        identity = Identity(bundle.spec.name, bundle.id, setup.precision)
        parts = Parts(
            self.capture,
            self._worker,
            self.examination,
            bundle.spec.preprocessing,
            identity,
            Desk(bundle.spec, Choices(None, bundle.spec.point())),
            (self._output, *outputs),
            self.timing,
            pace,
            self._stop,
            rank=rank,
        )
        self._loop = threading.Thread(target=run_loop, args=(parts,), name="loop", daemon=True)
        self.capture.start()
        self._loop.start()

    @property
    def engine(self) -> str:
        """Runtime and device in words."""
        return self._worker.engine

    @property
    def encoded(self) -> int:
        """Frames encoded since the start."""
        return self._output.count

    @property
    def ended(self) -> bool:
        """True once the loop has left, because the source is over."""
        return not self._loop.is_alive()

    def turn(self, frames: int) -> None:
        """Let `frames` through and wait until each has left as a JPEG. MAX pace only."""
        wanted = self._output.count + frames
        self._source.grant(frames)
        self._output.wait_for(wanted)

    def open(self) -> None:
        """Let all frames through."""
        self._source.grant(float("inf"))

    def cpu_ms(self) -> dict[str, float]:
        """CPU time of each of the pipeline's Python threads, and of its other processes, so far."""
        names = {"capture", "engine", "loop", "bench-encoder"}
        threads = {
            thread.name: time.clock_gettime(time.pthread_getcpuclockid(thread.ident)) * 1000
            for thread in threading.enumerate()
            if thread.name in names and thread.ident is not None
        }
        return threads | {name: process_cpu_ns(pid) / 1e6 for name, pid in self._processes().items()}

    def elsewhere_ns(self) -> int:
        """CPU time of the pipeline's other processes so far."""
        return sum(process_cpu_ns(pid) for pid in self._processes().values())

    def _processes(self) -> dict[str, int]:
        parts = {DECODER: self._decoder, ENGINE: self._engine}
        return {
            name: part.pid
            for name, part in parts.items()
            if isinstance(part, (IsolatedSource, EngineProcess))
        }

    def _start_engine(self, setup: Setup) -> Callable[[], Engine]:
        def start() -> Engine:
            self._engine = setup.start_engine()
            return self._engine

        return start

    def close(self) -> None:
        """Stop every thread."""
        self._stop.set()
        self.capture.close()
        self._loop.join(timeout=5.0)
        self._output.close()
        self._worker.close()
