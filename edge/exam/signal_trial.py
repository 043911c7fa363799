"""Scripted cases for the signal's state machine, and how often each state is told from the others."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from edge.contract.frame import Frame, Plane
from edge.contract.roi import Roi
from edge.exam.signal import Signal, State
from edge.sources.base import Condition, Outage, Pace
from edge.sources.open import open_source

KINDS = (State.LIVE, State.STILL, State.FROZEN, State.STALLED, State.NO_SIGNAL)
_CLIPS = tuple(
    (f"phantom:size=640x480,seed={seed},geometry={geometry},layout={layout},motion=", Roi(*field))
    for seed, geometry, layout, field in (
        (31, "linear", "aster", (200, 100, 240, 280)),
        (32, "sector", "boreal", (220, 120, 200, 240)),
    )
)
_FRAMES = 48
_MS = 1_000_000
_LENGTH_MS = 2000  # of what is told apart
_TOLD_MS, _CURED_MS = 1000, 2000
_LOOK_MS = 100  # of the loop, where no picture comes


@dataclass(frozen=True, slots=True)
class Clip:
    """Pictures of a moving and of a still probe, and the field in them."""

    sweep: tuple[Frame, ...]
    still: tuple[Frame, ...]
    field: Roi


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a case: the state one second after the turn, and when it was live after the end."""

    state: State
    live_after_ms: float


def main(args: argparse.Namespace) -> int:
    """Play all cases and compare."""
    clips = [Clip(_read(text + "sweep"), _read(text + "still"), field) for text, field in _CLIPS]
    said: dict[State, Counter[State]] = {kind: Counter() for kind in KINDS}
    slowest = dict.fromkeys(KINDS, 0.0)
    for kind in KINDS:
        print(f"playing {args.cases} cases: {kind.value}", file=sys.stderr)
        for number in range(args.cases):
            told = play(kind, np.random.default_rng([number, KINDS.index(kind)]), clips[number % len(clips)])
            said[kind][told.state] += 1
            slowest[kind] = max(slowest[kind], told.live_after_ms)
    right = sum(said[kind][kind] for kind in KINDS) / max(1, args.cases * len(KINDS))
    if args.json:
        figures = {
            kind.value: {
                "said": {state.value: count for state, count in said[kind].items()},
                "live_after_ms": round(slowest[kind]),
            }
            for kind in KINDS
        }
        print(json.dumps({"cases": args.cases, "right": right, "kinds": figures}))
    else:
        print(f"{'':12}{'right':>8}{'live again ms':>16}  said")
        for kind in KINDS:
            words = ", ".join(f"{state.value} ({count})" for state, count in said[kind].most_common())
            share = 100 * said[kind][kind] / max(1, args.cases)
            print(f"{kind.value:12}{share:7.1f}%{slowest[kind]:16.0f}  {words}")
        print(f"{100 * right:.2f} % right one second after the turn")
    return 0 if right >= 0.99 and max(slowest.values()) <= _CURED_MS else 1


def play(kind: State, rng: np.random.Generator, clip: Clip) -> Told:
    """One case, on a clock of its own."""
    signal = Signal()
    rate = float(rng.choice([25.0, 30.0, 50.0, 59.94, 60.0]))
    scanner = min(rate, float(rng.uniform(8.0, 40.0)))  # pictures a second that differ
    turn = int(rng.uniform(1200, 1800)) * _MS
    end = turn + _LENGTH_MS * _MS
    noticed = turn + int(rng.uniform(0, 600)) * _MS  # when the source knows that its signal is lost
    encoded = bool(rng.integers(2))  # a frozen picture that was encoded anew differs here and there by one
    first = int(rng.integers(_FRAMES))
    state, live_ms, silent_ns, before = State.NO_SIGNAL, float("inf"), 0, None
    now = 0
    while now < end + (_CURED_MS + 500) * _MS:
        now += int((1e9 / rate) * (1 + rng.uniform(-0.1, 0.1)))
        turned = turn <= now < end
        if turned and kind in (State.STALLED, State.NO_SIGNAL):
            if now - silent_ns >= _LOOK_MS * _MS:
                silent_ns = now
                if kind is State.NO_SIGNAL and now >= noticed:
                    signal.lose(Outage(Condition.NO_SIGNAL, "scripted"))
                signal.silence(now)
        else:
            index = first + int(now / 1e9 * scanner)
            frames = clip.still if turned and kind is State.STILL else clip.sweep
            if turned and kind is State.FROZEN and before is not None:
                shown = _touched(before, rng) if encoded else before
            else:
                shown = before = frames[index % _FRAMES]
            signal.frame(shown, clip.field, now)
        if now <= turn + _TOLD_MS * _MS:
            state = signal.state
        if now >= end and signal.state is State.LIVE:
            live_ms = min(live_ms, (now - end) / _MS)
    return Told(state, live_ms)


def _touched(frame: Frame, rng: np.random.Generator) -> Frame:
    """The same picture with one pixel in two hundred off by a grey level, as a good encoder leaves it."""
    luma: Plane = frame.planes[0].copy()
    rows, columns = (rng.integers(0, side, luma.size // 200) for side in luma.shape)
    luma[rows, columns] ^= 1
    return replace(frame, planes=(luma, *frame.planes[1:]))


def _read(text: str) -> tuple[Frame, ...]:
    source = open_source(text, pace=Pace.MAX, repeat=True)
    try:
        return tuple(source.read() for _ in range(_FRAMES))
    finally:
        source.close()
