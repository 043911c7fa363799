"""Logs are one line a record, rate limited, and never in the way."""

import fcntl
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.service.journal import BURST, LONGEST, WINDOW_S, JournalHandler, journal
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pipe(monkeypatch):
    """Both ends of a pipe that is said to be journald's."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    status = os.fstat(writing)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    yield reading, writing
    os.close(reading)
    os.close(writing)


def lines(reading):
    try:
        return os.read(reading, 1 << 20).decode().splitlines()
    except BlockingIOError:
        return []


def record(message, *args, level=logging.WARNING, exc_info=None):
    return logging.LogRecord("edge.x", level, __file__, 1, message, args, exc_info)


def test_a_line_has_its_priority_for_journald(pipe):
    handler = JournalHandler(pipe[1])
    handler.handle(record('the "engine" is\nnew (%d)', 3))
    handler.handle(record("lost", level=logging.ERROR))
    handler.handle(record("well", level=logging.INFO))
    assert lines(pipe[0]) == [
        '<4>level=warning logger=edge.x message="the \\"engine\\" is\\nnew (3)"',
        '<3>level=error logger=edge.x message="lost"',
        '<6>level=info logger=edge.x message="well"',
    ]


def test_a_line_is_for_people_where_nobody_is_journald(pipe, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234")
    JournalHandler(pipe[1]).handle(record("the engine is new (%d)", 3))
    assert lines(pipe[0]) == ["warning: the engine is new (3)"]


def test_a_traceback_is_one_line_too(pipe):
    try:
        raise ValueError("odd")
    except ValueError:
        JournalHandler(pipe[1]).handle(record("broke", exc_info=sys.exc_info()))
    (line,) = lines(pipe[0])
    assert line.endswith('ValueError: odd"')


def test_a_flood_is_cut_and_counted(pipe):
    now = [0.0]
    handler = JournalHandler(pipe[1], clock=lambda: now[0])
    for index in range(1000):
        handler.handle(record("dropped frame %d", index))
    handler.handle(record("something else"))
    assert len(lines(pipe[0])) == BURST + 1
    now[0] = WINDOW_S + 1
    handler.handle(record("dropped frame %d", 1000))
    assert lines(pipe[0]) == [
        f'<4>level=warning logger=edge.x message="dropped frame 1000" suppressed={1000 - BURST}'
    ]


def test_a_message_that_does_not_fit_its_arguments_is_written_all_the_same(pipe):
    JournalHandler(pipe[1]).handle(record("%d of %d", "x"))
    assert lines(pipe[0]) == ['<4>level=warning logger=edge.x message="%d of %d"']


def test_a_very_long_message_is_cut(pipe):
    JournalHandler(pipe[1]).handle(record("ä" * 10_000))
    assert len("".join(lines(pipe[0]) or [""]).encode()) <= LONGEST


def test_a_reader_that_stalls_does_not_stop_the_writer(pipe):
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    handler = JournalHandler(pipe[1], clock=iter(range(0, 10**9, 100)).__next__)
    writer = threading.Thread(
        target=lambda: [handler.handle(record("x" * 500)) for _ in range(100)], daemon=True
    )
    writer.start()
    writer.join(PATIENCE_S)
    assert not writer.is_alive()
    assert handler.lost > 80


def test_closed_and_full_cost_nothing(tmp_path):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        handler = JournalHandler(full.fileno())
        handler.handle(record("x"))
        assert handler.lost == 1
    handler.handle(record("x"))
    assert handler.lost == 2


def test_everything_goes_there_and_is_put_back():
    before = logging.getLogger().handlers[:]
    with journal("debug"):
        assert logging.getLogger("edge.y").isEnabledFor(logging.DEBUG)
        assert len(logging.getLogger().handlers) == len(before) + 1
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize("stderr", ["full", "closed", "pipe"])
@pytest.mark.parametrize("arguments", [["run", "none"], ["evalute"], ["config", "check", "/none"]])
def test_a_verb_without_a_stderr_ends_with_its_own_code(stderr, arguments):
    shell = {"full": "2>/dev/full", "closed": "2>&-", "pipe": "2> >(true)"}[stderr]
    command = f'"$0" -m edge {" ".join(arguments)} {shell}'
    result = subprocess.run(
        ["bash", "-c", command, sys.executable], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S
    )
    assert result.returncode == {"run": 64, "evalute": 64, "config": 66}[arguments[0]]
    assert "Traceback" not in result.stdout + result.stderr
