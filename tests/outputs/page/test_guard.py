"""Whoever says nothing, takes nothing or sends too much costs next to nothing and is let go."""

import errno
import socket
import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from edge.outputs.page import guard
from edge.outputs.page.serving import Serving
from tests.outputs.page.test_access import certificate
from tests.outputs.test_overlay import reading
from tests.pages import get, grey, post, serve, stream
from tests.patience import PATIENCE_S, wait_for


def dial(server, sent=b""):
    line = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    line.sendall(sent)
    return line


def send_and_read(viewer, messages, **options):
    for one in messages:
        viewer.send(one, **options)
    while True:
        viewer.recv(PATIENCE_S)


def closed(line):
    try:
        while line.recv(1 << 16):
            pass
        return True
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET /health HT", b"POST /order HTTP/1.1\r\nHost: x\r\n"])
def test_request_that_does_not_come_is_not_waited_for(page, monkeypatch, sent):
    monkeypatch.setattr(guard, "HEADER_S", 0.2)
    with dial(page[1], sent) as line:
        assert closed(line)


def test_connection_kept_alive_is_closed_when_nothing_more_is_asked(page, monkeypatch):
    ask = f"GET /role HTTP/1.1\r\nHost: 127.0.0.1:{page[1].port}\r\n\r\n".encode()
    with dial(page[1], ask) as line:
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(guard, "HEADER_S", 0.2)
        line.sendall(ask)
        assert closed(line)


def test_silent_connections_make_room_for_those_who_ask(page, monkeypatch):
    monkeypatch.setattr(guard, "CONNECTIONS", 20)
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(dial(page[1]))
        assert get(page[1].url + "role").status_code == 200


@pytest.mark.parametrize("tls", [False, True])
def test_no_more_connections_stay_than_there_may_be(monkeypatch, tmp_path, tls):
    monkeypatch.setattr(guard, "CONNECTIONS", 20)
    cert, key = certificate(tmp_path)
    serving = Serving(certificate=cert, key=key) if tls else Serving()
    with serve(serving, verify=False) as (_, server), ExitStack() as stack:
        lines = [stack.enter_context(dial(server)) for _ in range(60)]
        for line in lines:
            line.settimeout(0.0)
        wait_for(lambda: sum(map(stays, lines)) <= 20)
        assert get(server.url + "role", verify=False).status_code == 200


def stays(line):
    try:
        return line.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def test_tls_that_does_not_begin_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr("tests.pages.PATIENCE_S", 0.3)  # of the page with its visitors
    cert, key = certificate(tmp_path)
    with serve(Serving(certificate=cert, key=key), verify=False) as (_, server), dial(server) as line:
        assert closed(line)


def test_viewer_of_the_stream_that_takes_nothing_is_dropped(page, monkeypatch):
    monkeypatch.setattr(guard, "STALLED_S", 0.3)
    hub, server = page
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280), np.uint8)
    ask = f"GET /stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    with dial(server, ask):
        wait_for(lambda: hub.viewers == 1)

        def gone():
            frame = grey(0, (720, 1280))
            frame.planes[0][:] = noise
            hub.present(frame, reading())
            return not hub.viewers

        wait_for(gone)


@pytest.mark.parametrize(("size", "code"), [(5000, 413), (4000, 422)])
def test_huge_body_is_refused(page, size, code):
    page[0].present(grey(1), reading())
    origin = {"Origin": page[1].url.rstrip("/")}
    answer = post(page[1].url + "order", headers=origin, content=b"[" * size)
    assert answer.status_code == code


def test_body_that_does_not_come_is_not_waited_for(page, monkeypatch):
    monkeypatch.setattr("edge.outputs.page.answers.PATIENCE_S", 0.2)
    host = f"127.0.0.1:{page[1].port}"
    ask = f"POST /order HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Length: 99\r\n\r\n{{"
    with dial(page[1], ask.encode()) as line:
        assert b" 408 " in line.recv(4096)


@pytest.mark.parametrize("message", ["x" * 5000, b"bytes", ["{}"] * 400], ids=["huge", "bytes", "flood"])
def test_socket_that_is_abused_is_closed_and_the_others_go_on(page, message):
    hub, server = page
    address = server.url.replace("http", "ws") + "live"
    with connect(address, origin=server.url.rstrip("/"), max_size=None, open_timeout=PATIENCE_S) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        with pytest.raises(ConnectionClosed):
            send_and_read(viewer, message if isinstance(message, list) else [message])
    wait_for(lambda: hub.viewers == 0)
    assert get(server.url + "role").status_code == 200


def test_bad_utf8_closes_that_socket_alone(page):
    hub, server = page
    with connect(
        server.url.replace("http", "ws") + "live", origin=server.url.rstrip("/"), open_timeout=PATIENCE_S
    ) as viewer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        with pytest.raises(ConnectionClosed):
            send_and_read(viewer, [b"\xff\xfe\xfa"], text=True)
    wait_for(lambda: hub.viewers == 0)


def test_mjpeg_shows_a_card_instead_of_an_old_picture(page):
    hub, server = page
    with stream("GET", server.url + "stream.mjpg?view=clean") as answer:
        wait_for(lambda: hub.viewers == 1)
        hub.present(grey(10), reading())
        data = b""
        for chunk in answer.iter_raw():
            data += chunk
            if data.count(b"--picture") >= 2:
                break
    assert data.count(b"Content-Type: image/jpeg") >= 2


def test_page_without_a_free_descriptor_says_so_once_a_second_and_comes_back(caplog, monkeypatch):
    full, accept = threading.Event(), socket.socket.accept

    def refuse(listener):
        if full.is_set():
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", refuse)
    with serve() as (_, server):
        full.set()
        with dial(server, f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()) as line:
            wait_for(lambda: "out of system resource" in caplog.text)
            time.sleep(0.5)  # for as many lines as it would write
            full.clear()
            assert line.recv(100).startswith(b"HTTP/1.1 ")
    assert len([one for one in caplog.records if "out of system resource" in one.message]) < 100
