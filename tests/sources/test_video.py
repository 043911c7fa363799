"""A file becomes frames in the decoder's own format, and drawing into one changes no other."""

import itertools
import time

import av
import numpy as np
import pytest

from edge.contract.frame import Matrix, PixelFormat
from edge.errors import DataError, NoInputError
from edge.sources.base import Pace, SourceEnded
from edge.sources.video import VideoSource
from tests.clips import read_clip, tissue, write_clip


def frames_of(path, **options):
    source = VideoSource(path, pace=Pace.MAX, **options)
    found = []
    try:
        while True:
            found.append(source.read())
    except SourceEnded:
        return found


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", [tissue(i) for i in range(12)])


def stretched(luma):
    """Limited range to full range, to within the rounding."""
    return np.clip((luma.astype(float) - 16) * 255 / 219, 0, 255)


def test_frames_are_the_decoders_luma_in_order(clip):
    frames = frames_of(clip)
    assert [frame.sequence for frame in frames] == list(range(12))
    assert frames[3].captured_ns == 3 * 40_000_000
    for frame, luma in zip(frames, read_clip(clip), strict=True):
        assert np.abs(frame.planes[0] - stretched(luma)).max() <= 0.5
    assert frames[0].format is PixelFormat.I420
    assert [plane.shape for plane in frames[0].planes] == [(96, 128), (48, 64), (48, 64)]


def test_metadata_that_are_no_text_are_no_reason_to_refuse_a_clip(clip, tmp_path):
    data = clip.read_bytes()
    assert b"Lavf" in data, "the encoder's own name is what is spoilt"
    (tmp_path / "c.mp4").write_bytes(data.replace(b"Lavf", b"\xff\xfevf"))
    assert len(frames_of(tmp_path / "c.mp4")) == 12


@pytest.mark.parametrize("options", [{"preset": "ultrafast"}, {"preset": "medium", "bf": "3", "refs": "4"}])
def test_drawing_into_a_frame_leaks_into_no_later_one(tmp_path, options):
    clip = write_clip(
        tmp_path / "p.mp4", [tissue(i // 4) for i in range(24)], options={"g": "100", **options}
    )
    clean = read_clip(clip)
    source = VideoSource(clip, pace=Pace.MAX)
    for expected in clean:
        frame = source.read()
        assert np.abs(frame.planes[0] - stretched(expected)).max() <= 0.5
        for plane in frame.planes:
            plane[:] = 255


def test_padding_at_the_rows_ends_is_left_out(tmp_path):
    clip = write_clip(tmp_path / "odd.mp4", [tissue(0, 50, 70)] * 2)
    assert [plane.shape for plane in frames_of(clip)[0].planes] == [(50, 70), (25, 35), (25, 35)]


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "expected"),
    [
        ("rawvideo", "nv12", PixelFormat.NV12),
        ("rawvideo", "yuyv422", PixelFormat.YUYV),
        ("rawvideo", "gray", PixelFormat.GRAY8),
        ("rawvideo", "bgr24", PixelFormat.BGR24),
        ("rawvideo", "rgb24", PixelFormat.RGB24),
        ("ffv1", "yuv444p", PixelFormat.I420),  # has no format of its own: converted
        ("ffv1", "yuv420p10le", PixelFormat.I420),
    ],
)
def test_pixel_formats_are_kept_or_become_i420(tmp_path, codec, pix_fmt, expected):
    picture = tissue(1)
    clip = write_clip(tmp_path / "c.nut", [picture] * 2, codec=codec, pix_fmt=pix_fmt, options={})
    frame = frames_of(clip)[0]
    assert frame.format is expected
    assert all(plane.flags.writeable for plane in frame.planes)
    grey = frame.luma(frame.bounds).astype(float)
    wanted = picture.astype(float)
    if frame.full_range:
        wanted = np.clip((wanted - 16) * 255 / 219, 0, 255)
    assert np.abs(grey - wanted).mean() < 2


@pytest.mark.parametrize("colour", [(2, 1), (1, 6), (1, 1)], ids=str)
def test_every_range_and_matrix_becomes_full_range_bt601(tmp_path, colour):
    full = colour[0] == 2
    picture = np.full((96, 128), 235 if not full else 255, np.uint8)
    picture[48:] = 0 if full else 16
    frame = frames_of(write_clip(tmp_path / "c.mp4", [picture] * 2, colour=colour))[0]
    assert (frame.full_range, frame.matrix) == (True, Matrix.BT601)
    assert abs(int(np.median(frame.planes[0][:40])) - 255) <= 1
    assert np.median(frame.planes[0][56:]) <= 1


def test_full_range_format_is_full_range(tmp_path):
    clip = write_clip(tmp_path / "c.mkv", [tissue(0)], codec="mjpeg", pix_fmt="yuvj420p", options={})
    assert frames_of(clip)[0].full_range


def test_live_frames_carry_the_monotonic_clock(clip):
    before = time.monotonic_ns()
    source = VideoSource(clip, pace=Pace.LIVE)
    first, second = source.read(), source.read()
    assert before < first.captured_ns < second.captured_ns <= time.monotonic_ns()
    assert second.captured_ns - before >= 40_000_000  # never ahead of the clip's own time


def test_repeating_goes_on_counting(clip):
    source = VideoSource(clip, pace=Pace.MAX, repeat=True)
    frames = [source.read() for _ in range(30)]
    assert [frame.sequence for frame in frames] == list(range(30))
    assert {b.captured_ns - a.captured_ns for a, b in itertools.pairwise(frames)} == {40_000_000}
    assert np.array_equal(frames[13].planes[0], frames[1].planes[0])


def test_closing_ends_the_reading(clip):
    source = VideoSource(clip, pace=Pace.LIVE, repeat=True)
    source.read()
    source.close()
    with pytest.raises(SourceEnded):
        source.read()


def test_missing_file(tmp_path):
    with pytest.raises(NoInputError, match="is not a file"):
        VideoSource(tmp_path / "none.mp4", pace=Pace.MAX)


def test_file_that_is_no_video(tmp_path):
    (tmp_path / "notes.mp4").write_text("this is text\n" * 100)
    with pytest.raises(DataError, match="not a video"):
        VideoSource(tmp_path / "notes.mp4", pace=Pace.MAX)


def test_truncated_file_shows_what_is_there_and_says_so(clip, tmp_path):
    short = tmp_path / "short.mp4"
    short.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.7)])
    source = VideoSource(short, pace=Pace.MAX)
    source.read()
    with pytest.raises(DataError, match=r"truncated after \d+ of 12 frames|damaged after frame \d+"):
        [source.read() for _ in range(12)]


def test_declared_size_is_limited(clip, monkeypatch):
    monkeypatch.setattr("edge.sources.video.MAX_PIXELS", 96 * 127)
    with pytest.raises(DataError, match="declares 128x96 pixels"):
        VideoSource(clip, pace=Pace.MAX)


def test_pictures_that_an_edit_list_leaves_out_are_no_truncation(tmp_path):
    path = tmp_path / "cut.mp4"
    source = write_clip(tmp_path / "all.mp4", [tissue(i) for i in range(20)])
    with av.open(str(source)) as whole, av.open(str(path), "w") as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                packet.pts -= 5 * 512  # before the clip's beginning: decoded, not shown
                packet.dts -= 5 * 512
                packet.stream = stream
                cut.mux(packet)
    frames = frames_of(path)
    assert 10 <= len(frames) < 20
