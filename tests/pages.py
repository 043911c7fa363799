"""A page over a real server on loopback, with or without tokens, and what its visitors do."""

import json
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import httpx
import numpy as np
import pytest

from edge.exam.desk import Choices, Desk
from edge.outputs.dicom.order import Subject
from edge.outputs.metrics import Metrics
from edge.outputs.page import answers, door, guard, health, hub, line
from edge.outputs.page.hub import Hub
from edge.outputs.page.server import PageServer
from edge.outputs.page.serving import Serving
from edge.outputs.reception import Reception
from edge.timing import Timing
from tests.clips import i420
from tests.fakes import spec
from tests.outputs.test_overlay import IDENTITY, POINT
from tests.patience import PATIENCE_S, Clock, wait_for

get, post, stream = (partial(ask, timeout=PATIENCE_S) for ask in (httpx.get, httpx.post, httpx.stream))


@contextmanager
def serve(serving=None, host="127.0.0.1", port=0, worklist=None, clock=None, **http):
    """A page that lets nobody go for being slow, unless the test gives it less patience; and its hub."""
    with pytest.MonkeyPatch.context() as patient:
        # Pictures are a millisecond apart at least, for the page to let them pass.
        clock = Clock(step_ns=1_000_000) if clock is None else clock
        for module in (hub, line, door, health):
            patient.setattr(module, "time", clock)
        for module, limit in (
            (guard, "HEADER_S"),
            (guard, "STALLED_S"),
            (answers, "PATIENCE_S"),
            (line, "PATIENCE_S"),
        ):
            patient.setattr(module, limit, PATIENCE_S)
        with _serve(serving, host, port, worklist, http) as served:
            yield served


@contextmanager
def _serve(serving, host, port, worklist, http):
    timing, desk = Timing(), Desk(spec(), Choices(None, POINT))
    hub = Hub(IDENTITY, desk, timing)
    if worklist is not None:
        serving = replace(serving or Serving(), reception=Reception(desk, Subject, worklist))
    server = PageServer(host, port, hub, Metrics(IDENTITY, timing), serving)
    server.start()
    wait_for(lambda: _answers(server, http))
    try:
        yield hub, server
    finally:
        server.close()
        hub.close()


def _answers(server, http):
    try:
        return get(server.url + "health", **http)
    except httpx.TransportError:
        return None


def grey(level, shape=(48, 64)):
    return i420(np.full(shape, level, np.uint8), full_range=True)


def hear(viewer, name):
    """What the page says next under `name` in text; all that it says until then is acknowledged."""
    while True:
        message = viewer.recv(PATIENCE_S)
        viewer.send("next")
        said = {} if isinstance(message, bytes) else json.loads(message)
        if name in said:
            return said[name]


def look(viewer):
    """The next picture, whatever the page says meanwhile; the picture is not acknowledged."""
    while not isinstance(message := viewer.recv(PATIENCE_S), bytes):
        viewer.send("next")
    return message
