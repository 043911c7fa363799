"""What a mask keeps of the text is counted, also where the finder goes wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from edge.cli import run
from edge.contract.roi import Roi
from edge.errors import NoInputError, UsageError
from edge.exam.field_trial import Found, Screen, judge
from edge.exam.roi import FieldFinder
from edge.sources.base import SourceEnded
from tests.exam.test_roi import FIELD, screen


@pytest.fixture
def shown():
    header = np.zeros((400, 640), bool)
    header[10:26, 8:300] = True
    return Screen(tuple(screen(i) for i in range(6)), Roi(*FIELD), header, np.zeros_like(header))


@pytest.mark.parametrize("smooth", [False, True])
def test_field_is_found_in_noise_and_nothing_of_the_header_kept(shown, smooth):
    found = Found()
    judge(shown, 8.0, smooth, found)
    assert found.header == found.texts == [0.0]
    assert found.overlaps[0] > 0.8


def test_finder_that_takes_the_whole_screen_is_found_out(shown, monkeypatch):
    monkeypatch.setattr(FieldFinder, "look", lambda self, frame: setattr(self, "field", frame.bounds))
    found = Found()
    judge(shown, 8.0, False, found)
    assert found.header == [1.0]
    assert found.overlaps[0] < 0.5


def test_clip_is_tried_with_its_field_and_kept_text_fails(tmp_path, capsys):
    import cv2

    path = tmp_path / "still.png"
    cv2.imwrite(str(path), screen(1))
    field = ",".join(map(str, FIELD))
    assert run(["fields", "--clip", f"{path}@{field}", "--noise", "0,4", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["noise"] for row in rows] == ["0", "4", "4 smoothed"]
    assert all(row["found"] == row["screens"] == 1 and row["header"] == 0 for row in rows)


@pytest.mark.parametrize("count", ["0", "-1", "33"])
def test_number_of_screens_is_one_that_there_are(count):
    with pytest.raises(UsageError, match=f"--screens {count}, expected 1 to 32"):
        run(["fields", "--screens", count])


class Empty:
    def read(self):
        raise SourceEnded

    def close(self):
        pass


def test_clip_must_have_pictures_and_a_field_inside(tmp_path, monkeypatch):
    Image.fromarray(screen(1)).save(tmp_path / "still.png")
    for text in ("@1,2,3,4", f"{tmp_path}/still.png@600,0,100,100", f"{tmp_path}/still.png"):
        with pytest.raises(UsageError):
            run(["fields", "--clip", text])
    monkeypatch.setattr("edge.exam.field_trial.open_source", lambda *_, **__: Empty())
    with pytest.raises(NoInputError, match=r"'c\.mp4' holds no picture"):
        run(["fields", "--clip", "c.mp4@1,2,3,4"])
