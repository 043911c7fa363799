"""The guides name everything that a cart can say to those whom they are for."""

from pathlib import Path

import pytest

from edge import errors
from edge.exam import examination, lesion, tearing, tracker
from edge.exam.gates import Gate
from edge.exam.signal import State

DOCS = Path(__file__).parents[2] / "docs"
SAID = [
    *(state.value for state in State),
    *(gate.value for gate in Gate),
    examination.UNLIKE,
    lesion.CUT_OFF,
    lesion.CONTRADICTION,
    tearing.TORN,
    tracker.LOST,
]
CODES = {
    kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")
}


@pytest.mark.parametrize("words", SAID)
def test_the_sonographer_finds_what_the_panel_says(words):
    assert words in (DOCS / "AT-THE-CART.md").read_text()


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_technician_finds_what_an_exit_code_means(code):
    rows = (DOCS / "TECHNICIAN.md").read_text().splitlines()
    firsts = [row.split("|")[1] for row in rows if row.startswith("| ") and row.count("|") == 4]
    assert any(str(code) in first.replace("†", "").replace(",", " ").split() for first in firsts)


def test_the_technicians_guide_marks_the_codes_that_systemd_does_not_try_again():
    unit = (DOCS.parent / "systemd/sonocart.service").read_text()
    final = next(line for line in unit.splitlines() if line.startswith("RestartPreventExitStatus="))
    guide = (DOCS / "TECHNICIAN.md").read_text().splitlines()
    marked = [row.split()[1] for row in guide if row.startswith("| ") and row.split()[2:3] == ["†"]]
    assert marked == final.partition("=")[2].split()
