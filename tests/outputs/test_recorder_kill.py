"""SIGKILL at random moments while recording: every file plays, and at most one fragment is lost."""

import json
import mmap
import os
import random
import signal
import struct
import time
from contextlib import suppress

import av
import pytest

from edge.outputs.recorder import QUEUE, Habits, Recorder
from edge.outputs.recordings import Recordings
from edge.outputs.segment import Shelf
from edge.timing import Timing
from tests.clips import i420, tissue
from tests.outputs.readings import IDENTITY, reading

KILLS = 50
FRAGMENT = 25  # pictures of 40 ms
FASTER = 10  # than their time stamps, so that fifty recordings take a minute
SIZE = (360, 640)


def record(folder, counter, lumas):
    """Record for ever; `counter` holds how many pictures were handed over."""
    recorder = Recorder(Shelf(Recordings(folder, 1 << 30)), IDENTITY, Habits(25.0, wait=True), Timing())
    for index in range(1 << 30):
        frame = i420(lumas[index % len(lumas)], sequence=index, captured_ns=index * 40_000_000)
        recorder.present(frame, reading(frame))
        struct.pack_into("<q", counter, 0, index + 1)
        time.sleep(0.04 / FASTER)


@pytest.mark.slow
def test_every_file_plays_and_at_most_one_fragment_is_lost(tmp_path, capsys):
    rng, lumas = random.Random(1), [tissue(seed, *SIZE) for seed in range(7)]
    lost, empty = [], 0
    for kill in range(KILLS):
        folder, counter = tmp_path / f"{kill}", mmap.mmap(-1, 8)
        child = os.fork()
        if child == 0:
            record(folder, counter, lumas)
        while struct.unpack_from("<q", counter)[0] == 0:
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 1.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        (handed,) = struct.unpack_from("<q", counter)
        before = [_played(path) for path in sorted(folder.glob("*/*.mp4"))]
        shelf = Recordings(folder, 1 << 30)
        assert shelf.refusal() is None
        clips = shelf.clips()
        kept = 0
        for clip in clips:
            assert clip.about.state == "incomplete"
            counts = [_frames(shelf.open(clip.id, part)) for part in ("clean", "annotated")]
            lines = [json.loads(line) for line in shelf.open(clip.id, "estimates").read_text().splitlines()]
            assert [line["estimate"]["sequence"] for line in lines] == list(range(len(lines)))
            assert max(counts) <= len(lines) <= min(counts) + FRAGMENT
            kept = min(counts)
            assert min(before) >= kept
        empty += not clips
        lost.append(handed - kept)
    with capsys.disabled():
        print(
            f"\n{KILLS} kills: every file plays; lost {min(lost)} to {max(lost)} of the pictures handed over "
            f"(a fragment has {FRAGMENT}, {QUEUE} may wait); {empty} kills came before the first second"
        )
    # One fragment that was not complete, one that was being written, and what still waited.
    assert max(lost) <= 2 * FRAGMENT + QUEUE + 2


def _frames(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def _played(path):
    """Pictures that a player shows of a file as the kill left it: it passes over the one that was torn."""
    shown = 0
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            with suppress(av.error.InvalidDataError):
                shown += len(packet.decode())
    return shown
