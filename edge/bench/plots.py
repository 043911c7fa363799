"""The pictures of a report: histogram, cumulative distribution, timeline, waterfall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.bench.chart import COLOURS, Chart, Values, ticks
from edge.bench.result import Track
from edge.bench.statistics import percentile

BINS = 120
COLUMNS = 400


def histogram(tracks: Sequence[Track]) -> str:
    """Share of samples by wall time, up to the slowest track's p99."""
    low = min(float(track.wall().min()) for track in tracks)
    high = max(percentile(track.wall(), 0.99) for track in tracks)
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    shares = [np.histogram(track.wall(), edges)[0] / len(track.wall_ms) * 100 for track in tracks]
    top = max(float(share.max()) for share in shares)
    chart = Chart("Histogram up to p99", "ms", "% of samples", (edges[0], edges[-1]), (0.0, top))
    xs = np.repeat(edges, 2)[1:-1]
    for track, share, colour in zip(tracks, shares, _colours(tracks), strict=True):
        ys = np.repeat(share, 2)
        chart.area(xs, np.zeros_like(ys), ys, colour)
        chart.line(xs, ys, colour, track.name)
    return chart.svg(ticks(edges[0], edges[-1]), ticks(0.0, top, 5))


def cumulative(tracks: Sequence[Track]) -> str:
    """Percentiles up to the maximum; the axis gives each further nine the same room, so that tails show."""
    high = max(float(track.wall().max()) for track in tracks)
    low = min(float(track.wall().min()) for track in tracks)
    nines = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999]
    longest = max(len(track.wall_ms) for track in tracks)
    shown = [fraction for fraction in nines if fraction <= 1 - 1 / longest]
    top = float(np.log10(longest))
    chart = Chart("Cumulative distribution", "ms", "percentile", (low, high), (0.0, top))
    for track, colour in zip(tracks, _colours(tracks), strict=True):
        wall = np.sort(track.wall())
        above = 1.0 - np.arange(len(wall)) / len(wall)
        keep = np.unique(np.geomspace(1, len(wall), COLUMNS).astype(int))  # dense where the tail is
        index = len(wall) - keep[::-1]
        chart.line(wall[index], -np.log10(above[index]), colour, track.name)
    return chart.svg(
        ticks(low, high),
        [float(-np.log10(1 - fraction)) for fraction in shown],
        lambda value: f"{100 * (1 - 10**-value):.6g}",
    )


def timeline(tracks: Sequence[Track]) -> str:
    """Median and range of the wall time over the run: drift, throttling and disturbances show here."""
    end = max(track.at_s[-1] for track in tracks) or 1.0
    high = max(percentile(track.wall(), 0.999) for track in tracks)
    chart = Chart("Over the run: median, and range up to p99.9", "s", "ms", (0.0, end), (0.0, high))
    columns = min(COLUMNS, *(len(set(track.rounds)) for track in tracks))
    edges = np.linspace(0.0, end, columns + 1)
    for track, colour in zip(tracks, _colours(tracks), strict=True):
        wall = np.minimum(track.wall(), high)
        groups = np.split(wall, np.searchsorted(np.asarray(track.at_s), edges[1:-1]))
        filled = [(edges[k], group) for k, group in enumerate(groups) if len(group)]
        xs = np.array([x for x, _ in filled])
        chart.area(
            xs,
            np.array([group.min() for _, group in filled]),
            np.array([group.max() for _, group in filled]),
            colour,
        )
        chart.line(xs, np.array([np.median(group) for _, group in filled]), colour, track.name)
    return chart.svg(ticks(0.0, end), ticks(0.0, high, 5))


def waterfall(stages: Sequence[Track]) -> str:
    """Stages one after the other: the bar is the median, the line reaches to p99."""
    medians = [percentile(track.wall(), 0.5) for track in stages]
    tails = [percentile(track.wall(), 0.99) for track in stages]
    begins: Values = np.concatenate([[0.0], np.cumsum(medians)[:-1]])
    end = max(float(begin + tail) for begin, tail in zip(begins, tails, strict=True))
    chart = Chart("Stages of a frame: median, line to p99", "ms", "", (0.0, end * 1.45), (len(stages), 0.0))
    for k, (track, begin, median, tail) in enumerate(zip(stages, begins, medians, tails, strict=True)):
        row, colour = k + 0.5, COLOURS[k % len(COLOURS)]
        label = f"{track.name}  p50 {median:.3f}  p99 {tail:.3f} ms"
        chart.bar(begin, begin + tail, row, 2, colour, label)
        chart.bar(begin, begin + median, row, 14, colour, label)
        chart.text(chart.x(begin + tail) + 6, chart.y(row) + 4, label)
    return chart.svg(ticks(0.0, end), [])


def _colours(tracks: Sequence[Track]) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(len(tracks))]
