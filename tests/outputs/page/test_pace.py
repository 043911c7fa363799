"""All viewers together get what they may, each the same, and never so seldom that the page greys out."""

import itertools

import pytest

from edge.outputs.page import hub as hub_module
from edge.outputs.page.hub import STALE_S
from edge.outputs.page.pace import LEAST_QUALITY, QUALITY, SLOWEST_NS, Pace
from tests.outputs.test_overlay import reading
from tests.pages import grey
from tests.patience import wait_for

PICTURE = 269_000  # bytes at 1080p and quality 80


def show(pace, viewers, seconds=30, rate_hz=30):
    """Pictures from a scanner, their size follows the quality; when they went out, and megabits a second."""
    gone, sent = [], 0
    for number in range(seconds * rate_hz):
        now_ns = number * 1_000_000_000 // rate_hz
        if pace.open(now_ns, "same"):
            size = viewers * PICTURE * pace.quality // QUALITY
            pace.spend(now_ns, size)
            gone.append(now_ns)
            sent += size
    return gone, 8 * sent / 1e6 / seconds


def longest(gone):
    return max(b - a for a, b in itertools.pairwise(gone))


@pytest.mark.parametrize("viewers", [1, 5])
def test_few_viewers_get_every_picture(viewers):
    pace = Pace(400)
    assert len(show(pace, viewers)[0]) == 900
    assert pace.rate == pytest.approx(30, rel=0.01)
    assert pace.quality == QUALITY


@pytest.mark.parametrize("viewers", [10, 50, 64])
def test_many_viewers_share_all_of_what_they_may_have(viewers):
    pace = Pace(400)
    gone, megabits = show(pace, viewers)
    assert 385 < megabits < 412
    assert pace.quality == QUALITY
    assert pace.rate == pytest.approx(len(gone) / 30, rel=0.1)


def test_pictures_get_smaller_before_they_come_too_seldom():
    pace = Pace(200)
    gone, megabits = show(pace, 64)
    assert pace.quality < QUALITY
    assert megabits < 208
    assert len(gone) / 30 >= 2


def test_page_never_greys_out_for_want_of_bytes():
    pace = Pace(1)
    gone, _ = show(pace, 64)
    assert pace.quality == LEAST_QUALITY
    assert longest(gone) <= SLOWEST_NS + 34_000_000 < 0.5e9 < STALE_S * 1e9


def test_quality_comes_back_when_viewers_leave_and_does_not_swing():
    pace = Pace(200)
    show(pace, 64)
    found = set()
    for second in range(100, 110):
        pace.spend(second * 1_000_000_000, 64 * PICTURE * pace.quality // QUALITY)
        found.add(pace.quality)
    assert len(found) == 1
    for second in range(110, 120):
        pace.spend(second * 1_000_000_000, PICTURE * pace.quality // QUALITY)
    assert pace.quality == QUALITY


def test_what_was_asked_for_does_not_wait():
    pace = Pace(1)
    assert pace.open(0, "shown")
    pace.spend(0, 1_000_000)
    assert not pace.open(1_000_000, "shown")
    assert pace.open(2_000_000, "hidden")
    assert not pace.open(3_000_000, "hidden")


def test_hub_leaves_out_what_would_be_too_much_and_says_so(page, monkeypatch):
    """The newest of the pictures goes out once there is room, not one that has waited."""
    hub, _ = page
    encoded, encode = [], hub_module.as_jpeg
    monkeypatch.setattr(hub_module, "as_jpeg", lambda *args: encoded.append(args[0]) or encode(*args))
    spent = []
    monkeypatch.setattr(hub._pace, "spend", lambda now_ns, size: spent.append((now_ns, size)))
    hub._viewers[hub_module.View.ANNOTATED] = 50
    hub.present(grey(10), reading())
    wait_for(lambda: spent)
    assert spent[0][1] % 50 == 0
    hub._pace._due_ns = 10**18
    for level in range(20, 200, 20):
        hub.present(grey(level), reading())
    hub._pace._due_ns, hub._pace.rate = 0, 3.7
    hub.present(grey(220), reading())
    wait_for(lambda: len(spent) == 2)
    assert {int(frame.planes[0][0, 0]) for frame in encoded} == {10, 220}
    assert (hub.status.viewers, hub.status.served_fps) == (50, 3.7)
