"""Try the gates: draw each fault into clips of every kind, and print how often it is found and how often good
pictures are withheld.

Examples:
  sonocart gates
  sonocart gates --clip clip.mp4 --clip other.mp4 --json

Without --clip, synthetic clips are made: linear and sector probes, both screens, sweeps and a still probe.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass, field, replace

from edge.contract.frame import Frame
from edge.exam.examination import Examination
from edge.sources.base import Pace, SourceEnded, SourceInfo
from edge.sources.faults import DRAWN, FAULTS, Fault, FaultySource
from edge.sources.open import open_source

_CLIPS = tuple(
    f"phantom:size=960x720,seed={seed},label={label},geometry={geometry},layout={layout},motion={motion}"
    for seed, label, geometry, layout, motion in (
        (11, "benign", "linear", "aster", "sweep"),
        (12, "malignant", "linear", "boreal", "sweep"),
        (13, "malignant", "sector", "aster", "sweep"),
        (14, "benign", "sector", "boreal", "still"),
    )
)
_FRAMES = 150
_START_NS, _LENGTH_NS = 2_000_000_000, 1_500_000_000  # of each fault
_REACTION_NS = 1_000_000_000  # the promise: withheld at most so long after a fault begins


@dataclass(slots=True)
class Trial:
    """What was said of the pictures of one fault, or of good ones.

    Attributes:
        frames: pictures that count: good ones, or faulty ones after the reaction time.
        withheld: of these.
        slowest_ms: from the fault's begin to withheld, and from its end to live again.
        said: how often each reason was given.
    """

    frames: int = 0
    withheld: int = 0
    slowest_ms: list[float] = field(default_factory=lambda: [0.0, 0.0])
    said: Counter[str] = field(default_factory=Counter)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--clip", action="append", metavar="SOURCE", help="video or phantom:...; repeatable")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def main(args: argparse.Namespace) -> int:
    """Run all trials; 1 if a promise of 95 % withheld or 1 % false alarms is broken."""
    names = ("good", *DRAWN, "freeze")
    trials = {name: Trial() for name in names}
    for text in args.clip or _CLIPS:
        print(f"trying {text}", file=sys.stderr)
        frames = _read(text)
        for name, trial in trials.items():
            _try(frames, name, trial)
    if args.json:
        print(json.dumps({name: _figures(trial) for name, trial in trials.items()}))
    else:
        print(f"{'':10}{'pictures':>9}{'withheld':>10}{'after ms':>10}{'back ms':>9}  said")
        for name, trial in trials.items():
            said = ", ".join(f"{reason} ({count})" for reason, count in trial.said.most_common(2))
            share = 100 * trial.withheld / max(1, trial.frames)
            after, back = trial.slowest_ms
            print(f"{name:10}{trial.frames:9}{share:9.1f}%{after:10.0f}{back:9.0f}  {said}")
    kept = trials["good"].withheld <= 0.01 * trials["good"].frames
    caught = all(t.withheld >= 0.95 * t.frames for name, t in trials.items() if name != "good")
    return 0 if kept and caught else 1


def _figures(trial: Trial) -> dict[str, object]:
    after, back = trial.slowest_ms
    return {
        "pictures": trial.frames,
        "withheld": trial.withheld,
        "withheld_after_ms": after,
        "live_after_ms": back,
        "said": dict(trial.said),
    }


def _read(text: str) -> list[Frame]:
    source = open_source(text, pace=Pace.MAX, repeat=True)
    try:
        return [source.read() for _ in range(_FRAMES)]
    finally:
        source.close()


def _try(frames: list[Frame], name: str, trial: Trial) -> None:
    """Play `frames` once with one fault, through the same examination that the cart uses."""
    script = (Fault(_START_NS, _LENGTH_NS, name),) if name in FAULTS else ()
    source = FaultySource(_Replay(frames), script)
    examination = Examination("field")
    first_ns = frames[0].captured_ns
    begun, ended = None, None
    for _ in frames:
        frame = source.read()
        at_ns = frame.captured_ns - first_ns
        examination.look(frame, frame.captured_ns)
        reason = examination.withheld(frame.captured_ns)
        faulty = bool(script) and _START_NS <= at_ns < _START_NS + _LENGTH_NS
        if faulty and reason is not None:
            begun = at_ns - _START_NS if begun is None else begun
            trial.said[reason] += 1
        if script and at_ns >= _START_NS + _LENGTH_NS and reason is None and ended is None:
            ended = at_ns - _START_NS - _LENGTH_NS
        counts = (faulty and at_ns >= _START_NS + _REACTION_NS) if script else examination.region is not None
        trial.frames += counts
        trial.withheld += counts and reason is not None
    if script:
        reactions = (begun, ended)
        trial.slowest_ms = [
            max(slowest, (_LENGTH_NS if taken is None else taken) / 1e6)
            for slowest, taken in zip(trial.slowest_ms, reactions, strict=True)
        ]


class _Replay:
    """Frames from memory, each handed out as a copy that may be drawn into."""

    def __init__(self, frames: list[Frame]):
        self.info = SourceInfo("replay", frames[0].width, frames[0].height, 25.0)
        self._frames = iter(frames)

    def read(self) -> Frame:
        frame = next(self._frames, None)
        if frame is None:
            raise SourceEnded
        return replace(frame, planes=tuple(plane.copy() for plane in frame.planes))

    def close(self) -> None:
        pass
