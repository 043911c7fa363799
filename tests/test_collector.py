"""Collections are short, and measured."""

import gc

from edge.collector import calm_collector
from edge.timing import Timing


def test_what_exists_is_left_out_and_pauses_are_measured():
    ballast = [[[] for _ in range(10)] for _ in range(5000)]
    timing = Timing()
    with calm_collector(timing):
        assert gc.get_freeze_count() > 50_000
        assert gc.isenabled()
        gc.collect()
    assert timing.count("gc") == 1
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert timing.count("gc") == 1
    assert ballast


def test_cycles_are_still_collected():
    class Node:
        pass

    with calm_collector(Timing()):
        node = Node()
        node.me = node
        del node
        assert gc.collect() > 0
