"""Sprites look the same in every pixel format, and nothing beside them changes."""

import numpy as np
import pytest

from edge.blit import Encoding, encoding_of, fill, make_colour, make_sprite, paste
from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.outputs.encoder import as_picture
from edge.outputs.planes import as_i420

HEIGHT, WIDTH = 60, 80
ENCODINGS = [
    Encoding(layout, full, matrix)
    for layout in PixelFormat
    for full in (True, False)
    for matrix in Matrix
    if full or layout not in (PixelFormat.RGB24, PixelFormat.BGR24)
]


def blank(encoding, level=90):
    half = (HEIGHT // 2, WIDTH // 2)
    planes = {
        PixelFormat.GRAY8: [np.full((HEIGHT, WIDTH), level)],
        PixelFormat.I420: [np.full((HEIGHT, WIDTH), level), np.full(half, 128), np.full(half, 128)],
        PixelFormat.NV12: [np.full((HEIGHT, WIDTH), level), np.full((*half, 2), 128)],
        PixelFormat.YUYV: [np.dstack([np.full((HEIGHT, WIDTH), level), np.full((HEIGHT, WIDTH), 128)])],
        PixelFormat.BGR24: [np.full((HEIGHT, WIDTH, 3), level)],
        PixelFormat.RGB24: [np.full((HEIGHT, WIDTH, 3), level)],
    }[encoding.format]
    views = tuple(np.ascontiguousarray(p, np.uint8) for p in planes)
    return Frame(views, encoding.format, 0, 0, encoding.full_range, encoding.matrix)


def as_rgb(frame):
    """Through FFmpeg's converter, which shares nothing with ours."""
    if frame.format in (PixelFormat.BGR24, PixelFormat.RGB24):
        return frame.planes[0] if frame.format is PixelFormat.RGB24 else frame.planes[0][..., ::-1]
    picture = as_picture(as_i420(frame))
    picture.color_range = 2 if frame.full_range else 1
    picture.colorspace = 1 if frame.matrix is Matrix.BT709 else 5
    return picture.to_ndarray(format="rgb24")


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("colour", [(230, 159, 0), (86, 180, 233), (0, 0, 0), (255, 255, 255)])
def test_colour_is_the_same_in_every_format(encoding, colour):
    frame = blank(encoding)
    paste(frame, make_sprite(np.full((20, 30, 3), colour, np.uint8), encoding), 10, 8)
    got = as_rgb(frame)[10:26, 14:36].astype(int)
    if encoding.format is PixelFormat.GRAY8:
        kr, kb = (0.299, 0.114) if encoding.matrix is Matrix.BT601 else (0.2126, 0.0722)
        colour = [round(kr * colour[0] + (1 - kr - kb) * colour[1] + kb * colour[2])] * 3
    assert np.abs(got - np.array(colour)).max() <= 4


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("draw", ["paste", "fill"])
def test_nothing_outside_changes_and_everything_inside_does(encoding, draw):
    frame, before = blank(encoding), blank(encoding)
    if draw == "paste":
        paste(frame, make_sprite(np.full((20, 30, 3), (200, 40, 90), np.uint8), encoding), 10, 8)
    else:
        fill(frame, Roi(10, 8, 30, 20), make_colour((200, 40, 90), encoding))
    for index, (plane, old) in enumerate(zip(frame.planes, before.planes, strict=True)):
        half = 2 if index else 1
        inside = np.zeros(plane.shape[:2], bool)
        inside[8 // half : 28 // half, 10 // half : 40 // half] = True
        changed = (plane != old).reshape(*plane.shape[:2], -1).any(-1)
        assert np.array_equal(changed, inside)


def test_fill_and_paste_give_the_same_colour():
    for encoding in ENCODINGS:
        one, other = blank(encoding), blank(encoding)
        paste(one, make_sprite(np.full((20, 30, 3), (200, 40, 90), np.uint8), encoding), 10, 8)
        fill(other, Roi(10, 8, 30, 20), make_colour((200, 40, 90), encoding))
        assert all(np.array_equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))


def test_encoding_is_the_frames():
    assert encoding_of(blank(ENCODINGS[3])) == ENCODINGS[3]
