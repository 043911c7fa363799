"""Prometheus is told what happened, under the names that are documented."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from edge.exam.baseline import Baseline
from edge.outputs.metrics import NAMES, Metrics
from edge.timing import Timing
from tests.outputs.test_overlay import IDENTITY, black, reading

LINE = re.compile(r'^[a-z_]+(\{([a-z]+="[^"]*",?)+\})? -?[0-9.e+-]+$')

WATCHED = (
    "sonocart_pictures_lost_total",
    "sonocart_source_events_total",
    "sonocart_network_failures_total",
    "sonocart_network_replacements_total",
    "sonocart_log_lines_lost_total",
    "sonocart_journal_lines_lost_total",
)
BASELINE = Baseline("b", "fp32", 10, tuple(i / 10 for i in range(11)), (0.1,) * 10, 0.0)


def told(metrics):
    lines = [line for line in metrics.exposition(3).splitlines() if not line.startswith("#")]
    assert all(LINE.match(line) for line in lines), lines
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_pictures_risks_and_reasons_are_counted():
    timing = Timing()
    metrics = Metrics(IDENTITY, timing)
    with timing.stage("draw"):
        pass
    for one in (reading(0.71), reading(0.71), replace(reading(reason="picture frozen"), torn=2)):
        metrics.present(black(), one)
    values = told(metrics)
    assert values["sonocart_pictures_presented_total"] == 3
    assert values["sonocart_pictures_withheld_total"] == 1
    assert values["sonocart_pictures_torn_total"] == 2
    assert values["sonocart_risk_count"] == 1, "one risk drawn twice is one risk"
    assert values['sonocart_risk_bucket{le="0.7"}'] == 0
    assert values['sonocart_risk_bucket{le="0.8"}'] == 1
    assert values['sonocart_signal_state{state="live"}'] == 1
    assert values['sonocart_stage_seconds_count{stage="draw"}'] == 1
    assert values["sonocart_page_viewers"] == 3
    assert told(metrics)['sonocart_stage_seconds_count{stage="draw"}'] == 1, "each sample is counted once"


def test_every_documented_name_is_told_and_no_other():
    metrics, timing = Metrics(IDENTITY, timing := Timing(), BASELINE), timing
    with timing.stage("draw"):
        pass
    metrics.present(black(), replace(reading(), celsius=71.0, slowed="warm: risk slowed"))
    for name in WATCHED:
        metrics.watch(name, lambda: 1)
    assert told(metrics)["sonocart_risk_slowed"] == 1
    found = {re.sub(r"(_bucket|_sum|_count)?(\{.*)?$", "", name) for name in told(metrics)}
    assert found == set(NAMES)


def test_what_others_count_is_told_as_of_now():
    metrics, counts = Metrics(IDENTITY, Timing()), Counter(restarts=1)
    metrics.watch("sonocart_network_replacements_total", lambda: 2)
    metrics.watch("sonocart_source_events_total", lambda: counts)
    counts["undecodable"] += 3
    values = told(metrics)
    assert values["sonocart_network_replacements_total"] == 2
    assert values['sonocart_source_events_total{kind="restarts"}'] == 1
    assert values['sonocart_source_events_total{kind="undecodable"}'] == 3


def test_labels_cannot_break_the_format():
    identity = type(IDENTITY)('a"b\\c\nd', "x", "int8")
    text = Metrics(identity, Timing()).exposition(0)
    assert 'model="a\\"b\\\\c\\nd"' in text


def test_dashboard_asks_for_names_that_are_told():
    board = json.loads((Path(__file__).parents[2] / "docs/grafana-sonocart.json").read_text())
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"sonocart_\w+", target["expr"])
    }
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} == set(NAMES)
