"""`sonocart bench pipeline`: the whole way of a frame, beside its floor and the loop that others write."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from edge.bench.conditions import Watch
from edge.bench.decoding import Decoder, first_frames
from edge.bench.engine import compare_tracks
from edge.bench.environment import read_environment
from edge.bench.floor import Floor
from edge.bench.naive import NaiveLoop
from edge.bench.product import Product
from edge.bench.result import SCHEMA, Result, Settings, Track, make_track, now, summarise, version
from edge.bench.turns import take_turns
from edge.blit import Sprite, encoding_of, make_sprite
from edge.contract.bundle import Bundle
from edge.contract.frame import Frame, PixelFormat
from edge.engines.base import Engine
from edge.errors import DataError
from edge.outputs.page.hub import QUALITY
from edge.outputs.panel import panel_sizes
from edge.sources.base import Pace
from edge.sources.video import VideoSource

PRODUCT, FLOOR, DECODE = "sonocart", "floor", "decode"
FLOOR_AND_DECODE = "floor + decode"
STAGES = ("capture", "look", "prepare", "wait", "draw", "present", "encode")
PARTS = ("infer", "planes", "jpeg")
TURN_FRAMES = 20
COLD_FRAMES = 16
"""Decoded frames that the floor goes round: 48 MB at 1080p, more than a cache holds."""


def measure_pipeline(
    bundle: Bundle,
    precision: str,
    clip: Path,
    open_engine: Callable[[], Engine],
    naive: Sequence[str],
    seconds: float,
    settings: Settings,
    progress: Callable[[float], None],
) -> Result:
    """Play `clip` through the product, the floor and the naive loops in turns, each as fast as it goes.

    Every frame is analysed and leaves as a JPEG. CPU time is the whole process's during a loop's turn.

    Args:
        bundle: verified.
        precision: of the product's and the floor's engine.
        clip: a video whose planes are I420.
        open_engine: makes the product's engine, and another for the floor.
        naive: precisions that the naive loop is run with; the first is the reference of the ratios.
        seconds: of the run, at least.
        settings: for the record.
        progress: told the part that is done, 0 to 1.

    Raises:
        DataError: the clip is no I420 video.
        InternalError: the product has lost a frame.
    """
    frames = first_frames(clip, COLD_FRAMES)
    if not frames or frames[0].format is not PixelFormat.I420:
        raise DataError(f"'{clip}' has no 4:2:0 pictures; record it with sonocart phantom --video")
    with ExitStack() as stack:
        source = VideoSource(clip, pace=Pace.MAX, repeat=True)
        product = Product(bundle, precision, source, open_engine, Pace.MAX, QUALITY)
        stack.callback(product.close)
        product.turn(TURN_FRAMES)  # finds the field, which the floor looks at too
        region = product.examination.region or frames[0].bounds
        engine = open_engine()
        stack.callback(engine.close)
        floor = Floor(frames, region, bundle.spec.preprocessing, engine, _panel(frames[0]), QUALITY)
        decoder = Decoder(clip)
        stack.callback(decoder.close)
        peers = {f"naive {name}": NaiveLoop(bundle, name, clip, QUALITY) for name in naive}
        for peer in peers.values():
            stack.callback(peer.close)
        timed = _TimedTurns(product)
        watch = Watch()
        loops = {
            PRODUCT: timed.play,
            FLOOR: _repeat(floor.step),
            DECODE: decoder.play,
            **{name: _repeat(peer.step) for name, peer in peers.items()},
        }
        tracks = {track.name: track for track in take_turns(loops, TURN_FRAMES, seconds, watch, progress)}
        conditions = watch.conditions()
        threads = timed.thread_cpu_ms()
        risks = timed.risks_per_frame()
    tracks[FLOOR_AND_DECODE] = _sum(FLOOR_AND_DECODE, tracks[FLOOR], tracks[DECODE])
    reference = next(iter(peers), None)
    ratios = [compare_tracks(tracks[PRODUCT], tracks[peer]) for peer in (FLOOR, FLOOR_AND_DECODE, *peers)]
    stages = timed.stage_tracks()
    parts = _floor_tracks(floor)
    everything = [*tracks.values(), *stages, timed.passage_track(), *parts]
    return Result(
        schema=SCHEMA,
        bench="pipeline",
        created=now(),
        sonocart=version(),
        command=["sonocart", *sys.argv[1:]],
        subject={
            "model": bundle.spec.name,
            "bundle": bundle.id,
            "precision": precision,
            "engine": product.engine,
            "source": f"{clip.name}, {frames[0].width}x{frames[0].height}",
            "region": f"{region.width}x{region.height}",
        },
        settings=settings,
        environment=read_environment(),
        conditions=conditions,
        reference=reference,
        comparisons=[c for found in ratios for c in found if c.metric != "wall p99"],
        figures={
            "inferences per frame": round(risks, 3),
            **_outside(threads, stages, floor, decoder, peers, tracks[DECODE]),
        },
        series={},
        notes=_notes(),
        summary={track.name: summarise(track) for track in everything},
        tracks=everything,
    )


class _TimedTurns:
    """The product's turns, with the samples that each stage gave in them."""

    def __init__(self, product: Product):
        self._product = product
        self._since = {name: product.timing.count(name) for name in (*STAGES, *PARTS)}
        self._marks: list[dict[str, int]] = []
        self._first = product.encoded
        self._risks = product.examination.risks
        self._cpu = product.thread_cpu_ms()

    def play(self, frames: int) -> None:
        """A turn."""
        self._product.turn(frames)
        self._marks.append({name: self._product.timing.count(name) for name in self._since})

    def risks_per_frame(self) -> float:
        """1 if every frame was analysed."""
        return (self._product.examination.risks - self._risks) / self._frames

    def thread_cpu_ms(self) -> dict[str, float]:
        """CPU time a frame of each Python thread."""
        found = self._product.thread_cpu_ms()
        return {name: (value - self._cpu[name]) / self._frames for name, value in found.items()}

    def stage_tracks(self) -> list[Track]:
        """Wall and thread-CPU time by stage; the capture that waited for its turn is left out."""
        found = []
        for name, since in self._since.items():
            samples = self._product.timing.samples(name, since)
            ends = np.array([mark[name] for mark in self._marks]) - since
            rounds = np.searchsorted(ends, np.arange(len(samples)), side="right")
            keep = np.ones(len(samples), bool)
            if name == "capture":
                keep[np.flatnonzero(np.diff(rounds, prepend=-1))] = False
            found.append(make_track(name, rounds[keep], rounds[keep], samples[keep, 0], samples[keep, 1]))
        return found

    def passage_track(self) -> Track:
        """From the frame's arrival to the end of its encoding."""
        passages = [p for _, p in sorted(self._product.journal.passages.items())][self._first :]
        done = [passage for passage in passages if passage.encoded]
        wall = np.array([(p.encoded - p.came) / 1e6 for p in done])
        turns = np.arange(len(done)) // TURN_FRAMES
        return make_track("frame in to frame out", turns, turns, wall)

    @property
    def _frames(self) -> int:
        return self._product.encoded - self._first


def _panel(frame: Frame) -> Sprite:
    width, height = panel_sizes(frame.width, frame.height)[0]
    return make_sprite(np.full((height, width, 3), 40, np.uint8), encoding_of(frame))


def _repeat(step: Callable[[], object]) -> Callable[[int], None]:
    def play(frames: int) -> None:
        for _ in range(frames):
            step()

    return play


def _sum(name: str, first: Track, second: Track) -> Track:
    return make_track(
        name, first.rounds, first.at_s, first.wall() + second.wall(), first.cpu() + second.cpu()
    )


def _floor_tracks(floor: Floor) -> list[Track]:
    found = []
    for step, wall in floor.wall_ms.items():
        turns = np.arange(len(wall)) // TURN_FRAMES
        found.append(make_track(f"floor: {step}", turns, turns, wall, floor.cpu_ms[step]))
    return found


def _outside(
    threads: Mapping[str, float],
    stages: Sequence[Track],
    floor: Floor,
    decoder: Decoder,
    peers: Mapping[str, NaiveLoop],
    decode: Track,
) -> dict[str, float]:
    """CPU time a frame outside decoding, network and JPEG: of the product, and of the first naive loop."""
    cpu = {track.name: float(track.cpu().mean()) for track in stages}
    jpeg = float(np.mean(floor.cpu_ms["jpeg"]))
    copy = float(np.mean(decoder.copy_ms))
    parts = {
        "loop": threads["loop"],
        "copy out of the decoder": copy,
        "engine's thread around the network": threads["engine"] - cpu["infer"],
        "planes made ready for JPEG": cpu["planes"],
        "encoder's thread around JPEG": threads["bench-encoder"] - cpu["planes"] - cpu["jpeg"],
    }
    own = sum(parts.values())
    found = {f"outside, {name}, CPU ms": round(value, 3) for name, value in parts.items()}
    found["outside decode, network and JPEG, CPU ms"] = round(own, 3)
    for name, peer in peers.items():
        around = sum(float(np.mean(peer.cpu_ms[step])) for step in ("read", "convert", "blend", "encode"))
        theirs = around - (float(decode.cpu().mean()) - copy) - jpeg
        found[f"outside, {name}, CPU ms"] = round(theirs, 3)
        found[f"outside, over {name}"] = round(own / theirs, 3)
    return found


def _notes() -> list[str]:
    return [
        f"Loops take turns of {TURN_FRAMES} frames; a sample of theirs is a turn's wall and process CPU time "
        "over its frames. Stages and parts are single frames; their CPU time is their own thread's.",
        "Floor: copy of the frame, luma region to tensor, engine alone, panel, JPEG from planes, one after "
        "the other. It decodes nothing; the product decodes in a thread beside, so wall times compare with "
        "the floor and CPU times with floor + decode.",
        "The naive loop has ONNX Runtime's defaults: all cores, workers that spin.",
        "Frame in to frame out holds the waiting of a source that delivers as fast as it can; for latency "
        "measure with --pace live.",
    ]
