"""A server of one H.264 clip over RTSP with interleaved RTP (RFC 2326, RFC 6184), and some that misbehave."""

import contextlib
import socket
import struct
import threading
import time

import av
import numpy as np

from tests.patience import PATIENCE_S


def encoded(count=25, width=128, height=96):
    """Lists of NAL units, one list a picture, each picture a key frame."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.framerate = 25
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "1", "x264-params": "slices=1"}
    pictures = []
    for index in range(count):
        grey = np.full((height, width), 40 + 6 * index, np.uint8)
        packets = codec.encode(av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p"))
        pictures += [
            [unit for unit in bytes(p).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
            for p in packets
        ]
    return pictures


class Server:
    """Listens on loopback until `close`; `serve` is called with each connection in a thread of its own."""

    def __init__(self, serve, bound=None):
        self._socket = bound or socket.create_server(("127.0.0.1", 0))
        self._socket.listen()
        self.port = self._socket.getsockname()[1]
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self.connections = 0
        self._open = []
        self._serve = serve
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        with contextlib.suppress(OSError), connection:
            self._serve(connection, self)

    def drop(self):
        """End all connections."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open = []

    def close(self):
        """End, also whoever is connected."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.drop()


def requests(connection):
    """(method, number) of each request."""
    with connection.makefile("rb") as lines:
        while line := lines.readline():
            method, number = line.split()[0].decode(errors="replace"), "0"
            while (header := lines.readline().strip()) != b"":
                if header.lower().startswith(b"cseq:"):
                    number = header.split()[1].decode()
            yield method, number


def playing(pictures, pause=0.04, stop_after=None):
    """Serves `pictures` again and again; after `stop_after` of them it falls silent."""

    def serve(connection, server):
        sdp = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
            "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
        )
        for method, number in requests(connection):
            reply = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n"
            if method == "DESCRIBE":
                reply += f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}"
            elif method == "SETUP":
                reply += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
            else:
                reply += "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n"
            connection.sendall(reply.encode())
            if method == "PLAY":
                send(connection)

    def send(connection):
        sequence = 0
        for index in range(10_000):
            if stop_after is not None and index >= stop_after:
                time.sleep(PATIENCE_S)
            units = pictures[index % len(pictures)]
            for unit in units:
                last = unit is units[-1]
                header = struct.pack(
                    ">BBHII", 0x80, 96 | (last << 7), sequence & 0xFFFF, index * 3600 & 0xFFFFFFFF, 7
                )
                connection.sendall(struct.pack(">cBH", b"$", 0, len(header) + len(unit)) + header + unit)
                sequence += 1
            time.sleep(pause)

    return serve


def silent(connection, server):
    """Takes the connection and says nothing."""
    time.sleep(PATIENCE_S)


def slow(connection, server):
    """One byte of an answer every now and then."""
    for byte in b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n" * 10:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


def garbage(connection, server):
    """Noise without an end."""
    rng = np.random.default_rng(0)
    for _ in range(2000):
        connection.sendall(rng.integers(0, 256, 4096).astype(np.uint8).tobytes())


def redirecting(connection, server):
    """To itself, for ever."""
    for _, number in requests(connection):
        reply = f"RTSP/1.0 302 Found\r\nCSeq: {number}\r\nLocation: {server.url}\r\n\r\n"
        connection.sendall(reply.encode())
