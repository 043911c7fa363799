"""A result as text for the terminal and as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import msgspec

from edge.bench.plots import cumulative, histogram, timeline, waterfall
from edge.bench.result import PERCENTILES, Result

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
body{color:#1b1b1b;background:#fff}
h1{font-size:1.5rem} h2{font-size:1.1rem;margin-top:2rem}
.table{overflow-x:auto} table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child,.pairs td{text-align:left}
svg{width:100%;height:auto;margin:.6rem 0} svg text{font:12px system-ui,sans-serif;fill:#333}
svg .title{font-weight:600;font-size:13px} svg .grid{stroke:#e4e4e4} li{margin:.2rem 0}
"""

Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def text_report(result: Result) -> str:
    """The figures in columns."""
    lines = [f"{key:<16}{value}" for key, value in result.subject.items()]
    for title, table in _tables(result):
        lines += ["", title, *_columns(table)]
    lines += ["", *(f"note: {note}" for note in result.notes)]
    return "\n".join(lines)


def html_report(result: Result, stages: Sequence[str] = (), drawn: Sequence[str] = ()) -> str:
    """The same with plots, conditions and environment.

    Args:
        result: of any bench.
        stages: names of tracks that follow one another within a frame, for the waterfall.
        drawn: names of the tracks in the other plots; none means all but the stages.
    """
    chosen = [t for t in result.tracks if (t.name in drawn if drawn else t.name not in stages)]
    plots = [histogram(chosen), cumulative(chosen), timeline(chosen)]
    if stages:
        plots.append(waterfall([t for t in result.tracks if t.name in stages]))
    parts = [
        f"<h1>sonocart bench {escape(result.bench)}</h1>",
        _pairs({**result.subject, "measured": result.created, "command": " ".join(result.command)}),
        "".join(f"<h2>{escape(title)}</h2>{_html(table)}" for title, table in _tables(result)),
        "<h2>Plots</h2>",
        *plots,
        "<h2>Notes</h2><ul>",
        *(f"<li>{escape(note)}</li>" for note in result.notes),
        "</ul><h2>During the run</h2>",
        _pairs(msgspec.to_builtins(result.conditions)),
        "<h2>Settings</h2>",
        _pairs(result.settings),
        "<h2>Environment</h2>",
        _pairs(msgspec.to_builtins(result.environment)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>sonocart bench {escape(result.bench)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _tables(result: Result) -> list[tuple[str, Table]]:
    order = ("min", *PERCENTILES, "max", "mean")
    names = [n for n in order if any(n in summary.wall for summary in result.summary.values())]
    rows, bounds = [], []
    for track, summary in result.summary.items():
        wall = [_ms(summary.wall.get(name)) for name in names]
        cpu = "-" if summary.cpu is None else _ms(summary.cpu["mean"])
        tail = "-" if summary.tail is None else f"{summary.tail:.2f}"
        rows.append([track, str(summary.samples), *wall, cpu, tail])
        if not isinstance(summary.early_stopping["p90"], str):
            bounds.append([track, *(_ms(summary.early_stopping[name]) for name in ("p90", "p99", "p99.9"))])
    tables: list[tuple[str, Table]] = [
        ("Wall time, ms", (("", "samples", *names, "CPU mean", "p99/p50"), rows)),
    ]
    if bounds:
        tables.append(("Early stopping, ms (99 % upper bounds)", (("", "p90", "p99", "p99.9"), bounds)))
    if result.comparisons:
        ratios = [
            [f"{c.track} / {c.reference}", c.metric, f"{c.ratio:.3f}", f"{c.low:.3f} to {c.high:.3f}",
             f"{1 / c.ratio:.2f}x"]
            for c in result.comparisons
        ]  # fmt: skip
        header = ("interleaved", "metric", "ratio", "95 % interval", "speed")
        tables.append(("Ratios of one run", (header, ratios)))
    if result.figures:
        figures = [[name, f"{value:g}"] for name, value in result.figures.items()]
        tables.append(("Figures", (("", "value"), figures)))
    if result.series:
        by_minute = zip(*result.series.values(), strict=True)
        minutes = [[str(k + 1), *(f"{value:g}" for value in row)] for k, row in enumerate(by_minute)]
        tables.append(("Minute by minute", (("minute", *result.series), minutes)))
    conditions = result.conditions
    shares = (conditions.own_share, conditions.others_share, conditions.steal_share)
    machine = [[f"{share:.1%}" for share in shares] + [f"{conditions.memory_peak_mb:.0f}"]]
    columns = ("own", "others", "steal", "peak memory, MB")
    tables.append(("The machine during the run", (columns, machine)))
    if conditions.throttled:
        events = [[name, str(count)] for name, count in conditions.throttled.items()]
        tables.append(("Throttled: the figures are not this machine's best", (("", "events"), events)))
    return tables


def _ms(value: float | str | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.3f}"


def _columns(table: Table) -> Iterable[str]:
    rows = [list(table[0]), *(list(row) for row in table[1])]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        first, *rest = (f"{cell:<{widths[0]}}" if k == 0 else f"{cell:>{widths[k]}}"
                        for k, cell in enumerate(row))  # fmt: skip
        yield "  ".join([first, *rest]).rstrip()


def _html(table: Table) -> str:
    header = "".join(f"<th>{escape(cell)}</th>" for cell in table[0])
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table[1])
    return f'<div class="table"><table><tr>{header}</tr>{rows}</table></div>'


def _pairs(values: object) -> str:
    assert isinstance(values, dict)
    rows = [[str(key), _words(value)] for key, value in values.items() if value != {}]
    return f'<div class="pairs">{_html((("", ""), rows))}</div>'


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return "-" if value is None else str(value)
