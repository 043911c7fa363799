"""`sonocart bench pipeline`: the whole way of a frame, beside its floor and the loop that others write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from edge.bench.compose import compose
from edge.bench.conditions import Watch
from edge.bench.decoding import Decoder, first_frames
from edge.bench.engine import compare_tracks
from edge.bench.floor import Floor
from edge.bench.naive import NaiveLoop
from edge.bench.peers import Peer, open_peers
from edge.bench.product import DECODER, ENGINE, Product
from edge.bench.result import Result, Settings, Track, make_track
from edge.bench.setup import Setup
from edge.bench.turns import take_turns
from edge.blit import Sprite, encoding_of, make_sprite
from edge.contract.frame import Frame, PixelFormat
from edge.errors import DataError
from edge.exam.reading import Identity
from edge.outputs.page.pace import QUALITY
from edge.outputs.panel import panel_sizes
from edge.sources.base import Pace
from edge.sources.open import open_source

PRODUCT, FLOOR, DECODE = "sonocart", "floor", "decode"
FLOOR_AND_DECODE = "floor + decode"
STAGES = ("capture", "look", "prepare", "wait", "draw", "present", "encode")
PARTS = ("infer", "planes", "jpeg")
TURN_FRAMES = 20
ANALYSED = 0.99
"""Of the product's pictures, at least: the loops beside it analyse every one of theirs."""
COLD_FRAMES = 16
"""Decoded frames that the floor goes round: 48 MB at 1080p, more than a cache holds."""


def measure_pipeline(
    setup: Setup,
    clip: Path,
    against: Sequence[str],
    seconds: float,
    settings: Settings,
    progress: Callable[[float], None],
) -> Result:
    """Play `clip` through the product, the floor and the naive loops in turns, each as fast as it goes.

    Every frame is analysed and leaves as a JPEG. CPU time is the whole process's during a loop's turn.

    Args:
        setup: the network and how it is run.
        clip: a video whose planes are I420.
        against: kinds of other loops, see `open_peers`; the first one's FP32 is the reference of the ratios.
        seconds: of the run, at least.
        settings: for the record.
        progress: told the part that is done, 0 to 1.

    Raises:
        DataError: the clip is no I420 video, or the gates withhold more than a few pictures of it.
        InternalError: the product has lost a frame.
    """
    frames = first_frames(clip, COLD_FRAMES)
    if not frames or frames[0].format is not PixelFormat.I420:
        raise DataError(f"'{clip}' has no 4:2:0 pictures; record it with sonocart phantom --video")
    threads = cv2.getNumThreads()
    with ExitStack() as stack:
        source = open_source(str(clip), pace=Pace.MAX, repeat=True)
        product = Product(setup, source, Pace.MAX, QUALITY)
        stack.callback(product.close)
        product.turn(TURN_FRAMES)  # finds the field, which the floor looks at too
        region = product.examination.region or frames[0].bounds
        engine = setup.open_engine()
        stack.callback(engine.close)
        floor = Floor(frames, region, setup.bundle.spec.preprocessing, engine, _panel(frames[0]), QUALITY)
        decoder = Decoder(clip)
        stack.callback(decoder.close)
        peers: dict[str, Peer] = {}
        for kind in against:
            peers |= open_peers(kind, setup.bundle, setup.precision, clip, QUALITY)
        for peer in peers.values():
            stack.callback(peer.close)
        timed = _TimedTurns(product)
        watch = Watch()
        loops = {
            PRODUCT: timed.play,
            FLOOR: _repeat(floor.step),
            DECODE: decoder.play,
            **{name: _threaded(_repeat(peer.step), threads) for name, peer in peers.items()},
        }
        elsewhere = {PRODUCT: product.elsewhere_ns}
        played = take_turns(loops, TURN_FRAMES, seconds, watch, progress, elsewhere)
        tracks = {track.name: track for track in played}
        conditions = watch.conditions()
        spent = timed.cpu_ms()
        risks = timed.risks_per_frame()
    if not risks:
        raise DataError(
            f"of '{clip.name}' no picture was analysed, for the gates withheld them all; expected a clip "
            "that sonocart run shows risks for"
        )
    if risks < ANALYSED:
        raise DataError(
            f"of '{clip.name}' {risks:.1%} of the pictures were analysed, for the gates withheld the others, "
            "and the loops beside analyse all: nothing can be compared. Expected a clip that sonocart run "
            "shows risks for throughout"
        )
    tracks[FLOOR_AND_DECODE] = _sum(FLOOR_AND_DECODE, tracks[FLOOR], tracks[DECODE])
    reference = next(iter(peers), None)
    ratios = [compare_tracks(tracks[PRODUCT], tracks[peer]) for peer in (FLOOR, FLOOR_AND_DECODE, *peers)]
    stages = timed.stage_tracks()
    parts = _floor_tracks(floor)
    everything = [*tracks.values(), *stages, timed.passage_track(), *parts]
    return compose(
        "pipeline",
        setup.bundle,
        {
            "precision": setup.precision,
            "engine": product.engine,
            "source": f"{clip.name}, {frames[0].width}x{frames[0].height}",
            "region": f"{region.width}x{region.height}",
        },
        settings,
        conditions,
        everything,
        reference=reference,
        comparisons=[c for found in ratios for c in found if c.metric != "wall p99"],
        figures={
            "inferences per frame": round(risks, 3),
            **_outside(spent, stages, floor, decoder, peers, tracks[DECODE]),
        },
        notes=_notes(),
    )


class _TimedTurns:
    """The product's turns, with the samples that each stage gave in them."""

    def __init__(self, product: Product):
        self._product = product
        self._since = {name: product.timing.count(name) for name in (*STAGES, *PARTS)}
        self._marks: list[dict[str, int]] = []
        self._first = product.encoded
        self._risks = product.examination.risks
        self._cpu = product.cpu_ms()

    def play(self, frames: int) -> None:
        """A turn."""
        self._product.turn(frames)
        self._marks.append({name: self._product.timing.count(name) for name in self._since})

    def risks_per_frame(self) -> float:
        """1 if every frame was analysed."""
        return (self._product.examination.risks - self._risks) / self._frames

    def cpu_ms(self) -> dict[str, float]:
        """CPU time a frame of each Python thread and of each other process."""
        found = self._product.cpu_ms()
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
    width, height = panel_sizes(frame.width, frame.height, Identity("floor", "0" * 12, "fp32"))[0]
    return make_sprite(np.full((height, width, 3), 40, np.uint8), encoding_of(frame))


def _repeat(step: Callable[[], object]) -> Callable[[int], None]:
    def play(frames: int) -> None:
        for _ in range(frames):
            step()

    return play


def _threaded(play: Callable[[int], None], threads: int) -> Callable[[int], None]:
    """With as many of OpenCV's threads as it takes by itself: the product's own process takes one."""

    def play_threaded(frames: int) -> None:
        cv2.setNumThreads(threads)
        try:
            play(frames)
        finally:
            cv2.setNumThreads(1)

    return play_threaded


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
    spent: Mapping[str, float],
    stages: Sequence[Track],
    floor: Floor,
    decoder: Decoder,
    peers: Mapping[str, Peer],
    decode: Track,
) -> dict[str, float]:
    """CPU time a frame outside decoding, network and JPEG: of the product, and of each naive loop.

    What these three take is measured alone in the same run: the decoder without the copy out of its hands,
    the engine in this process, the JPEG from planes. All that the product's threads and processes take beside
    is its own, handing over between processes included.
    """
    cpu = {track.name: float(track.cpu().mean()) for track in stages}
    jpeg, infer = (float(np.mean(floor.cpu_ms[step])) for step in ("jpeg", "infer"))
    decoding = float(decode.cpu().mean()) - float(np.mean(decoder.copy_ms))
    parts = {
        "loop": spent["loop"],
        "decoder's process and capture around decoding": spent[DECODER] + spent["capture"] - decoding,
        "engine's process and thread around the network": spent[ENGINE] + spent["engine"] - infer,
        "planes made ready for JPEG": cpu["planes"],
        "encoder's thread around JPEG": spent["bench-encoder"] - cpu["planes"] - cpu["jpeg"],
    }
    own = sum(parts.values())
    found = {f"outside, {name}, CPU ms": round(value, 3) for name, value in parts.items()}
    found["outside decode, network and JPEG, CPU ms"] = round(own, 3)
    found["of it the floor's copy, prepare and panel, CPU ms"] = round(
        sum(float(np.mean(floor.cpu_ms[step])) for step in ("copy", "prepare", "panel")), 3
    )
    for name, peer in peers.items():
        if not isinstance(peer, NaiveLoop) or not name.startswith("naive"):
            continue  # another runtime lets the decoder's threads work ahead in its own step
        around = sum(float(np.mean(peer.cpu_ms[step])) for step in ("read", "convert", "blend", "encode"))
        theirs = around - decoding - jpeg
        found[f"outside, {name}, CPU ms"] = round(theirs, 3)
        found[f"outside, over {name}"] = round(own / theirs, 3)
    return found


def _notes() -> list[str]:
    return [
        f"Loops take turns of {TURN_FRAMES} frames; a sample of theirs is a turn's wall and process CPU time "
        "over its frames, other processes that work for it included. Stages and parts are single frames; "
        "their CPU time is their own thread's, so the network's, which runs in a process, is not in them.",
        "Floor: copy of the frame, luma region to tensor, engine alone, panel, JPEG from planes, one after "
        "the other. It decodes nothing; the product decodes in a thread beside, so wall times compare with "
        "the floor and CPU times with floor + decode.",
        "The naive loop has the defaults of OpenCV and ONNX Runtime: all cores, workers that spin. OpenVINO "
        "has its hint for latency; Ultralytics a ResNet-18 of its own with weights by chance.",
        "Frame in to frame out holds the waiting of a source that delivers as fast as it can; for latency "
        "measure with --pace live.",
    ]
