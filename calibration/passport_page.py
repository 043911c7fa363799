"""A passport as one HTML page that needs nothing else and prints on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from calibration.report import describe_losses
from edge.contract.qualification import Verdict
from edge.engines.tensorrt_layers import count_precisions

if TYPE_CHECKING:
    from calibration.gate import Difference
    from calibration.passport import Passport

_STYLE = """
body{font:13px/1.4 system-ui,sans-serif;max-width:56rem;margin:1.5rem auto;padding:0 1rem;color:#1b1b1b}
h1{font-size:1.4rem;margin-bottom:.2rem} h2{font-size:1rem;margin:1.2rem 0 .3rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.15rem .5rem;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}
code{font-size:11px;word-break:break-all} .open{color:#b00020;font-weight:600}
footer{margin-top:2rem;color:#555}
@media print{body{margin:0;max-width:none}}
"""


def passport_page(passport: Passport, signature: str) -> str:
    """The page; `signature` is what is known of the bundle's, in words."""
    spec, machine = passport.spec, passport.environment
    point = spec.point()
    head = {
        "Model": f"{spec.name} ({spec.provenance.network}), made {spec.provenance.created}",
        "Bundle": passport.bundle,
        "Signature": signature,
        "Intended use": spec.intended_use,
        "Limits": spec.limits,
        "Operating point": f"{point.name}, malignant if risk >= {point.threshold:.4f}",
        "Sensitivity that a precision may lose": f"{spec.sensitivity_margin:.3f}, with 95 % certainty",
    }
    device = {
        "Board": machine.board or "-",
        "CPU": f"{machine.cpu}, {machine.cores} cores",
        "Jetson Linux": machine.l4t or "-",
        "Power mode": machine.power_mode or "-",
        "Clocks": "; ".join(f"{name} {value}" for name, value in machine.clocks.items()) or "-",
        "System": f"{machine.system or '-'}, Linux {machine.kernel}",
        "Packages": ", ".join(f"{name} {value}" for name, value in machine.packages.items()),
        "Others' share of the machine": f"{passport.conditions.others_share:.0%}",
    }
    sections = [
        f"<h1>Passport of {escape(spec.name)}</h1><p>Issued {passport.created} with sonocart "
        f"{passport.sonocart}. Research use only; not a medical device.</p>",
        _pairs(head),
        "<h2>Clinical gate against FP32</h2>" + _gate(passport),
        "<h2>Agreement with FP32 on held-out images</h2>" + _agreement(passport),
        "<h2>Latency on this machine, milliseconds</h2>" + _latency(passport),
        "<h2>Engines in the bundle</h2>" + _engines(passport),
        "<h2>This machine</h2>" + _pairs(device),
        "<h2>Files</h2>" + _table(("file", "SHA-256"), [[n, _Code(h)] for n, h in passport.files.items()]),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Passport of '
        f"{escape(spec.name)}</title><style>{_STYLE}</style></head><body>{''.join(sections)}"
        "<footer>Name, date, signature:</footer></body></html>\n"
    )


class _Code(str):
    """A cell in fixed width."""

    __slots__ = ()


def _gate(passport: Passport) -> str:
    rows = [
        [
            precision,
            f"{point.name}, {point.threshold:.3f}",
            point.verdict.value,
            _interval(point.sensitivity),
            _interval(point.specificity),
            describe_losses(point),
            f"{point.flips} of {report.agreement.images}",
            _interval(report.gate.auc),
            f"{report.gate.temperature:.3f} ({report.gate.temperature_fp32:.3f})",
        ]
        for precision, report in passport.precisions.items()
        for point in report.gate.points
    ]
    header = (
        *("", "operating point", "verdict", "sensitivity", "specificity", "calls lost", "flipped"),
        *("AUC", "temperature (FP32)"),
    )
    return _table(header, rows)


def _agreement(passport: Passport) -> str:
    rows = [
        [
            precision,
            f"{report.agreement.max_difference:.4f} / {report.agreement.mean_difference:.5f}",
            f"{report.agreement.sqnr_risk_db:.1f} / {report.agreement.sqnr_heatmap_db:.1f}",
            f"{len(report.lowered_layers)} of {len(report.lowered_layers) + len(report.kept_layers)}",
            report.method or "-",
            _Code(report.calibration_sha256 or "-"),
            str(report.calibration_images),
        ]
        for precision, report in passport.precisions.items()
    ]
    header = (
        *("", "risk max / mean", "SQNR risk / map, dB", "layers", "ranges by", "calibration set"),
        "images",
    )
    return _table(header, rows)


def _latency(passport: Passport) -> str:
    names = ("p50", "p90", "p99", "p99.9", "max")
    rows = []
    for precision, engine in passport.measured.items():
        summary = passport.latency[precision]
        rows.append([precision, engine, str(summary.samples), *(_ms(summary.wall.get(n)) for n in names)])
    return _table(("", "engine", "queries", *names), rows)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _engines(passport: Passport) -> str:
    if not passport.engines:
        return "<p>none: ONNX Runtime runs the graphs</p>"
    rows = [
        [
            _Code(sidecar.key.id),
            str(sidecar.key),
            ", ".join(f"{number} {name}" for name, number in count_precisions(sidecar.layers).items()),
            f"{sidecar.golden_difference:.5f}",
        ]
        for sidecar in passport.engines
    ]
    return _table(("id", "built for", "layers", "golden frames differ by"), rows)


def _interval(figure: Difference) -> str:
    return f"{figure.value:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})"


def _pairs(values: dict[str, str]) -> str:
    return _table((), [[key, value] for key, value in values.items()])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _cell(cell: str) -> str:
    if isinstance(cell, _Code):
        return f"<td><code>{escape(cell)}</code></td>"
    return f'<td class="open">{cell}</td>' if cell == Verdict.TOO_FEW.value else f"<td>{escape(cell)}</td>"
