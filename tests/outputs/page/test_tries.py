"""Guessing tokens is slow, whoever guesses, and costs no memory."""

import socket

import httpx
import pytest
from websockets.sync.client import connect

from edge.outputs.page import tries
from edge.outputs.page.access import COOKIE, Tokens, cookie_of
from edge.outputs.page.door import SEAT, Door
from edge.outputs.page.serving import Serving
from edge.outputs.page.tries import AGAIN_S, AT_ONCE, Tries
from tests.pages import get, hear, post, serve
from tests.patience import PATIENCE_S, wait_for


def test_a_few_wrong_tokens_at_once_and_then_now_and_then():
    counted = Tries()
    for _ in range(AT_ONCE):
        assert counted.wait_s("10.0.0.1", 0.0) == 0
        counted.fail("10.0.0.1", 0.0)
    assert counted.wait_s("10.0.0.1", 0.0) == AGAIN_S
    assert counted.wait_s("10.0.0.2", 0.0) == 0, "others are not held up"
    assert counted.wait_s("10.0.0.1", AGAIN_S) == 0
    counted.fail("10.0.0.1", AGAIN_S)
    assert counted.wait_s("10.0.0.1", AGAIN_S) == AGAIN_S
    assert counted.wait_s("10.0.0.1", 1000.0) == 0


def test_an_ipv6_visitor_cannot_change_its_address():
    counted = Tries()
    for number in range(AT_ONCE):
        counted.fail(f"2001:db8::{number}", 0.0)
    assert counted.wait_s("2001:db8::ffff", 0.0) > 0
    assert counted.wait_s("2001:db8:0:1::1", 0.0) == 0


def test_visitors_from_ipv4_are_told_apart_where_the_page_listens_on_ipv6():
    counted = Tries()
    for _ in range(AT_ONCE):
        counted.fail("::ffff:10.0.0.1", 0.0)
    assert counted.wait_s("::ffff:10.0.0.1", 0.0) > 0
    assert counted.wait_s("::ffff:192.168.7.7", 0.0) == 0


def test_memory_does_not_grow():
    counted = Tries()
    for number in range(2 * tries._ADDRESSES):
        counted.fail(f"10.0.{number // 256}.{number % 256}", 0.0)
    assert len(counted._free_s) == tries._ADDRESSES


def test_many_guesses_at_once_make_nobody_wait_longer():
    counted = Tries()
    for _ in range(100):
        counted.fail("10.0.0.1", 0.0)
    assert counted.wait_s("10.0.0.1", 0.0) == AGAIN_S


def test_a_right_token_is_not_counted():
    counted = Tries()
    for _ in range(2 * AT_ONCE):
        assert counted.wait_s("10.0.0.1", 0.0) == 0
        counted.fail("10.0.0.1", 0.0)
        counted.forgive("10.0.0.1")


@pytest.mark.parametrize(
    ("way", "shown"),
    [
        ("role", {"Authorization": "Bearer wrong-token-012345"}),
        ("health", {"Authorization": "bearer wrong-token-012345"}),
        ("events", {"Cookie": f"{COOKIE}={cookie_of('wrong-token-012345')}"}),
        ("events", {"Cookie": f"{COOKIE}={cookie_of('wrong-token-012345')}", "X-Forwarded-For": "10.7.7.7"}),
    ],
)
def test_wrong_tokens_and_cookies_are_counted_wherever_they_are_shown(way, shown):
    tokens = Tokens("operator-token-0123")
    right = {"Authorization": f"Bearer {tokens.operator}"}
    with serve(Serving(tokens)) as (_, server):
        assert get(server.url + "role", headers=right).json()["role"] == "operator"
        answers = [get(server.url + way, headers=shown) for _ in range(AT_ONCE)]
        assert 429 not in [answer.status_code for answer in answers]
        answer = get(server.url + way, headers=shown)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= AGAIN_S
        assert get(server.url + "role", headers=right).status_code == 429, "it could be told by that"
        assert get(server.url).status_code == 200
        assert get(server.url + "health").status_code == 503, "without a token nobody guesses"
        if "Cookie" in shown:
            assert f'{COOKIE}=""' in answers[0].headers["set-cookie"], "else a browser would show it for ever"


def test_cookie_that_is_not_counted_is_not_believed_either():
    """There is one parser: another one found the cookie behind a word that stands where none should."""
    tokens = Tokens("operator-token-0123")
    shown = {"Cookie": f"a=b {COOKIE}={cookie_of(tokens.operator)}"}
    with serve(Serving(tokens)) as (_, server):
        assert get(server.url + "role", headers=shown).json()["role"] == "anybody"


def test_an_address_that_a_visitor_gives_itself_is_not_believed():
    with serve(Serving(Tokens("operator-token-0123"))) as (_, server):
        codes = [
            get(
                server.url + "role",
                headers={"Authorization": "Bearer wrong-token-0123", "X-Forwarded-For": f"10.0.{number}.1"},
            ).status_code
            for number in range(AT_ONCE + 2)
        ]
    assert codes[-2:] == [429] * 2


def test_guesses_at_the_same_time_do_not_pass_for_one(monkeypatch):
    tokens, asked, take = Tokens("operator-token-0123"), [], Door.take
    monkeypatch.setattr(Door, "take", lambda self, visitor: asked.append(1) or take(self, visitor))
    with serve(Serving(tokens)) as (_, server):
        host = ("127.0.0.1", server.port)
        lines = [socket.create_connection(host, timeout=PATIENCE_S) for _ in range(3 * AT_ONCE)]
        head = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 20\r\n"
        for line in lines:  # all ask before any says which token
            line.sendall(f"{head}Origin: {server.url.rstrip('/')}\r\n\r\n".encode())
        wait_for(lambda: len(asked) == len(lines))
        for line in lines:
            line.sendall(b"x" * 20)
        codes = [line.recv(4096).split()[1] for line in lines]
        assert codes.count(b"403") == AT_ONCE
        assert codes.count(b"429") == 2 * AT_ONCE
        for line in lines:
            line.close()


def test_guesses_are_answered_with_429_and_the_right_token_waits_too():
    tokens = Tokens("operator-token-0123")
    with serve(Serving(tokens)) as (_, server):
        origin = {"Origin": server.url.rstrip("/")}
        codes = [
            post(server.url + "login", content=b"x" * 20, headers=origin).status_code
            for _ in range(AT_ONCE + 2)
        ]
        assert codes == [403] * AT_ONCE + [429] * 2
        answer = post(server.url + "login", content=tokens.operator, headers=origin)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= AGAIN_S


def live(server, cookies):
    address, origin = server.url.replace("http", "ws") + "live", server.url.rstrip("/")
    headers = {"Cookie": cookies}
    return connect(address, origin=origin, additional_headers=headers, open_timeout=PATIENCE_S)


def use_up_tries(server):
    for _ in range(AT_ONCE):
        get(server.url + "role", headers={"Authorization": "Bearer wrong-token-012345"})


def test_browser_that_was_let_in_before_goes_on_while_its_address_waits():
    tokens = Tokens("operator-token-0123", "viewer-token-456789")
    with serve(Serving(tokens)) as (_, server), httpx.Client(timeout=PATIENCE_S) as browser:
        origin = {"Origin": server.url.rstrip("/")}
        browser.post(server.url + "login", content=tokens.viewer, headers=origin)
        browser.post(server.url + "login", content=tokens.operator, headers=origin)
        use_up_tries(server)
        assert get(server.url + "events", headers={"Cookie": f"{COOKIE}=guessed"}).status_code == 429
        assert browser.get(server.url + "patient").status_code == 404, (
            "the operator's way, and nobody to show"
        )
        cookies = "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)
        with live(server, cookies) as viewer:
            assert hear(viewer, "hello")["operator"]


def test_cookie_of_an_earlier_start_is_given_a_seat():
    tokens = Tokens("operator-token-0123")
    with serve(Serving(tokens)) as (_, server):
        cookies = {COOKIE: cookie_of(tokens.operator)}
        with httpx.Client(timeout=PATIENCE_S, cookies=cookies) as browser:
            assert browser.get(server.url + "role").json()["role"] == "operator"
            use_up_tries(server)
            assert browser.get(server.url + "events").status_code == 200


def test_a_viewers_seat_gives_no_guess_at_the_operators_token():
    tokens = Tokens("operator-token-0123", "viewer-token-456789")
    with serve(Serving(tokens)) as (_, server):
        origin = {"Origin": server.url.rstrip("/")}
        seat = post(server.url + "login", content=tokens.viewer, headers=origin).cookies[SEAT]
        use_up_tries(server)
        cookies = f"{SEAT}={seat}; {COOKIE}={cookie_of(tokens.operator)}"
        header = {"Cookie": f"{SEAT}={seat}", "Authorization": f"Bearer {tokens.operator}"}
        assert get(server.url + "patient", headers={"Cookie": cookies}).status_code == 403
        assert get(server.url + "patient", headers=header).status_code == 429
        with live(server, cookies) as viewer:
            assert not hear(viewer, "hello")["operator"]


def test_a_seat_that_was_not_given_is_none():
    with serve(Serving(Tokens("operator-token-0123"))) as (_, server):
        headers = {"Cookie": f"{SEAT}=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
        assert get(server.url + "events", headers=headers).status_code == 403
