"""A sweep looks alive, knows its truth, and survives the trip through a video file."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.errors import CannotCreateError
from edge.phantom.cine import Cine, CineOptions, make_cine
from edge.phantom.counter import read_counter
from edge.phantom.video import write_clip

OPTIONS = CineOptions(
    seed=3,
    label="benign",
    width=640,
    height=480,
    layout="aster",
    geometry="linear",
    motion="sweep",
    slices=12,
)


@pytest.fixture(scope="module")
def cine() -> Cine:
    return make_cine(OPTIONS, [].append)


def test_playback_goes_back_and_forth_without_a_jump(cine: Cine) -> None:
    shown = [cine.slice_at(sequence) for sequence in range(60)]
    assert set(shown) == set(range(12))
    assert all(abs(a - b) == 1 for a, b in pairwise(shown))


def test_sweep_enters_and_leaves_the_lesion_and_boxes_stay_in_the_field(cine: Cine) -> None:
    assert cine.lesions[0] is None
    assert cine.lesions[-1] is None
    boxes = [box for box in cine.lesions if box]
    assert len(boxes) >= 5
    assert all(box.inside(cine.field) for box in boxes)
    assert cine.field.inside(Roi(0, 0, 640, 480))


def test_only_the_field_and_the_counter_change(cine: Cine) -> None:
    moved = cine.frame(2, counter=True) != cine.frame(7, counter=True)
    field = cine.field
    assert moved[field.y : field.bottom, field.x : field.right].mean() > 0.3
    moved[field.y : field.bottom, field.x : field.right] = False
    assert not moved[:450].any()
    assert moved[450:].any()
    assert not (cine.frame(2) != cine.frame(2)).any()


def test_neighbouring_slices_are_more_alike_than_distant_ones() -> None:
    fine = make_cine(replace(OPTIONS, slices=40), [].append)
    pictures = [fine.slices[index].astype(float) for index in (4, 5, 20)]
    near, far = (np.corrcoef(pictures[0].ravel(), other.ravel())[0, 1] for other in pictures[1:])
    assert near > 0.8
    assert near > far + 0.3


def test_held_still_only_the_electronic_noise_changes() -> None:
    options = replace(OPTIONS, layout="boreal", geometry="sector", motion="still", slices=3)
    still = make_cine(options, [].append)
    first, second = (still.slices[index].astype(int) for index in (0, 1))
    assert 0 < np.abs(first - second).mean() < 4


def test_clip_keeps_counter_range_and_truth(cine: Cine, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    done: list[int] = []
    side = write_clip(path, cine, OPTIONS, frames=40, fps=25, counter=True, progress=done.append)
    assert done[-1] == 40
    truth = json.loads(side.read_text())
    assert side.name == "clip.mp4.json"
    assert len(truth["frames"]) == 40
    assert truth["label"] == "benign"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (640, 480, 25)
        for index, picture in enumerate(container.decode(video=0)):
            plane = picture.planes[0]
            luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:480, :640]
            assert read_counter(luma) == index
            # Limited range: black is 16.
            expected = 16 + cine.frame(index, counter=True) * (219 / 255)
            assert np.abs(luma - expected).mean() < 4
            box = cine.lesions[truth["frames"][index]["slice"]]
            assert truth["frames"][index]["lesion"] == (
                None if box is None else [box.x, box.y, box.width, box.height]
            )
        assert index == 39


def test_a_clip_that_cannot_be_written_is_named_and_leaves_nothing(cine: Cine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreateError, match=r"clip\.mp4"):
        write_clip(
            tmp_path / "file" / "clip.mp4", cine, OPTIONS, frames=4, fps=25, counter=False, progress=[].append
        )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
