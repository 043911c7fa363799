"""One slot: the newest wins, nothing is lost without being counted."""

import threading

from edge.mailbox import Mailbox
from tests.patience import PATIENCE_S


def test_newest_replaces_what_nobody_took():
    box = Mailbox()
    for item in "abc":
        box.put(item)
    assert box.take(0) == "c"
    assert box.dropped == 2


def test_nothing_there_gives_none():
    assert Mailbox().take(0) is None


def test_what_lies_there_is_still_taken_after_closing():
    box = Mailbox()
    box.put("a")
    box.close()
    assert not box.closed
    assert box.take(None) == "a"
    assert box.closed
    assert box.take(None) is None


def test_abandoning_counts_what_lay_there_and_what_comes():
    box = Mailbox()
    box.put("a")
    box.abandon()
    box.put("b")
    assert box.take(0) is None
    assert box.dropped == 2


def test_reader_that_is_woken_waits_no_longer_once():
    box = Mailbox()
    box.wake()
    assert box.take(None) is None
    box.put("a")
    box.wake()
    assert box.take(None) == "a"  # whoever has got something looks at all else too
    assert box.take(0.001) is None
    waker = threading.Timer(0.01, box.wake)
    waker.start()
    assert box.take(None) is None
    waker.join()
    assert not box.closed


def test_waiting_writer_drops_nothing():
    box, seen = Mailbox(), []
    writer = threading.Thread(target=lambda: [box.put_when_empty(i) for i in range(1, 50)] and box.close())
    writer.start()
    while (item := box.take(PATIENCE_S)) is not None:
        seen.append(item)
    writer.join()
    assert seen == list(range(1, 50))
    assert box.dropped == 0


def test_waiting_writer_is_released_when_the_reader_leaves():
    box, result = Mailbox(), []
    box.put("a")
    writer = threading.Thread(target=lambda: result.append(box.put_when_empty("b")))
    writer.start()
    box.abandon()
    writer.join(PATIENCE_S)
    assert result == [False]
