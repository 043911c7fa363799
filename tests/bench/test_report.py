"""The report holds the figures, loads nothing from outside, and its plots are well-formed."""

import re
from xml.etree import ElementTree

import pytest

from edge.bench.chart import Chart, ticks
from edge.bench.plots import cumulative, histogram, timeline, waterfall
from edge.bench.report import html_report, text_report
from tests.bench.conftest import make_track


@pytest.mark.parametrize("plot", [histogram, cumulative, timeline, waterfall])
def test_plots_are_well_formed_and_inside_their_frame(plot, samples):
    svg = plot([make_track("fp32", samples(20.0, 1)), make_track("int8 <b>", samples(10.0, 2))])
    root = ElementTree.fromstring(svg)
    points = [p for e in root if "points" in e.attrib for p in e.attrib["points"].split()]
    xs, ys = zip(*(map(float, p.split(",")) for p in points), strict=True) if points else ((64,), (34,))
    assert min(xs) >= 63.9
    assert max(xs) <= 864.1
    assert min(ys) >= 33.9
    assert max(ys) <= 256.1


@pytest.mark.parametrize("plot", [histogram, cumulative, timeline])
def test_samples_that_are_all_alike_can_be_drawn(plot):
    ElementTree.fromstring(plot([make_track("constant", [5.0] * 30)]))


def test_axis_has_round_ticks():
    assert ticks(0.0, 9.7) == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert ticks(0.31, 0.62) == [0.4, 0.5, 0.6]


def test_data_is_drawn_where_the_axis_says():
    chart = Chart("", "", "", (0.0, 100.0), (0.0, 1.0))
    assert (chart.x(0.0), chart.x(100.0)) == (64, 864)
    assert (chart.y(0.0), chart.y(1.0)) == (256, 34)


def test_report_holds_figures_and_environment_and_loads_nothing(make_result, samples):
    result = make_result(make_track("int8", samples(10.0, 1)), notes=["a <note>"])
    page = html_report(result)
    assert f"{result.summary['int8'].wall['p99']:.3f}" in page
    assert "a &lt;note&gt;" in page
    assert result.environment.kernel in page
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)
    text = text_report(result)
    assert f"{result.summary['int8'].wall['p99.9']:.3f}" in text
    assert "needs 6636 samples" in text


def test_no_percentile_is_told_that_the_samples_cannot_support(make_result, samples):
    few = make_result(make_track("start", [3.0, 2.0]), make_track("stop", [1.0] * 10))
    assert few.summary["start"].tail is None
    assert set(few.summary["start"].wall) == {"min", "p50", "max", "mean"}
    lines = [line.split() for line in text_report(few).splitlines()]
    assert ["samples", "min", "p50", "p90", "max", "mean", "CPU", "mean", "p99/p50"] in lines
    assert ["start", "2", "2.000", "3.000", "-", "3.000", "2.500", "2.500", "-"] in lines


def test_throttling_is_not_kept_quiet(make_result, samples):
    result = make_result(make_track("int8", samples(10.0, 1)))
    result.conditions.throttled["oc1_event_cnt"] = 3
    assert "not this machine's best" in text_report(result)
