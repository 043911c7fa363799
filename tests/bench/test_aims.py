"""A figure is in its range or it is not; one that is no number never is."""

import pytest

from edge.bench.aims import Aim


@pytest.mark.parametrize(
    ("value", "met"), [(0.98, True), (1.02, True), (0.97, False), (1.03, False), (float("nan"), False)]
)
def test_verdict_is_that_of_the_range(value, met):
    aim = Aim("rate, ratio", 0.98, 1.02)
    assert aim.met({"rate, ratio": value}) == met
    line = aim.judge({"rate, ratio": value})
    assert line.endswith(": met" if met else ": NOT MET")
    assert "0.98 to 1.02" in line


def test_open_ranges_are_said_in_words():
    assert "aim up to 0.3" in Aim("ms", 0.0, 0.3).judge({"ms": 0.1})
    assert "aim 8 or more" in Aim("times", 8.0, float("inf")).judge({"times": 9.0})
