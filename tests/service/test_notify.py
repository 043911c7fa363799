"""What systemd is told, and that only the loop feeds the watchdog."""

import socket
import threading
import time
from dataclasses import replace

import pytest

from edge.contract.spec import OperatingPoint
from edge.exam.desk import Choices
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.reading import Reading
from edge.exam.signal import State
from edge.service import notify
from edge.service.notify import BEAT_NS, Heartbeat, Notifier
from edge.sources.base import Pace
from tests.clips import tissue
from tests.patience import PATIENCE_S, wait_for
from tests.test_loop import Pictures, play


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path):
    address = (
        str(tmp_path / "notify") if request.param == "path" else f"@sonocart-{tmp_path.name}-{id(request)}"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + address[1:] if address[0] == "@" else address)
        server.settimeout(PATIENCE_S)
        yield server, address


def received(server):
    server.settimeout(0.2)
    texts = []
    try:
        while True:
            texts.append(server.recv(4096).decode())
    except TimeoutError:
        return texts


def reading(state=State.LIVE, reason="looking for the ultrasound field"):
    choices = Choices(None, OperatingPoint(name="balanced", threshold=0.5))
    return Reading(0, 0, state, NoEstimate(reason), None, 0.0, 0, None, None, choices)


def test_ready_reloading_and_stopping(systemd):
    server, address = systemd
    notifier = Notifier(address)
    notifier.ready("live")
    notifier.reloading()
    notifier.stopping()
    ready, reloading, stopping = received(server)
    assert ready == "READY=1\nSTATUS=live"
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert stopping.startswith("STOPPING=1\n")
    notifier.close()


def test_a_value_cannot_become_a_field_of_its_own(systemd):
    server, address = systemd
    notifier = Notifier(address)
    notifier.send(WATCHDOG=1, STATUS="no signal: it says\nMAINPID=1\u2028STOPPING=1\udc80")
    assert received(server) == ["WATCHDOG=1\nSTATUS=no signal: it says MAINPID=1 STOPPING=1?"]
    notifier.close()


def test_without_systemd_nothing_is_sent():
    Notifier(None).ready("live")
    Notifier("").stopping()


def test_a_systemd_that_has_gone_or_does_not_listen_costs_nothing(tmp_path):
    gone = Notifier(str(tmp_path / "none"))
    gone.ready("live")
    gone.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        notifier = Notifier(str(tmp_path / "deaf"))
        sender = threading.Thread(
            target=lambda: [notifier.ready("x" * 200) for _ in range(5000)], daemon=True
        )
        sender.start()
        sender.join(PATIENCE_S)
        assert not sender.is_alive(), "a full socket has stopped the loop"
        notifier.close()


class Recorded:
    def __init__(self):
        self.sent = []

    def send(self, **fields):
        self.sent.append(fields)


def test_the_watchdog_is_fed_by_pictures_and_the_status_by_changes(monkeypatch):
    now = [0]
    monkeypatch.setattr(notify.time, "monotonic_ns", lambda: now[0])
    notifier = Recorded()
    heart = Heartbeat(notifier)
    for now[0] in range(0, 1_000_000_000, 20_000_000):
        heart.present(None, reading(State.LIVE, "looking"))
    assert notifier.sent[0] == {"WATCHDOG": 1, "STATUS": "live; looking"}
    assert notifier.sent[1:] == [{"WATCHDOG": 1}] * 3
    heart.note(reading(State.STALLED, "no new picture for 1 s"))
    heart.note(reading(State.STALLED, "no new picture for 2 s"))
    assert notifier.sent[-1] == {"WATCHDOG": 1, "STATUS": "stalled; no new picture for 1 s"}
    heart.note(reading(State.NO_SIGNAL, "no signal: nothing is plugged in"))
    assert notifier.sent[-1] == {"WATCHDOG": 1, "STATUS": "no signal: nothing is plugged in"}


def test_seconds_are_told_again_now_and_then_and_other_figures_at_once(monkeypatch, caplog):
    now = [0]
    monkeypatch.setattr(notify.time, "monotonic_ns", lambda: now[0])
    caplog.set_level("INFO", logger="edge.service.notify")
    notifier = Recorded()
    heart = Heartbeat(notifier)
    for second in range(1, 32):
        now[0] = second * 1_000_000_000
        heart.note(reading(State.FROZEN, f"picture frozen for {second} s"))
    told = [sent["STATUS"] for sent in notifier.sent if "STATUS" in sent]
    assert told == [f"frozen; picture frozen for {second} s" for second in (1, 11, 21, 31)]
    assert caplog.messages == ["frozen; picture frozen for 1 s"], "the journal hears of another kind only"
    for rate in (50, 60):
        heart.note(reading(State.UNSUPPORTED, f"unsupported signal: 1920x1080i{rate}"))
        assert notifier.sent[-1]["STATUS"].endswith(f"i{rate}")
    assert caplog.messages[-1].endswith("i60")


def test_minutes_until_the_network_is_tried_again_are_no_other_status(monkeypatch, caplog):
    now = [0]
    monkeypatch.setattr(notify.time, "monotonic_ns", lambda: now[0])
    caplog.set_level("INFO", logger="edge.service.notify")
    notifier = Recorded()
    heart = Heartbeat(notifier)
    for minutes in range(15, 0, -1):
        now[0] += 60_000_000_000
        heart.note(reading(State.LIVE, f"AI paused: it hangs; tried again in {minutes} min"))
    assert notifier.sent[-1]["STATUS"].endswith("in 1 min")
    assert caplog.messages == ["live; AI paused: it hangs; tried again in 15 min"]


def test_a_hidden_risk_is_not_said_to_be_shown():
    notifier = Recorded()
    heart, estimate = Heartbeat(notifier), RiskEstimate(0.8, 0.7, 0.9, 5, 1, 1)
    shown = replace(reading(), estimate=estimate)
    heart.note(shown)
    heart.note(replace(shown, choices=replace(shown.choices, hidden=True)))
    heart.note(replace(shown, choices=replace(shown.choices, second_reader=True)))
    assert [sent["STATUS"] for sent in notifier.sent] == [
        "live; risk shown",
        "live; hidden by the operator",
        "live; second reader: grade the lesion first",
    ]


def test_a_loop_without_pictures_feeds_it_too_and_one_that_hangs_does_not():
    notifier = Recorded()
    hangs, end, stop = threading.Event(), threading.Event(), threading.Event()

    class Hanging:
        def present(self, frame, reading):
            hangs.set()
            end.wait(PATIENCE_S)

        def note(self, reading):
            pass

    picture = threading.Event()
    source = Pictures([tissue(0)], pace=Pace.LIVE, due=lambda index: picture.is_set())
    outputs = (Hanging(), Heartbeat(notifier))
    loop = threading.Thread(
        target=play, args=(source,), kwargs={"pace": Pace.LIVE, "outputs": outputs, "stop": stop}
    )
    loop.start()
    wait_for(lambda: len(notifier.sent) >= 2)
    assert notifier.sent[0]["STATUS"].startswith("no signal")
    picture.set()
    wait_for(hangs.is_set)
    before = len(notifier.sent)
    time.sleep(3 * BEAT_NS / 1e9)
    assert len(notifier.sent) == before, "something else than the loop feeds the watchdog"
    stop.set()
    end.set()
    loop.join(PATIENCE_S)
