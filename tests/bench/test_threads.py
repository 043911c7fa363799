"""The choice of threads: the fastest of what wastes no CPU time, with all that was measured."""

import pytest

from edge.bench.rule import Rule
from edge.bench.threads import Setting, choose, measure_threads, settings_for
from edge.errors import InternalError
from tests.bench.conftest import make_track
from tests.fakes import FakeEngine

SHORT = Rule(30, 0.0, 0.0)
ONE, TWO = Setting(1, False), Setting(2, False)


def measure(bundle, open_engine):
    return measure_threads(bundle, "int8", [ONE, TWO], open_engine, SHORT, {}, lambda done: None)


def test_fastest_setting_is_chosen_unless_it_wastes_cpu_time():
    one, two = make_track("1", [10.0] * 99), make_track("2", [6.0] * 99, [11.0] * 99)
    spinning = make_track("2, spinning", [5.0] * 99, [14.0] * 99)
    assert choose([one, two, spinning]) == 1
    assert choose([one, spinning]) == 0
    assert choose([one]) == 0


def test_powers_of_two_and_all_cores_are_tried_and_one_thread_never_spins():
    assert settings_for(1) == [ONE]
    assert [setting.threads for setting in settings_for(6) if not setting.spin] == [1, 2, 4, 6]
    assert [setting.threads for setting in settings_for(6) if setting.spin] == [2, 4, 6]


def test_choice_comes_with_what_was_measured(bundle):
    engines = {ONE: FakeEngine(), TWO: FakeEngine()}
    chosen, result = measure(bundle, engines.__getitem__)
    assert chosen in engines
    assert result.figures["choice: threads"] == chosen.threads
    assert [track.name for track in result.tracks] == ["1 thread", "2 threads"]
    assert {found.reference for found in result.comparisons} == {"1 thread"}
    assert all(engine.closed for engine in engines.values())


def test_engine_that_gives_wrong_outputs_is_not_chosen(bundle):
    with pytest.raises(InternalError, match="golden"):
        measure(bundle, lambda _: FakeEngine(lambda tensor: 0.99))
