"""Images over OpenIGTLink: what is damaged is dropped, what lies ends the connection, and it comes back."""

import socket
import struct
import time

import numpy as np
import pytest

from edge.contract.frame import PixelFormat
from edge.errors import UsageError
from edge.sources import igtl
from edge.sources.base import Condition, Outage, Pace, SourceEnded
from edge.sources.crc64 import crc64
from edge.sources.igtl import IgtlSource, parse_address
from edge.sources.open import open_source
from tests.patience import PATIENCE_S
from tests.sources.rtsp_server import Server


def message(content, *, kind=b"IMAGE", version=1, crc=None, size=None):
    if version > 1:
        content = struct.pack(">HHII", 12, 2, 3, 7) + content + b"\0\0abc"
    body = np.frombuffer(content, np.uint8)
    crc = crc64(body) if crc is None else crc
    return (
        struct.pack(">H12s20sQQQ", version, kind, b"probe", 0, len(body) if size is None else size, crc)
        + content
    )


def image(pixels, *, scalar=3, depth=1, components=None):
    components = components or (1 if pixels.ndim == 2 else pixels.shape[2])
    height, width = pixels.shape[:2]
    sizes = (width, height, depth)
    header = struct.pack(">HBBBB3H12f3H3H", 1, components, scalar, 2, 1, *sizes, *[0.0] * 12, 0, 0, 0, *sizes)
    return header + pixels.tobytes()


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 64)).astype(np.uint8)


@pytest.fixture
def connect():
    """Opens sources at a server that says some messages, and closes both."""
    servers, sources = [], []

    def start(*messages, then=PATIENCE_S):
        def talk(connection, server):
            for part in messages:
                connection.sendall(part)
            if then:
                time.sleep(then)

        servers.append(Server(talk))
        sources.append(open_source(f"igtl://127.0.0.1:{servers[-1].port}", pace=Pace.LIVE, repeat=False))
        return sources[-1]

    yield start
    for source in sources:
        source.close()
        with pytest.raises(SourceEnded):
            source.read()
    for server in servers:
        server.close()


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 5000])
def test_checksum_is_that_of_ecma_182(size):
    data, expected = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8), 0
    for byte in data:
        expected ^= int(byte) << 56
        for _ in range(8):
            expected = ((expected << 1) ^ (0x42F0E1EBA9EA3693 if expected >> 63 else 0)) & (2**64 - 1)
    assert crc64(data) == expected
    assert crc64(np.frombuffer(b"123456789", np.uint8)) == 0x6C40DF5F0B497347  # the published check value


def test_grey_and_colour_images_of_both_protocols_arrive(connect):
    colour = np.random.default_rng(9).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    transform = message(bytes(48), kind=b"TRANSFORM")
    source = connect(message(image(picture(1))), transform, message(image(colour), version=2))
    assert (source.info.width, source.info.height) == (64, 48)
    grey, rgb = source.read(), source.read()
    assert (grey.format, rgb.format) == (PixelFormat.GRAY8, PixelFormat.RGB24)
    assert np.array_equal(grey.planes[0], picture(1))
    assert np.array_equal(rgb.planes[0], colour)
    assert 0 <= time.monotonic_ns() - rgb.captured_ns < 60 * 10**9


def test_bad_checksum_and_wrong_size_are_dropped_and_leave_a_gap(connect):
    good = [message(image(picture(index))) for index in range(2)]
    bad = [message(image(picture(5)), crc=1), message(image(picture(5)) + b"\0"), message(b"short")]
    source = connect(good[0], *bad, good[1])
    assert [source.read().sequence for _ in range(2)] == [0, 4]
    assert source.counts == {"checksum": 1, "malformed": 2}


def test_huge_declared_size_is_not_read(connect):
    source = connect(message(image(picture(0))), message(b"", size=1 << 60))
    source.read()
    with pytest.raises(Outage, match=str(1 << 60)) as said:
        source.read()
    assert said.value.condition is Condition.NO_SIGNAL
    assert np.array_equal(source.read().planes[0], picture(0))  # connected anew


def test_partial_message_is_waited_for_no_longer_than_a_while(connect, monkeypatch):
    whole = message(image(picture(0)))
    source = connect(whole, whole[:30])
    source.read()
    monkeypatch.setattr(igtl, "SILENCE_S", 0.3)
    with pytest.raises(Outage, match="no whole image"):
        source.read()


def test_header_that_is_cut_off_by_the_end_is_no_endless_loop(connect):
    whole = message(image(picture(0)))
    source = connect(whole, whole[:30], then=0)
    source.read()
    with pytest.raises(Outage, match="hung up"):
        source.read()


def test_pixels_that_are_not_taken_are_named(connect):
    source = connect(message(image(picture(0))), message(image(picture(0), scalar=5)))
    source.read()
    with pytest.raises(Outage, match="scalar type 5") as said:
        source.read()
    assert said.value.condition is Condition.UNSUPPORTED


def test_nobody_there_is_an_outage_until_somebody_is(monkeypatch):
    monkeypatch.setattr(igtl, "RETRY_S", 0.05)
    held = socket.socket()
    held.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else will
    source = IgtlSource(f"igtl://127.0.0.1:{held.getsockname()[1]}")
    with pytest.raises(Outage, match="cannot connect") as said:
        source.read()
    assert said.value.condition is Condition.NO_SIGNAL
    server = Server(lambda connection, _: connection.sendall(message(image(picture(0)))), held)
    assert np.array_equal(source.read().planes[0], picture(0))
    assert (source.info.width, source.info.height) == (64, 48)
    source.close()
    with pytest.raises(SourceEnded):  # lets go of the connection
        source.read()
    server.close()


@pytest.mark.parametrize("text", ["igtl://", "igtl://host:0", "igtl://host:99999", "igtl://a:b"])
def test_address_that_is_none(text):
    with pytest.raises(UsageError, match="expected igtl://HOST"):
        parse_address(text)


def test_port_is_optional():
    assert parse_address("igtl://plus.local") == ("plus.local", 18944)
    assert parse_address("igtl://[::1]:5") == ("::1", 5)
