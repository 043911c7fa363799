"""Memory is handed out again exactly when the last array that shares it is gone."""

from edge.sources.slabs import Slabs


def test_memory_in_use_is_never_handed_out_again():
    slabs = Slabs()
    held = slabs.take(100)[10:60].reshape(5, 10)[1:, ::2]
    others = [slabs.take(100)[:1] for _ in range(5)]
    assert not any(other.base is held.base for other in others)
    assert len(slabs) == 6


def test_memory_that_was_let_go_is_handed_out_again():
    slabs = Slabs()
    first = slabs.take(100)[:50]
    address = first.ctypes.data
    del first
    for _ in range(20):
        assert slabs.take(100)[:50].ctypes.data == address
    assert len(slabs) == 1


def test_another_size_gets_memory_of_its_own_and_what_is_held_stays():
    slabs = Slabs()
    held = slabs.take(4)[:]
    held[:] = 7
    slabs.take(9)[:] = 1
    assert held.tolist() == [7, 7, 7, 7]
    assert len(slabs) == 1
