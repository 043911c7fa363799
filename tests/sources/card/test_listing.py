"""`sonocart devices` says what there is, what arrives, how fast its cable is and who has it."""

import errno
import os
import subprocess
import sys

import pytest

from edge.errors import UnavailableError
from edge.sources.card import command
from edge.sources.card.command import describe
from edge.sources.card.holders import holders
from edge.sources.card.listing import list_cards, usb_mbit
from tests.sources.card.fake_card import FakeCard


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A folder of devices with one node, and a system tree where it hangs at USB 2."""
    dev, port = tmp_path / "dev", tmp_path / "sys/devices/usb1/1-2"
    interface = port / "1-2:1.0/video4linux/video0"
    for folder in (dev, interface):
        folder.mkdir(parents=True)
    (dev / "video0").touch()
    (port / "busnum").write_text("1\n")
    (port / "speed").write_text("480\n")
    (tmp_path / "sys/class").mkdir()
    (tmp_path / "sys/class/video0").symlink_to(interface)
    monkeypatch.setattr("tests.sources.card.fake_card.NODE", str(dev / "video0"))
    return dev, tmp_path / "sys/class"


def test_card_is_listed_with_its_signal_formats_and_slow_cable(machine):
    card = FakeCard(code="NV12")
    card.codes = ["NV12", "H264"]
    (found,) = list_cards(card, *machine)
    assert found.source == f"v4l2:{machine[0] / 'video0'}"
    assert (found.card, found.driver, found.usb_mbit) == ("Fake HDMI", "fake", 480)
    assert [(o.format, o.width, o.taken) for o in found.offers] == [("NV12", 640, True), ("H264", 640, False)]
    text = describe(found)
    assert "a signal (640x480p at 60 Hz)" in text
    assert "480 Mbit/s: too slow" in text
    assert "NV12  640x480 at 60" in text
    assert "not taken: H264" in text
    assert card.opened == 0


def test_missing_signal_is_no_problem_of_the_card(machine):
    card = FakeCard()
    card.signal = errno.ENOLINK
    (found,) = list_cards(card, *machine)
    assert (found.receives, found.problem) == ("no signal", "")


def test_card_without_the_right_to_open_it_is_listed_with_the_fix(machine):
    card = FakeCard()
    card.open_error = errno.EACCES
    (found,) = list_cards(card, *machine)
    assert "usermod -aG video" in describe(found)


def test_no_card_is_one_line_with_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(command, "list_cards", lambda kernel: [])
    with pytest.raises(UnavailableError, match="Plug it in"):
        command.main(type("Args", (), {"json": False}))
    assert command.main(type("Args", (), {"json": True})) == 69
    assert capsys.readouterr().out == "[]\n"


def test_card_that_is_not_at_usb_has_no_speed(tmp_path):
    assert usb_mbit(tmp_path) is None


def test_other_processes_that_hold_a_file_are_named_and_we_are_not(tmp_path):
    path = tmp_path / "held"
    with path.open("w") as ours:
        assert holders(str(path)) == ()
        with subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(ours.fileno(),)
        ) as other:
            (name,) = holders(str(path))
            assert name.endswith(f"(pid {other.pid})")
            assert other.stdin is not None
            other.stdin.write(b"\n")
    assert os.getpid() != other.pid
