"""The page over a real server on loopback: newest picture to every viewer, encoded once, and only to them."""

import json
import logging
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from edge.contract.roi import Roi
from edge.errors import BusyError, UsageError
from edge.exam.findings import BestFrame, Findings
from edge.exam.signal import State
from edge.outputs.metrics import Metrics
from edge.outputs.page import hub as hub_module
from edge.outputs.page.address import parse_address
from edge.outputs.page.picture import View
from edge.outputs.page.server import PageServer
from edge.timing import Timing
from tests.outputs.test_overlay import IDENTITY, reading
from tests.pages import get, grey, hear, look, post, serve
from tests.patience import PATIENCE_S, wait_for


@pytest.fixture
def encoded(monkeypatch):
    """Counts the encodings."""
    calls, encode = [], hub_module.as_jpeg
    monkeypatch.setattr(hub_module, "as_jpeg", lambda *args: calls.append(1) or encode(*args))
    return calls


@contextmanager
def view(server, **options):
    address = server.url.replace("http", "ws") + "live"
    with connect(address, origin=server.url.rstrip("/"), open_timeout=PATIENCE_S, **options) as viewer:
        assert "hello" in json.loads(viewer.recv(PATIENCE_S))
        yield viewer


def split(message):
    """Status and JPEG of a picture."""
    head = int.from_bytes(message[:4], "big")
    return json.loads(message[4 : 4 + head]), message[4 + head :]


def receive(viewer):
    """Status and grey level of the next picture."""
    status, jpeg = split(look(viewer))
    viewer.send("next")
    return status, level_of(jpeg)


def level_of(jpeg):
    return int(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 0).mean())


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
        look(viewer)  # taken, not yet acknowledged
        for level in range(20, 200, 20):
            hub.present(grey(level), reading())
            time.sleep(0.02)
        hub.present(grey(220), reading())
        wait_for(lambda: abs(level_of(hub._pictures[View.ANNOTATED].jpeg) - 220) <= 1)  # it is encoded
        viewer.send("next")
        assert abs(receive(viewer)[1] - 220) <= 1


def test_viewer_that_takes_nothing_is_let_go(page, monkeypatch):
    monkeypatch.setattr("edge.outputs.page.line.PATIENCE_S", 0.1)
    hub, server = page
    with view(server):  # it was there: the page has greeted it
        hub.present(grey(10), reading())
        wait_for(lambda: hub.viewers == 0)


def test_silence_is_told_without_a_picture(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        receive(viewer)
        hub.note(reading(reason="no new picture for 1 s"))
        wait_for(lambda: hear(viewer, "status")["record"]["reason"] == "no new picture for 1 s")


def test_why_no_first_picture_comes_is_told_to_viewers_and_monitors(page):
    hub, server = page
    with view(server) as viewer:
        hub.note(reading(reason="no signal: nothing is plugged in"))
        while (said := hear(viewer, "status")) is None:  # it was told before
            pass
        viewer.send('{"roi": [0, 0, 40, 40]}')
        assert "no picture" in hear(viewer, "error")
    assert (said["width"], said["record"]["reason"]) == (0, "no signal: nothing is plugged in")
    health = get(server.url + "health")
    assert health.status_code == 503
    assert health.json()["reason"] == "no signal: nothing is plugged in"


def test_what_a_hanging_loop_said_last_is_not_repeated(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading(0.71))
        receive(viewer)
        hub._told_s -= 2.0
        while "hung" not in (said := viewer.recv(PATIENCE_S)):  # it was told before
            viewer.send("next")
    assert json.loads(said)["hung"] > 1.5
    assert "0.71" not in said
    assert get(server.url + "health").json()["state"] == "the loop does not answer"


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
        assert get(server.url + "snapshot.jpg").status_code == 503
        with view(server) as newcomer:
            assert not isinstance(newcomer.recv(PATIENCE_S), bytes)


def test_patient_before_is_shown_to_nobody_once_the_next_case_has_begun(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading(0.71))
        receive(viewer)
        hub.note(reading(reason="no signal", case=1))
        with view(server) as newcomer:
            assert not isinstance(newcomer.recv(PATIENCE_S), bytes)


def test_picture_that_is_encoded_while_another_case_begins_is_shown_to_nobody(page, monkeypatch):
    hub, server = page
    encode = hub_module.as_jpeg

    def another_case_begins(*of):
        hub.note(reading(reason="no signal", case=1))
        return encode(*of)

    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        with monkeypatch.context() as patch:
            patch.setattr(hub_module, "as_jpeg", another_case_begins)
            hub.present(grey(10), reading(0.71))
            while hear(viewer, "status")["case"] == 0:  # text, and no picture with it
                pass
        assert hub._pictures == {}


@pytest.mark.parametrize("kind", ["annotated", "clean"])
def test_snapshot_is_black_outside_field_and_panel(page, kind):
    hub, server = page
    field, panel = Roi(16, 12, 16, 16), Roi(40, 24, 16, 16)
    picture = _snapshot(hub, server, kind, replace(reading(field=field), panel=panel))
    assert picture[:10].max() <= 8, "the scanner's text"
    assert abs(int(picture[20, 24]) - 200) <= 4
    assert (abs(int(picture[32, 48]) - 200) <= 4) == (kind == "annotated")


def test_snapshot_of_an_unknown_field_is_refused_in_words(page):
    hub, server = page
    answer = _asked_for(hub, server, "clean", replace(reading(), covered=True))
    assert answer.status_code == 409
    assert "the ultrasound field is not known" in answer.text


def _snapshot(hub, server, kind, said):
    jpeg = _asked_for(hub, server, kind, said).content
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)


def _asked_for(hub, server, kind, said):
    answers = []
    asking = threading.Thread(target=lambda: answers.append(get(f"{server.url}snapshot.jpg?view={kind}")))
    asking.start()
    wait_for(lambda: hub.present(grey(200), said) or answers)
    asking.join()
    return answers[0]


def test_loop_that_has_not_begun_is_not_called_silent_since_the_machine_began():
    with serve() as (hub, _):  # whose clock begins at 1000 s
        assert hub.silent_s < 100


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


def test_picture_that_is_encoded_while_another_case_begins_is_not_kept(page, monkeypatch):
    hub, server = page

    def another_case_begins(*_):
        hub.note(reading(reason="no signal", case=1))
        return b""

    monkeypatch.setattr(hub, "_clean", another_case_begins)
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(replace(grey(10), captured_ns=10**9), reading(0.2))
        while hear(viewer, "status")["case"] == 0:  # nothing of it is shown either
            pass
        assert hub.status.case == 1
        assert hub.past == ()


def test_of_a_probe_held_still_the_sweep_before_it_is_kept(page):
    hub, server = page
    states = [State.LIVE, State.LIVE, *[State.STILL] * 30]
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        for number, state in enumerate(states):
            said = replace(reading(0.2, state=state), sequence=number)
            hub.present(replace(grey(10), captured_ns=(number + 1) * 10**9), said)
            receive(viewer)
        assert [past.record.sequence for past in hub.past] == [0, 1, 2, len(states) - 1]


def test_best_pictures_show_no_risk_while_the_risk_is_withheld_and_go_with_a_lost_lesion(page):
    hub, _ = page
    best = BestFrame(7, 0, 0.25, 1.0, np.zeros((16, 16), np.uint8))
    hub.present(grey(10), reading(0.2, findings=Findings(best=(best,))))
    assert hub.status.best == ((7, 0.25, 1.0),)
    hub.present(grey(10), reading(reason="picture frozen for 1 s", findings=Findings(best=(best,))))
    assert hub.status.best == ((7, None, 1.0),)
    hub.present(grey(10), reading(reason="lesion lost: mark it again", findings=Findings(lost=True)))
    assert (hub.status.size, hub.status.best) == ("lesion lost", ())


def test_another_case_without_a_picture_shows_nothing_of_the_patient_before(page):
    hub, server = page
    best = BestFrame(7, 0, 0.25, 1.0, np.zeros((16, 16), np.uint8))
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        said = reading(0.2, grade="benign", lesion=Roi(8, 8, 16, 16), findings=Findings(best=(best,)))
        hub.present(replace(grey(10), captured_ns=time.monotonic_ns()), replace(said, rate=12.0))
        receive(viewer)
        wait_for(lambda: hub.past)
        assert get(server.url + "best/7.jpg").status_code == 200
        hub.note(replace(reading(reason="no signal", case=1, hidden=True), rate=0.0))
        while (now := hear(viewer, "status"))["case"] == 0:  # it was told before
            pass
    assert (now["case"], now["grade"], now["hidden"], now["marked"], now["best"]) == (
        1,
        None,
        True,
        False,
        [],
    )
    assert (now["width"], now["height"]) == (64, 48), "of the picture that is still seen"
    assert now["fps"] == 0.0
    assert hub.past == ()
    assert get(server.url + "best/7.jpg").status_code == 404


def test_no_name_is_told_to_anybody_but_the_operator(tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    typed = {"patient_id": "MRN-4711", "patient_name": "Quux^Xenia", "birth_date": "19030617"}
    with serve(worklist=tmp_path / "none.json") as (hub, server), view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        headers = {"Origin": server.url.rstrip("/")}
        entered = post(server.url + "patient", json={"details": typed}, headers=headers)
        assert entered.status_code == 204
        refused = post(server.url + "patient", json={"details": {**typed, "sex": "Q"}}, headers=headers)
        assert refused.status_code == 422
        assert "Quux" in get(server.url + "patient").text
        said = reading(0.2, case=hub.desk.choices.case)
        hub.present(grey(10), said)
        told = [refused.text, json.dumps(receive(viewer)[0])]
        hub.note(said)
        told.append(viewer.recv(PATIENCE_S))
        told += [get(server.url + name).text for name in ("metrics", "health", "events", "past", "role")]
    told += [caplog.text, *capfd.readouterr()]
    assert "a patient is entered" in told[5]
    for text in told:
        assert not any(part in str(text) for part in ("Quux", "Xenia", "4711", "19030617", "1903-06"))


def test_viewer_draws_a_region_and_hides_the_risk(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        receive(viewer)
        viewer.send('{"roi": [8, 8, 40, 32], "hidden": true}')
        wait_for(lambda: hub.desk.choices.hidden)
    assert hub.desk.choices.roi == Roi(8, 8, 40, 32)


def test_order_is_carried_out_at_once_and_not_with_the_next_picture(page, monkeypatch):
    monkeypatch.setattr("edge.outputs.page.line.STALE_S", 10 * PATIENCE_S)  # nothing else is said meanwhile
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        look(viewer)
        viewer.send("next")  # the cart now waits for a picture that never comes
        viewer.send('{"hidden": true}')
        wait_for(lambda: hub.desk.choices.hidden)


def test_viewer_that_says_too_much_is_let_go(page):
    hub, server = page
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        with suppress(ConnectionClosed):
            for _ in range(1000):
                viewer.send("next")
        wait_for(lambda: hub.viewers == 0)


def test_order_that_makes_no_sense_is_answered_and_changes_nothing(page):
    hub, server = page
    before = hub.desk.choices
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        look(viewer)
        for order in ('{"roi": [0, 0, 900, 900]}', "{", '{"point": "brave"}', '{"shutdown": true}'):
            viewer.send(order)
            assert hear(viewer, "error")
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
    index = get(server.url)
    assert index.status_code == 200
    assert "default-src 'none'" in index.headers["content-security-policy"]
    for name in ("style.css", "app.js"):
        text = get(f"{server.url}static/{name}").text
        assert f"/static/{name}" in index.text
        assert "http" not in text.replace("https:", "")
    assert "http" not in index.text


def test_health_says_whether_pictures_come(page, monkeypatch):
    hub, server = page
    assert get(server.url + "health").status_code == 503
    hub.present(grey(1), reading(0.5))
    answer = get(server.url + "health")
    assert answer.status_code == 200
    assert answer.json()["state"] == "live"
    assert "risk" not in answer.text, "anybody may ask"
    seen = get(server.url + "health", headers={"accept": "text/html"}).text
    assert "pictures come" in seen
    assert not any(raw in seen for raw in ("True", "None", "picture_age_s"))
    hub.presented_s -= 1.5
    answer = get(server.url + "health")
    assert answer.status_code == 503
    assert answer.json()["live"] is False


@pytest.mark.parametrize(
    ("headers", "code"),
    [({"Host": "evil.test"}, 421), ({"Origin": "http://evil.test"}, 403), ({"Origin": "null"}, 403)],
)
def test_foreign_host_or_origin_is_refused(page, headers, code):
    assert get(page[1].url, headers=headers).status_code == code


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
    assert get(page[1].url + path).status_code in (404, 405)


def test_port_in_use_is_one_clear_error(page):
    with pytest.raises(BusyError, match="Address already in use"):
        PageServer("127.0.0.1", page[1].port, page[0], Metrics(IDENTITY, Timing()))


def test_hub_never_waits_for_its_encoder(page, monkeypatch):
    hub, server = page
    release = threading.Event()
    monkeypatch.setattr(hub_module, "as_jpeg", lambda *_: release.wait(PATIENCE_S) and b"")
    with view(server):
        wait_for(lambda: hub.viewers == 1)
        for _ in range(20):
            hub.present(grey(1), reading())
        release.set()


def test_picture_that_cannot_be_encoded_does_not_end_the_page(page, monkeypatch):
    hub, server = page
    encode, tried = hub_module.as_jpeg, []
    monkeypatch.setattr(hub_module, "as_jpeg", lambda *_: tried.append(1) or 1 / 0)
    with view(server) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(1), reading())
        wait_for(lambda: tried)
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
