"""The card says what is wrong, withholds what is damaged, and comes back by itself."""

import errno
from dataclasses import replace

import numpy as np
import pytest

from edge.contract.frame import Matrix, PixelFormat
from edge.errors import BusyError, NoInputError, RefusedError, UnavailableError, UsageError
from edge.outputs.planes import as_jfif
from edge.sources.base import Condition, Outage, SourceEnded
from edge.sources.card import videodev2 as v
from edge.sources.card.choose import stable_path
from edge.sources.card.source import CardSource
from tests.sources.card.fake_card import NODE, FakeCard

MS = 1_000_000


def opened(card, options=""):
    return CardSource(f"v4l2:{NODE}{options}", kernel=card)


def outage(source):
    with pytest.raises(Outage) as caught:
        source.read()
    return caught.value


def test_frames_carry_the_drivers_pixels_time_and_colour():
    card = FakeCard()
    card.pix["quantization"] = v.QUANTIZATION_FULL_RANGE
    source = opened(card)
    assert (source.info.width, source.info.height, source.info.rate) == (640, 480, pytest.approx(60))
    frame = source.read()
    assert frame.format is PixelFormat.YUYV
    assert np.array_equal(frame.planes[0].reshape(-1), card.delivered[0])
    assert card.now - frame.captured_ns == pytest.approx(5 * MS, abs=1000)
    assert (frame.full_range, frame.matrix) == (True, Matrix.BT709)


def test_frame_that_is_held_is_never_overwritten():
    card = FakeCard()
    card.pix["quantization"] = v.QUANTIZATION_FULL_RANGE
    source = opened(card)
    held = [source.read() for _ in range(9)]  # more than there are buffers
    for frame, expected in zip(held, card.delivered, strict=True):
        assert np.array_equal(frame.planes[0].reshape(-1), expected)


@pytest.mark.parametrize(
    ("code", "stride", "expected"),
    [
        ("NV12", 704, PixelFormat.NV12),
        ("YU12", 704, PixelFormat.I420),
        ("YV12", None, PixelFormat.I420),
        ("UYVY", 1408, PixelFormat.YUYV),
        ("GREY", None, PixelFormat.GRAY8),
        ("BGR3", 2048, PixelFormat.BGR24),
        ("RGB3", None, PixelFormat.RGB24),
    ],
)
def test_every_format_keeps_its_luma_and_chroma_where_they_belong(code, stride, expected):
    card = FakeCard(code=code, timings=(640, 480, 60.0, False))
    card.stride = stride
    card.pix["quantization"] = v.QUANTIZATION_FULL_RANGE
    frame = opened(card).read()
    assert frame.format is expected
    raw, line = card.delivered[0], stride or {"UYVY": 1280, "BGR3": 1920, "RGB3": 1920}.get(code, 640)
    rows = raw[: line * 480].reshape(480, line)
    if code == "UYVY":
        assert np.array_equal(frame.planes[0][..., 0], rows[:, 1:1280:2])
        assert np.array_equal(frame.planes[0][..., 1], rows[:, 0:1280:2])
    elif code in ("BGR3", "RGB3"):
        assert np.array_equal(frame.planes[0], rows[:, :1920].reshape(480, 640, 3))
    else:
        assert np.array_equal(frame.planes[0], rows[:, :640])
    if code == "NV12":
        assert np.array_equal(frame.planes[1][3, 5], raw[line * 483 + 10 : line * 483 + 12])
    if code in ("YU12", "YV12"):
        first, second = (frame.planes[1], frame.planes[2])[:: 1 if code == "YU12" else -1]
        assert np.array_equal(first[1, :320], raw[line * 480 + line // 2 :][:320])
        assert second[0, 0] == raw[line * 480 + line * 120]


@pytest.mark.parametrize(
    ("pix", "matrix"),
    [
        ({"quantization": 1}, Matrix.BT709),
        ({"colorspace": v.COLORSPACE_JPEG}, Matrix.BT601),
        ({"ycbcr_enc": v.YCBCR_ENC_601, "quantization": 1}, Matrix.BT601),
    ],
)
def test_full_range_and_matrix_are_as_the_driver_declares(pix, matrix):
    card = FakeCard()
    card.pix |= pix
    frame = opened(card).read()
    assert (frame.format, frame.full_range, frame.matrix) == (PixelFormat.YUYV, True, matrix)


@pytest.mark.parametrize("encoding", [v.YCBCR_ENC_601, v.YCBCR_ENC_709])
@pytest.mark.parametrize(
    ("code", "stride"), [("YUYV", 1408), ("UYVY", None), ("NV12", 704), ("YU12", None), ("YV12", 704)]
)
def test_limited_range_is_stretched_while_it_is_copied(code, stride, encoding):
    frames = []
    for quantization in (v.QUANTIZATION_FULL_RANGE, 2):
        card = FakeCard(code=code, timings=(640, 480, 60.0, False))
        card.stride = stride
        card.pix |= {"quantization": quantization, "ycbcr_enc": encoding}
        frames.append(opened(card).read())
    raw, stretched = frames
    assert (stretched.format, stretched.full_range, stretched.matrix) == (
        PixelFormat.I420,
        True,
        Matrix.BT601,
    )
    for plane, expected in zip(stretched.planes, as_jfif(replace(raw, full_range=False)), strict=True):
        assert np.array_equal(plane, expected)


def test_wide_gamut_is_refused_by_name():
    card = FakeCard()
    card.pix["colorspace"] = v.COLORSPACE_BT2020
    found = outage(opened(card))
    assert (found.condition, "BT.2020" in found.detail) == (Condition.UNSUPPORTED, True)


def test_motion_jpeg_is_decoded_and_a_torn_one_is_not_used():
    import simplejpeg

    grey = np.tile(np.linspace(0, 255, 640).astype(np.uint8), (480, 1))
    jpeg = simplejpeg.encode_jpeg(np.repeat(grey[..., None], 3, 2), 95, colorsubsampling="422")
    card = FakeCard(code="MJPG")
    card.payload = np.frombuffer(jpeg, np.uint8)
    source = opened(card)
    frame = source.read()
    assert frame.full_range
    assert np.abs(frame.planes[0].astype(int) - grey).max() < 6
    card.payload = card.payload[:300]
    bad = card.payload
    good = np.frombuffer(jpeg, np.uint8)
    card.payload = bad
    source._step()
    source._step()
    card.payload = good
    source.read()
    assert source.counts["undecodable"] >= 1


@pytest.mark.parametrize(
    ("signal", "condition", "word"),
    [
        (errno.ENOLINK, Condition.NO_SIGNAL, "cable"),
        (errno.ENOLCK, Condition.NO_LOCK, "lock"),
        (errno.ERANGE, Condition.UNSUPPORTED, "range"),
        ((1920, 1080, 30.0, True), Condition.UNSUPPORTED, "1920x1080i at 30 Hz"),
    ],
)
def test_what_is_wrong_with_the_signal_is_said_at_once_and_once_and_cured_within_a_second(
    signal, condition, word
):
    card = FakeCard()
    source = opened(card)
    source.read()
    begun = card.now
    card.set_signal(signal)
    found = outage(source)
    assert (found.condition, word in found.detail) == (condition, True)
    assert card.now - begun <= 250 * MS
    for _ in range(20):  # five seconds in which nothing more is said
        with pytest.raises(Outage):
            source._step()
    card.set_signal((640, 480, 60.0, False))
    begun = card.now
    frame = source.read()
    assert card.now - begun < 1000 * MS
    assert frame.sequence == 1
    assert card.opened == 1


def test_signal_that_goes_without_an_event_is_noticed_by_its_silence():
    card = FakeCard()
    card.event_support = False
    source = opened(card)
    source.read()
    begun = card.now
    card.signal, card.silent = errno.ENOLINK, True
    assert outage(source).condition is Condition.NO_SIGNAL
    assert card.now - begun <= 1000 * MS
    card.signal, card.silent = (640, 480, 60.0, False), False
    begun = card.now
    source.read()
    assert card.now - begun < 1000 * MS


def test_no_signal_at_the_start_is_an_outage_and_no_error():
    card = FakeCard()
    card.signal = errno.ENOLINK
    source = opened(card)
    assert outage(source).condition is Condition.NO_SIGNAL
    card.signal = (640, 480, 60.0, False)
    assert source.read().width == 640


def test_another_resolution_is_followed():
    card = FakeCard()
    source = opened(card)
    source.read()
    card.set_signal((1280, 720, 50.0, False))
    begun = card.now
    frame = source.read()
    assert (frame.width, frame.height) == (1280, 720)
    assert card.now - begun < 1000 * MS
    assert (source.info.width, round(source.info.rate)) == (1280, 50)


@pytest.mark.parametrize(("attribute", "value"), [("flags", 0x2040), ("short", 1)])
def test_damaged_pictures_are_counted_and_leave_a_gap(attribute, value):
    card = FakeCard()
    source = opened(card)
    source.read()
    good = getattr(card, attribute)
    setattr(card, attribute, value)
    source._step()
    source._step()
    setattr(card, attribute, good)
    assert source.read().sequence == 3
    assert source.counts["flagged"] + source.counts["torn"] == 2
    assert len(card.queued) == 4  # and the driver has its buffers back


def test_gaps_and_the_wrap_of_the_drivers_numbers():
    card = FakeCard()
    source = opened(card)
    assert source.read().sequence == 0
    card.skip = 3
    assert source.read().sequence == 4
    card.sequence = (1 << 32) - 1
    source._driver_sequence = (1 << 32) - 1
    assert source.read().sequence == 5
    card.sequence = 0  # a driver that begins again
    source._driver_sequence = 900
    assert source.read().sequence == 6
    assert source.counts["lost"] == 3


def test_times_of_another_clock_or_beyond_belief_are_replaced():
    card = FakeCard()
    source = opened(card)
    card.flags = 0
    assert source.read().captured_ns == card.now


def test_unplugged_card_is_lost_and_is_back_with_its_node():
    card = FakeCard()
    source = opened(card)
    source.read()
    begun = card.now
    card.unplug()
    assert outage(source).condition is Condition.DEVICE_LOST
    assert card.now - begun < 1000 * MS
    assert card.opened == 0
    for _ in range(40):
        source._step()  # ten seconds without it
    attempts = len([call for call in card.calls if call[1] == "open"])
    assert attempts == 1  # a node that is not there is not opened
    card.plug()
    begun = card.now
    assert source.read().sequence == 1
    assert card.now - begun < 1000 * MS


@pytest.mark.parametrize("request_", ["DQBUF", "QBUF"])
def test_error_of_the_queue_opens_the_device_anew(request_):
    card = FakeCard()
    source = opened(card)
    source.read()
    card.errors[getattr(v, request_)] = [errno.EIO]
    begun = card.now
    assert outage(source).condition is Condition.DEVICE_LOST
    assert source.read().sequence >= 1
    assert card.now - begun < 1000 * MS
    assert card.opened == 1


def test_attempts_that_fail_in_a_row_come_later_and_later_and_say_so_once():
    card = FakeCard()
    source = opened(card)
    source.read()
    card.errors[v.STREAMON] = [errno.EIO] * 1000
    card.errors[v.DQBUF] = [errno.EIO]
    assert outage(source).condition is Condition.DEVICE_LOST
    begun, before = card.now, len(card.calls)
    while card.now - begun < 60_000 * MS:
        try:
            source._step()
        except OSError:
            source._fail()
    opens = [at for at, what in card.calls if what == "open"][1:]
    gaps = np.diff(opens) / 1e9
    assert 0.9 <= gaps[0] <= 1.3
    assert all(5 <= gap <= 5.5 for gap in gaps[4:])
    assert len(card.calls) - before < 400


def test_silence_in_spite_of_a_signal_opens_the_device_anew_and_misses_nothing():
    card = FakeCard()
    source = opened(card)
    source.read()
    card.silent = True
    for _ in range(30):
        source._step()
    assert source.counts["restarts"] >= 1
    assert card.opened == 1
    card.silent = False
    begun = card.now
    source.read()
    assert card.now - begun < 500 * MS


def test_closing_ends_the_reading_and_lets_go():
    card = FakeCard()
    source = opened(card)
    source.read()
    source.close()
    with pytest.raises(SourceEnded):
        source.read()
    assert card.opened == 0


@pytest.mark.parametrize(
    ("number", "error", "word"),
    [
        (errno.ENOENT, NoInputError, "sonocart devices"),
        (errno.EACCES, RefusedError, "usermod -aG video"),
        (errno.EBUSY, BusyError, "in use by"),
    ],
)
def test_device_that_cannot_be_opened_says_what_to_do(number, error, word):
    card = FakeCard()
    card.open_error = number
    with pytest.raises(error, match=word):
        opened(card)


def test_busy_device_is_closed_again():
    card = FakeCard()
    card.errors[v.S_FMT] = [errno.EBUSY]
    with pytest.raises(BusyError):
        opened(card)
    assert card.opened == 0


def test_device_with_no_format_that_is_taken():
    card = FakeCard(code="H264")
    with pytest.raises(UnavailableError, match="offers H264"):
        opened(card)


@pytest.mark.parametrize("options", [",size=big", ",format=H264", ",fps=0", ",colour=red"])
def test_options_that_make_no_sense(options):
    with pytest.raises(UsageError, match="expected format="):
        opened(FakeCard(), options)


def scaling(modes):
    card = FakeCard()
    card.has_timings, card.codes, card.modes = False, list(modes), modes
    return card


def test_card_that_scales_gives_smooth_full_hd_before_cheap_pixels():
    modes = {
        "YUYV": {(1920, 1080): [5], (640, 480): [30]},
        "MJPG": {(3840, 2160): [30], (1920, 1080): [30, 60], (1280, 720): [60]},
    }
    info = opened(scaling(modes)).info
    assert (info.width, info.height, info.rate) == (1920, 1080, 60)


def test_wishes_are_followed():
    modes = {"NV12": {(1920, 1080): [60]}, "YUYV": {(1280, 720): [30], (640, 480): [60]}}
    card = scaling(modes)
    card.pix["quantization"] = v.QUANTIZATION_FULL_RANGE  # else every format becomes the same one
    source = opened(card, ",format=yuyv,size=640x480,fps=30")
    assert (source.info.width, source.info.rate) == (640, 30)
    assert source.read().format is PixelFormat.YUYV


def test_bare_node_is_followed_by_its_serial_and_a_chosen_name_is_kept(tmp_path):
    node, by_id, by_path = tmp_path / "video0", tmp_path / "by-id", tmp_path / "by-path"
    node.touch()
    for folder in (by_id, by_path):
        folder.mkdir()
        (folder / "card").symlink_to(node)
    assert stable_path(str(node), (by_id, by_path)) == str(by_id / "card")
    assert stable_path(str(by_path / "card"), (by_id, by_path)) == str(by_path / "card")
    (by_id / "card").unlink()
    assert stable_path(str(node), (by_id, by_path)) == str(by_path / "card")
    (by_path / "card").unlink()
    assert stable_path(str(node), (by_id, by_path)) == str(node)
