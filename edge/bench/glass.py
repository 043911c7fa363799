"""`sonocart bench glass`: from a picture's showing to its presentation, told by the number burnt into it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.bench.cable import Cable
from edge.bench.compose import compose, source_words
from edge.bench.decoding import all_lumas
from edge.bench.product import Product
from edge.bench.result import Result, Settings, Track, make_track
from edge.bench.setup import Setup
from edge.bench.watching import await_first, watch_pictures
from edge.contract.frame import Frame
from edge.errors import InternalError, UsageError
from edge.exam.evidence import RiskEstimate
from edge.exam.reading import Identity, Reading
from edge.outputs.page.pace import QUALITY
from edge.outputs.recorder import Habits, Recorder
from edge.outputs.segment import OneFile
from edge.phantom.counter import read_counter
from edge.sources.base import Pace
from edge.timing import Timing

WARM_UP_SECONDS = 3.0
SPLITS = ("shown to captured", "captured to presented", "presented to frame out")


@dataclass(slots=True)
class Observer:
    """An output that reads the number in each presented picture.

    Attributes:
        seen: number read (None where it cannot be), the frame's sequence, and the sequence of the newest
            frame in the estimate that was drawn (None without one).
    """

    seen: list[tuple[int | None, int, int | None]] = field(default_factory=list)

    def present(self, frame: Frame, reading: Reading) -> None:
        """Read the number."""
        estimate = reading.estimate
        newest = estimate.sequence if isinstance(estimate, RiskEstimate) else None
        self.seen.append((read_counter(frame.planes[0]), frame.sequence, newest))

    def note(self, reading: Reading) -> None:
        """Nothing was shown."""


def measure_glass(
    setup: Setup,
    cable: Cable,
    seconds: float,
    settings: Settings,
    progress: Callable[[float], None],
) -> Result:
    """Show numbered pictures at one end of `cable` and find each again where the product presents it.

    Each presented picture is recorded too, and the recording read back: the numbers in it must be those that
    were presented, in their order.

    Args:
        setup: the network and how it is run.
        cable: closed at the end.
        seconds: measured, after the first picture and a warm-up; longer where few pictures come.
        settings: for the record.
        progress: told the part that is done, 0 to 1.

    Raises:
        UsageError: no number could be read.
        InternalError: the recording holds others than were presented.
    """
    observer = Observer()
    with tempfile.TemporaryDirectory(prefix="sonocart-bench-") as folder:
        path = Path(folder) / "presented.mp4"
        identity = Identity(setup.bundle.spec.name, setup.bundle.id, setup.precision)
        recorder = Recorder(OneFile(path), identity, Habits(cable.info.rate, raw=True), Timing())
        product = Product(setup, cable, Pace.LIVE, QUALITY, outputs=(observer, recorder))
        try:
            product.open()
            await_first(product, cable.info.name)
            time.sleep(WARM_UP_SECONDS)
            begin_ns = time.monotonic_ns()
            conditions = watch_pictures(product, cable.info.name, seconds, progress)
        finally:
            product.close()
            recorder.close()
        recorded = [read_counter(luma) for luma in all_lumas(path)]
    presented = [number for number, _, _ in observer.seen]
    if not any(number is not None for number in presented):
        raise UsageError(
            f"no number can be read from the {len(presented)} presented pictures: the overlay covers it, or "
            "none came. Give a larger picture: --source phantom:size=1280x720"
        )
    _check_recording(presented, recorded, recorder.dropped)
    tracks = _tracks(observer, product, cable.shown_ns, begin_ns)
    numbers = [n for n, sequence, _ in observer.seen if product.journal.at(sequence).came >= begin_ns]
    read = [n for n in numbers if n is not None]
    return compose(
        "glass",
        setup.bundle,
        {
            "precision": setup.precision,
            "engine": product.engine,
            "source": source_words(cable.info),
        },
        settings,
        conditions,
        tracks,
        figures={
            "shown": float(max(read) - min(read) + 1),
            "presented": float(len(numbers)),
            "never presented": float(max(read) - min(read) + 1 - len(set(read))),
            "presented twice": float(len(read) - len(set(read))),
            "not readable": float(len(numbers) - len(read)),
            "out of order": float(int((np.diff(read) < 0).sum())),
            "recorded": float(len(recorded)),
            "dropped by the recorder": float(recorder.dropped),
        },
        notes=[
            "Shown: the numbered picture went into the cable, which here is an H.264 encoder, a pipe and a "
            "decoder instead of screen, wire and capture card. Frame out: the JPEG for viewers is made.",
            "Shown to risk: age, on the glass, of the newest picture that the drawn risk is made from.",
        ],
    )


def _check_recording(presented: list[int | None], recorded: list[int | None], dropped: int) -> None:
    """The recording is a subsequence of what was presented, short of it by the dropped pictures alone."""
    rest = iter(presented)
    in_order = all(any(number == other for other in rest) for number in recorded if number is not None)
    if not in_order or len(recorded) != len(presented) - dropped:
        raise InternalError(
            f"the recording holds {len(recorded)} pictures of {len(presented)} presented and {dropped} "
            f"dropped, {'in their order' if in_order else 'not in their order'}"
        )


def _tracks(observer: Observer, product: Product, shown_ns: dict[int, int], begin_ns: int) -> list[Track]:
    number_of = {sequence: number for number, sequence, _ in observer.seen if number is not None}
    spans: dict[str, list[tuple[float, float]]] = {name: [] for name in ("glass to glass", *SPLITS)}
    risks: list[tuple[float, float]] = []
    for number, sequence, newest in observer.seen:
        passage = product.journal.at(sequence)
        if number is None or passage.came < begin_ns or not passage.encoded:
            continue
        shown = shown_ns[number]
        at = (passage.came - begin_ns) / 1e9
        ends = (shown, passage.came, passage.presented, passage.encoded)
        spans["glass to glass"].append((at, (ends[-1] - shown) / 1e6))
        for name, begin, end in zip(SPLITS, ends[:-1], ends[1:], strict=True):
            spans[name].append((at, (end - begin) / 1e6))
        if newest in number_of:
            risks.append((at, (passage.presented - shown_ns[number_of[newest]]) / 1e6))
    tracks = [
        _track(name, samples) for name, samples in [*spans.items(), ("shown to risk", risks)] if samples
    ]
    glass = np.array(spans["glass to glass"])
    jitter = [
        (float(at), float(change))
        for at, change in zip(glass[1:, 0], np.abs(np.diff(glass[:, 1])), strict=True)
    ]
    return [*tracks, _track("jitter, picture to picture", jitter)]


def _track(name: str, samples: list[tuple[float, float]]) -> Track:
    at, wall = zip(*samples, strict=True)
    return make_track(name, at, at, wall)
