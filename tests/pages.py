"""A page over a real server on loopback, with or without tokens."""

import time
from contextlib import contextmanager

import httpx
import numpy as np
import pytest

from edge.exam.desk import Choices, Desk
from edge.outputs.metrics import Metrics
from edge.outputs.page.hub import Hub
from edge.outputs.page.server import PageServer
from edge.timing import Timing
from tests.clips import i420
from tests.fakes import spec
from tests.outputs.test_overlay import IDENTITY, POINT


@contextmanager
def serve(serving=None, host="127.0.0.1", port=0, **http):
    timing = Timing()
    hub = Hub(IDENTITY, Desk(spec(), Choices(None, POINT)), timing)
    server = PageServer(host, port, hub, Metrics(IDENTITY, timing), serving)
    server.start()
    for _ in range(500):
        try:
            httpx.get(server.url + "health", **http)
            break
        except httpx.TransportError:
            time.sleep(0.01)
    try:
        yield hub, server
    finally:
        server.close()
        hub.close()


def grey(level, shape=(48, 64)):
    return i420(np.full(shape, level, np.uint8), full_range=True)


def wait_for(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.005)
    pytest.fail("did not come about")
