"""The page over a real server on loopback: newest picture to every viewer, encoded once, and only to them."""

import json
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from edge.contract.roi import Roi
from edge.errors import BusyError, UsageError
from edge.exam.findings import BestFrame, Findings
from edge.outputs.metrics import Metrics
from edge.outputs.page import hub as hub_module
from edge.outputs.page.server import PageServer, parse_address
from edge.timing import Timing
from tests.outputs.test_overlay import IDENTITY, reading
from tests.pages import grey, wait_for


@pytest.fixture
def encoded(monkeypatch):
    """Counts the encodings."""
    calls, encode = [], hub_module.as_jpeg
    monkeypatch.setattr(hub_module, "as_jpeg", lambda *args: calls.append(1) or encode(*args))
    return calls


@contextmanager
def view(server, **options):
    address = server.url.replace("http", "ws") + "live"
    with connect(address, origin=server.url.rstrip("/"), open_timeout=10, **options) as viewer:
        assert "hello" in json.loads(viewer.recv(10))
        yield viewer


def split(message):
    """Status and JPEG of a picture."""
    head = int.from_bytes(message[:4], "big")
    return json.loads(message[4 : 4 + head]), message[4 + head :]


def receive(viewer):
    """Status and grey level of the next picture."""
    while True:
        message = viewer.recv(10)
        viewer.send("next")
        if isinstance(message, bytes):
            status, jpeg = split(message)
            return status, int(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 0).mean())


def test_viewer_sees_picture_and_status(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(100), reading(0.71))
        status, level = receive(viewer)
    assert abs(level - 100) <= 1
    assert status["record"]["risk"] == 0.71
    assert (status["point"], status["threshold"], status["n"]) == ("balanced", 0.42, 48)


def test_nothing_is_encoded_without_viewers(page, encoded):
    hub, server = page
    for _ in range(5):
        hub.present(grey(1), reading())
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(50), reading())
        assert abs(receive(viewer)[1] - 50) <= 1
    wait_for(lambda: hub.viewers == 0)
    hub.present(grey(1), reading())
    time.sleep(0.05)
    assert len(encoded) == 1


def test_one_encoding_serves_all_viewers(page, encoded):
    hub, server = page
    with ExitStack() as stack:
        viewers = [stack.enter_context(view(server)) for _ in range(5)]
        wait_for(lambda: hub.viewers == 5)
        hub.present(grey(70), reading())
        assert all(abs(receive(viewer)[1] - 70) <= 1 for viewer in viewers)
    assert len(encoded) == 1


def test_slow_viewer_gets_the_newest_picture_next(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        viewer.recv(10)  # taken, not yet acknowledged
        for level in range(20, 200, 20):
            hub.present(grey(level), reading())
            time.sleep(0.02)
        hub.present(grey(220), reading())
        time.sleep(0.1)
        viewer.send("next")
        assert abs(receive(viewer)[1] - 220) <= 1


def test_viewer_that_takes_nothing_is_let_go(page, monkeypatch):
    monkeypatch.setattr("edge.outputs.page.app._ACK_S", 0.1)
    hub, server = page
    with view(server):
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        wait_for(lambda: hub.viewers == 0)


def test_silence_is_told_without_a_picture(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        receive(viewer)
        hub.note(reading(reason="no new picture for 1 s"))
        said = json.loads(viewer.recv(10))
    assert said["status"]["record"]["reason"] == "no new picture for 1 s"


def test_what_a_hanging_loop_said_last_is_not_repeated(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading(0.71))
        receive(viewer)
        hub._told_s -= 1.5
        said = viewer.recv(10)
    assert json.loads(said)["hung"] > 1.5
    assert "0.71" not in said
    assert httpx.get(server.url + "health").json()["state"] == "the loop does not answer"


def test_late_viewer_is_not_shown_an_old_picture(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        receive(viewer)
    wait_for(lambda: hub.viewers == 0)
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(90), reading())
        assert abs(receive(viewer)[1] - 90) <= 1


def test_newcomer_beside_a_viewer_is_not_shown_a_picture_from_before_the_silence(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading(0.71))
        receive(viewer)
        hub.presented_s -= 1.5
        assert httpx.get(server.url + "snapshot.jpg").status_code == 503
        with view(server) as newcomer:
            assert not isinstance(newcomer.recv(10), bytes)


def test_what_is_told_without_a_picture_says_nothing_of_a_risk_that_is_gone(page):
    hub, _ = page
    said = reading(0.2)
    found = Findings(contradiction="low risk, but", best=(BestFrame(1, 0, 0.25, 1.0, grey(1).planes[0]),))
    hub.present(grey(10), replace(said, findings=found))
    assert hub.status.contradiction == "low risk, but"
    hub.note(replace(said, findings=found, choices=replace(said.choices, hidden=True)))
    assert hub.status.contradiction is None
    assert hub.status.best == ((1, None, 1.0),)


def test_nobody_steps_back_to_another_patient(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        for case in (0, 1):
            said = reading(0.2)
            hub.present(grey(10 + case), replace(said, choices=replace(said.choices, case=case)))
            receive(viewer)
            viewer.send("next")
        assert [past.record.risk for past in hub.past] in ([], [0.2])


def test_viewer_draws_a_region_and_hides_the_risk(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        receive(viewer)
        viewer.send('{"roi": [8, 8, 40, 32], "hidden": true}')
        wait_for(lambda: hub.desk.choices.hidden)
    assert hub.desk.choices.roi == Roi(8, 8, 40, 32)


def test_order_that_makes_no_sense_is_answered_and_changes_nothing(page):
    hub, server = page
    before = hub.desk.choices
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        viewer.recv(10)
        for order in ('{"roi": [0, 0, 900, 900]}', "{", '{"point": "brave"}', '{"shutdown": true}'):
            viewer.send(order)
            assert json.loads(viewer.recv(10))["error"]
        viewer.send("next")
        hub.present(grey(60), reading())
        assert abs(receive(viewer)[1] - 60) <= 1
    assert hub.desk.choices is before


def test_hidden_risk_is_not_sent(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading(0.71, hidden=True))
        status, _ = receive(viewer)
    assert status["record"]["risk"] is None
    assert status["record"]["reason"] == "hidden by the operator"
    assert "0.71" not in json.dumps(status)


def test_page_is_complete_and_asks_for_nothing_from_elsewhere(page):
    _, server = page
    index = httpx.get(server.url)
    assert index.status_code == 200
    assert "default-src 'none'" in index.headers["content-security-policy"]
    for name in ("style.css", "app.js"):
        text = httpx.get(f"{server.url}static/{name}").text
        assert f"/static/{name}" in index.text
        assert "http" not in text.replace("https:", "")
    assert "http" not in index.text


def test_health_says_whether_pictures_come(page, monkeypatch):
    hub, server = page
    assert httpx.get(server.url + "health").status_code == 503
    hub.present(grey(1), reading(0.5))
    answer = httpx.get(server.url + "health")
    assert answer.status_code == 200
    assert answer.json()["state"] == "live"
    assert "risk" not in answer.text, "anybody may ask"
    hub.presented_s -= 1.5
    answer = httpx.get(server.url + "health")
    assert answer.status_code == 503
    assert answer.json()["live"] is False


@pytest.mark.parametrize(
    ("headers", "code"),
    [({"Host": "evil.test"}, 421), ({"Origin": "http://evil.test"}, 403), ({"Origin": "null"}, 403)],
)
def test_foreign_host_or_origin_is_refused(page, headers, code):
    assert httpx.get(page[1].url, headers=headers).status_code == code


@pytest.mark.parametrize("origin", ["http://evil.test", None])
def test_foreign_or_missing_origin_gets_no_socket(page, origin):
    with pytest.raises(InvalidStatus) as refused:
        connect(page[1].url.replace("http", "ws") + "live", origin=origin)
    assert refused.value.response.status_code == 403
    assert page[0].viewers == 0


@pytest.mark.parametrize(
    "path", ["static/../server.py", "static/%2e%2e/server.py", "static//etc/passwd", "x"]
)
def test_no_other_file_is_served(page, path):
    assert httpx.get(page[1].url + path).status_code in (404, 405)


def test_port_in_use_is_one_clear_error(page):
    with pytest.raises(BusyError, match="Address already in use"):
        PageServer("127.0.0.1", page[1].port, page[0], Metrics(IDENTITY, Timing()))


def test_hub_never_waits_for_its_encoder(page, monkeypatch):
    hub, server = page
    release = threading.Event()
    monkeypatch.setattr(hub_module, "as_jpeg", lambda *_: release.wait(10) and b"")
    with view(server):
        wait_for(lambda: hub.viewers == 1)
        for _ in range(20):
            hub.present(grey(1), reading())
        release.set()


def test_picture_that_cannot_be_encoded_does_not_end_the_page(page, monkeypatch):
    hub, server = page
    encode = hub_module.as_jpeg
    monkeypatch.setattr(hub_module, "as_jpeg", lambda *_: 1 / 0)
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(1), reading())
        time.sleep(0.05)
        monkeypatch.setattr(hub_module, "as_jpeg", encode)
        hub.present(grey(60), reading())
        assert abs(receive(viewer)[1] - 60) <= 1


@pytest.mark.parametrize("text", ["8080", "127.0.0.1:", ":x", "127.0.0.1:99999", "host", "example.test:80"])
def test_address_that_is_none(text):
    with pytest.raises(UsageError, match="no address for the page"):
        parse_address(text)


@pytest.mark.parametrize("text", ["0.0.0.0:0", "192.168.1.4:8080", "[::]:80"])
def test_address_that_others_can_reach_is_refused_without_tokens(page, text):
    with pytest.raises(UsageError, match="loopback only"):
        PageServer(*parse_address(text), page[0], Metrics(IDENTITY, Timing()))


def test_addresses_of_this_machine():
    assert parse_address("127.0.0.1:80") == ("127.0.0.1", 80)
    assert parse_address("localhost:0") == ("127.0.0.1", 0)
    assert parse_address(":8080") == ("127.0.0.1", 8080)
    assert parse_address("[::1]:8080") == ("::1", 8080)
