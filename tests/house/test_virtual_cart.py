"""What the virtual cart makes of a failure: no slow machine excuses a wrong answer."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

VM = Path(__file__).parents[1] / "vm"
QUIET, BUSY, STARVED = (0.05, 0.1), (0.4, 0.1), (0.2, 0.8)  # longest wait for a beat, share of late ones


@pytest.fixture
def judge(monkeypatch):
    """The verdict on a scenario that ends so, on a machine whose beats were so late."""
    monkeypatch.syspath_prepend(str(VM))
    guest, outcome, table = (import_module(name) for name in ("inside.__main__", "inside.outcome", "table"))
    monkeypatch.setattr(guest, "PAUSE_S", 0)
    monkeypatch.setattr(guest, "_mend", lambda *_: None)
    service = SimpleNamespace(journal=SimpleNamespace(since=lambda begin: []))

    def judge(ending, late, timed=True):
        def run(*_):
            if isinstance(ending, float):
                return outcome.Outcome("no signal", withheld_s=ending)
            raise getattr(outcome, ending[0])(*ending[1:])

        scenario = guest.Scenario("1", "cable out", "no signal", run)
        pulse = SimpleNamespace(late=lambda begin: late)
        return table.verdict(guest._tried(scenario, service, None, pulse, timed=timed))

    return judge


@pytest.mark.parametrize("late", [QUIET, BUSY, STARVED])
def test_wrong_answer_fails_on_any_machine(judge, late):
    assert judge(("FailedError", "exit 1, expected 78"), late) == "FAIL"


@pytest.mark.parametrize(
    ("late", "verdict"), [(QUIET, "FAIL"), (BUSY, "not judged"), (STARVED, "not judged")]
)
def test_what_is_slow_or_lost_for_a_moment_is_judged_on_a_machine_that_keeps_up(judge, late, verdict):
    assert judge(("LateError", "the picture was lost"), late) == verdict
    assert judge(1.5, late) == verdict


@pytest.mark.parametrize(
    ("late", "verdict"), [(BUSY, "FAIL"), (STARVED, "not judged"), ((11.0, 0.3), "not judged")]
)
def test_what_never_comes_is_not_excused_by_one_short_gap(judge, late, verdict):
    assert judge(("LateError", "no signal: not within 40 s", 10.0), late) == verdict


def test_what_comes_in_time_passes(judge):
    assert judge(0.5, STARVED) == "pass"
    assert judge(1.5, QUIET, timed=False) == "pass"


def test_waiting_in_vain_is_late_by_a_quarter_of_the_patience(monkeypatch):
    monkeypatch.syspath_prepend(str(VM))
    journal, outcome = import_module("inside.journal"), import_module("inside.outcome")
    with pytest.raises(outcome.LateError) as late:
        journal.wait(lambda: False, "nothing", 0.02)
    assert late.value.still_s == 0.005


@pytest.mark.parametrize(
    ("results", "unable", "core", "whole"),
    [
        ([], "no root", 0, 69),
        (["pass", "pass"], "", 0, 0),
        (["pass", "not judged"], "", 0, 1),
        (["not judged", "not judged"], "", 1, 1),
        (["pass", "FAIL"], "", 1, 1),
        (["pass"], "the guest has gone", 0, 1),
        (["not judged"], "the guest has gone", 1, 1),
    ],
)
def test_exit_code_of_a_run(monkeypatch, results, unable, core, whole):
    monkeypatch.syspath_prepend(str(VM))
    table = import_module("table")
    rows = [{"passed": word == "pass", "lack": "busy" if word == "not judged" else ""} for word in results]
    assert table.exit_code(rows, unable, core=True) == core
    assert table.exit_code(rows, unable, core=False) == whole
