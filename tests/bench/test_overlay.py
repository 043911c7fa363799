"""The overlay's bench measures what it says."""

from edge.bench.overlay import measure_overlay


def test_overlay_costs_less_than_a_blend_of_the_whole_frame():
    figures = measure_overlay(20, lambda _: None)
    assert all(value > 0 for value in figures.values())
    assert figures["blend over overlay"] > 1
