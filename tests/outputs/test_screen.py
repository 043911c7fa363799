"""The full-screen output under a virtual X server: colours, card, keys, and no display."""

import os
import shutil
import signal
import subprocess
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import ImageGrab, features

pytest.importorskip("sdl2", reason="the extra 'screen' is not installed")

from edge.blit import fill, make_colour
from edge.contract.frame import Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.exam.desk import Choices, Desk, Keeping
from edge.exam.evidence import NoEstimate
from edge.exam.signal import State
from edge.outputs import screen as module
from edge.outputs import screen_process as process
from edge.outputs.screen import Screen
from edge.outputs.screen_card import draw_card
from edge.outputs.screen_message import Note, Picture
from tests.fakes import spec
from tests.outputs.readings import POINT, reading
from tests.patience import PATIENCE_S, wait_for
from tests.test_blit import ENCODINGS, blank

SIZE = (640, 360)


@pytest.fixture(scope="module")
def display():
    if shutil.which("Xvfb") is None or not features.check("xcb"):
        pytest.skip("needs Xvfb (Debian: xvfb) and a Pillow with XCB")
    reading_end, writing_end = os.pipe()
    command = [
        "Xvfb",
        "-noreset",  # else it takes nobody for a while after its last client has gone
        "-displayfd",
        str(writing_end),
        "-screen",
        "0",
        f"{SIZE[0]}x{SIZE[1]}x24",
        "-nolisten",
        "tcp",
    ]
    with subprocess.Popen(command, pass_fds=[writing_end], stderr=subprocess.DEVNULL) as server:
        os.close(writing_end)
        with os.fdopen(reading_end) as pipe:
            number = pipe.readline().strip()
        yield f":{number}"
        server.terminate()


@pytest.fixture
def screen(display, monkeypatch):
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setattr(module, "_OPEN_S", PATIENCE_S)  # else one that is replaced takes a key with it
    monkeypatch.setattr(module, "_TAKE_S", PATIENCE_S)
    desk = Desk(spec(), Choices(None, POINT))
    stopped = []
    one = Screen(desk, lambda: stopped.append(True))
    one.desk, one.stopped, one.display = desk, stopped, display
    yield one
    one.close()


def show(screen, frame):
    shown = screen.shown  # the second from now proves that the first is on the glass
    wait_for(lambda: screen.present(frame, reading(frame)) or screen.shown >= shown + 2)
    return shot(screen)


def shot(screen):
    return np.asarray(ImageGrab.grab(xdisplay=screen.display).convert("RGB"))


@pytest.mark.parametrize("layout", list(PixelFormat))
def test_colours_are_the_sources(screen, layout):
    colours = [(255, 255, 255), (0, 0, 0), (230, 159, 0), (86, 180, 233), (120, 120, 120), (0, 158, 115)]
    for encoding in (encoding for encoding in ENCODINGS if encoding.format is layout):
        frame = blank(encoding, 128)
        for index, colour in enumerate(colours):
            area = Roi(index * 10 & ~1, 0, 10, frame.height & ~1)
            fill(frame, area, make_colour(colour, encoding))
        grey = layout is PixelFormat.GRAY8
        expected = [_grey(colour, encoding.matrix) if grey else np.array(colour) for colour in colours]
        wait_for(partial(_right, screen, frame, expected))


def _right(screen, frame, expected):
    return _far(show(screen, frame), frame, expected) <= 4


def _far(picture, frame, expected):
    """The largest distance of the screen's stripes from what they should be."""
    scale = min(SIZE[0] / (frame.width & ~1), SIZE[1] / (frame.height & ~1))
    left = (SIZE[0] - (frame.width & ~1) * scale) / 2
    columns = [round(left + (index * 10 + 5) * scale) for index in range(len(expected))]
    return int(np.abs(picture[SIZE[1] // 2, columns].astype(int) - np.array(expected)).max())


def _grey(colour, matrix):
    weights = (0.299, 0.587, 0.114) if matrix is Matrix.BT601 else (0.2126, 0.7152, 0.0722)
    return np.full(3, round(float(np.dot(colour, weights))))


def test_card_stands_where_no_picture_comes_and_goes_when_one_does(screen):
    wait_for(lambda: _letters(shot(screen)))
    frame = blank(ENCODINGS[0], 128)
    assert not _letters(show(screen, frame))
    wait_for(lambda: screen.note(reading(frame, state=State.STALLED)) or _letters(shot(screen)))


def _letters(picture):
    """True where the card's large white letters are."""
    middle = picture[110:185]
    return 0.02 < (middle.min(axis=2) > 200).mean() < 0.5


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        ("h", lambda screen: screen.desk.choices.hidden),
        ("m", lambda screen: [e for e in screen.desk.events() if e.kind == "mark"]),
        ("3", lambda screen: screen.desk.choices.grade == "uncertain"),
        ("q", lambda screen: screen.stopped),
    ],
)
def test_keys_reach_the_desk(screen, key, seen):
    if shutil.which("xdotool") is None:
        pytest.skip("needs xdotool")
    show(screen, blank(ENCODINGS[0], 128))
    environment = {**os.environ, "DISPLAY": screen.display}
    subprocess.run(["xdotool", "mousemove", "300", "200", "key", key], check=True, env=environment)
    wait_for(lambda: seen(screen))


def test_touch_hides(screen):
    if shutil.which("xdotool") is None:
        pytest.skip("needs xdotool")
    show(screen, blank(ENCODINGS[0], 128))
    environment = {**os.environ, "DISPLAY": screen.display}
    subprocess.run(["xdotool", "mousemove", "300", "200", "click", "1"], check=True, env=environment)
    wait_for(lambda: screen.desk.choices.hidden)


def test_process_that_dies_is_replaced(screen, monkeypatch):
    monkeypatch.setattr(module, "_TRY_AGAIN_S", 0.1)
    frame = blank(ENCODINGS[0], 128)
    show(screen, frame)
    first = screen._process
    first.kill()
    wait_for(lambda: screen._process is not first)
    show(screen, frame)


def test_display_that_is_not_there_is_named_and_nothing_waits(monkeypatch, caplog):
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setattr(module, "_TRY_AGAIN_S", 0.05)
    screen = Screen(Desk(spec(), Choices(None, POINT)), lambda: None)
    frame = blank(ENCODINGS[0], 128)
    for _ in range(100):
        screen.present(frame, reading(frame))
    wait_for(lambda: screen.problem is not None)
    first = screen._process
    wait_for(lambda: screen._process is not first)  # it is tried again
    screen.close()
    assert screen.problem.startswith("the screen is off: ")
    assert len([r for r in caplog.records if "screen is off" in r.message]) == 1


def test_hiding_the_risk_lets_go_of_a_held_picture(screen):
    if shutil.which("xdotool") is None:
        pytest.skip("needs xdotool")
    show(screen, blank(ENCODINGS[0], 128))
    environment = {**os.environ, "DISPLAY": screen.display}
    press = ["xdotool", "mousemove", "300", "200", "key"]
    subprocess.run([*press, "f"], check=True, env=environment)
    wait_for(lambda: shot(screen)[:40].max() > 200)  # the banner
    subprocess.run([*press, "h"], check=True, env=environment)
    wait_for(lambda: screen.desk.choices.hidden)
    before = screen.shown
    wait_for(
        lambda: (
            screen.present(blank(ENCODINGS[0], 90), reading(blank(ENCODINGS[0], 90))) or screen.shown > before
        )
    )


def test_machine_without_any_display_is_named(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", "offscreen")  # what SDL falls back to
    screen = Screen(Desk(spec(), Choices(None, POINT)), lambda: None)
    wait_for(lambda: screen.problem is not None)
    screen.close()
    assert screen.problem.startswith("the screen is off: found no display; expected Wayland, X11 or KMS")


class _Glass:
    """A window that remembers what was shown: the width of a picture, "held", "word" or "card"."""

    size = (640, 360)

    def __init__(self):
        self.shown, self._now = [], None

    def upload(self, picture, _):
        self._now = picture.width

    def upload_rgb(self, _):
        self._now = "card"

    def show(self, banner=None):
        self.shown.append(self._now if banner is None else (self._now, banner))


def _played(monkeypatch, news, key_at):
    """What the process shows of `news`, one every 0.4 s, with F pressed once `key_at` of them were taken."""
    glass, clock = _Glass(), iter(range(10**6))

    class Inbox:
        gone, taken = False, 0

        def take(self):
            if self.taken == len(news):
                raise EOFError
            self.taken += 1
            return news[self.taken - 1]

    inbox = Inbox()
    monkeypatch.setattr(process, "_Inbox", lambda: inbox)
    monkeypatch.setattr(process, "_say", lambda *_: None)
    monkeypatch.setattr(process, "_key", lambda _: "f" if inbox.taken == key_at else None)
    monkeypatch.setattr(process.sdl2, "SDL_WaitEventTimeout", lambda *_: 1)
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: 0.4 * next(clock)))
    with pytest.raises(EOFError):
        process._run(glass, np.zeros(8, np.uint8))
    return glass.shown


def _pictures(numbers, case, concealed=False):
    return [Picture(number, 2, "GRAY8", True, "BT601", case, concealed) for number in numbers]


def _alone(shown):
    return [one[0] if isinstance(one, tuple) else one for one in shown]


def test_held_picture_goes_when_another_patients_case_begins(monkeypatch):
    shown = _played(monkeypatch, _pictures(range(1, 6), 0) + _pictures(range(6, 9), 1), 2)
    assert _alone(shown)[:2] == [1, 2]
    assert 3 not in _alone(shown)
    assert shown[-3:] == [6, 7, 8]


def test_held_picture_goes_when_the_risk_is_hidden_elsewhere(monkeypatch):
    shown = _played(monkeypatch, _pictures(range(1, 4), 0) + _pictures(range(4, 7), 0, concealed=True), 2)
    assert shown[-3:] == [4, 5, 6]


def test_picture_that_is_held_while_the_risk_is_hidden_stays(monkeypatch):
    shown = _played(monkeypatch, _pictures(range(1, 9), 0, concealed=True), 2)
    assert _alone(shown)[-1] == 2


@pytest.mark.parametrize("key_at", [2, 99])
def test_patient_before_leaves_the_glass_also_where_no_picture_comes(monkeypatch, key_at):
    news = _pictures((1, 2, 3), 0) + [Note("nothing plugged in", 1, concealed=False)] * 2
    assert "card" in _alone(_played(monkeypatch, news, key_at))[-2:]


def test_what_a_key_has_done_stands_over_the_picture_for_a_while(screen):
    if shutil.which("xdotool") is None:
        pytest.skip("needs xdotool")
    frame = blank(ENCODINGS[0], 128)
    show(screen, frame)
    environment = {**os.environ, "DISPLAY": screen.display}
    for key in ("m", "r"):  # "r" is refused: there is no folder
        plain = show(screen, frame)
        subprocess.run(["xdotool", "mousemove", "300", "200", "key", key], check=True, env=environment)
        wait_for(lambda plain=plain: (show(screen, frame)[:30] != plain[:30]).any())
        wait_for(lambda plain=plain: (show(screen, frame) == plain).all())


def test_keys_say_what_they_did(monkeypatch):
    monkeypatch.setattr(Screen, "_run", lambda _: None)
    desk = Desk(spec(), Choices(None, POINT))
    screen = Screen(desk, lambda: None)
    screen._act("m")
    assert screen._said() == "mark kept in the log alone; nothing is being recorded"
    screen._act("r")
    assert screen._said().startswith("no folder for recordings is set")
    desk.keeping = Keeping(recording=True, text="recording 000007, 0:04")
    screen._act("r")
    assert screen._said() == "recording begins"
    screen._act("m")
    assert screen._said() == "mark kept in the log and recording 000007, 0:04"
    monkeypatch.setattr(module, "_WORD_S", 0.0)
    assert screen._said() == ""
    screen.close()


def test_process_that_hangs_while_it_is_told_of_silence_is_replaced(screen, monkeypatch, caplog):
    monkeypatch.setattr(module, "_TRY_AGAIN_S", 0.1)
    frame = blank(ENCODINGS[0], 128)
    show(screen, frame)
    monkeypatch.setattr(module, "_TAKE_S", 0.3)
    show(screen, frame)  # with which it is in force
    first = screen._process
    first.send_signal(signal.SIGSTOP)
    wait_for(lambda: screen.note(reading(frame)) or screen._process is not first)
    monkeypatch.setattr(module, "_TAKE_S", PATIENCE_S)
    assert any("it has taken nothing" in record.message for record in caplog.records)
    show(screen, frame)


@pytest.mark.parametrize("kind", ["SDL_FINGERUP", "SDL_MOUSEBUTTONUP"])
def test_finger_and_mouse_mean_the_same(kind):
    sdl2 = pytest.importorskip("sdl2")
    from edge.outputs.screen_process import _key

    event = sdl2.SDL_Event()
    event.type = getattr(sdl2, kind)
    assert _key(event) == "h"


def test_card_gives_the_reason_in_lines_that_fit(monkeypatch):
    """It needs no display; a reason as long as an address and what the network said to it."""
    why = (
        "'rtsp://192.168.17.203:8554/ultrasound/main' does not deliver: Connection refused; trying again " * 3
    )
    card = draw_card((1280, 720), why)
    assert (card[:, :20] == card[0, 0]).all()
    assert (card[:, -20:] == card[0, 0]).all()
    told = []
    with monkeypatch.context() as patch:
        patch.setattr(Screen, "_run", lambda _: None)
        screen = Screen(Desk(spec(), Choices(None, POINT)), lambda: None)
        patch.setattr(screen._news, "put", told.append)
        frame = blank(ENCODINGS[0], 128)
        estimate = NoEstimate("no signal: nothing plugged in")
        screen.note(replace(reading(frame, state=State.NO_SIGNAL), estimate=estimate))
        screen.close()
    assert told[0].text == "nothing plugged in"
