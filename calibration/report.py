"""What a calibration leaves behind: the report in the bundle and the lines on the terminal."""

from __future__ import annotations

import msgspec

from calibration.agreement import Agreement
from calibration.gate import Difference, Gate, PointGate
from edge.contract.bundle import Bundle
from edge.contract.qualification import Verdict, report_file
from edge.errors import DataError


class CalibrationReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`reports/agreement.<precision>.json`.

    Attributes:
        precision: of the graph that was made.
        model_sha256: of its ONNX file.
        fp32_sha256: of the file it was made from.
        bytes: size of the ONNX file.
        fp32_bytes: size of the file it was made from.
        calibration_sha256: content hash of the calibration set; null where none was needed.
        calibration_images: number of its images.
        method: that turned histograms into ranges; null where none was needed.
        trials_db: output SQNR on calibration frames by method.
        sqnr_db: same, of the graph that was made; null where no range was chosen.
        quantised_layers: by node name, in INT8.
        kept_layers: weighted layers that are not.
        ranking_db: output SQNR with one layer in INT8, lowest first; empty where it was not measured.
        gate: whether the precision may be used: the stricter one of the graph for TensorRT and of that for
            CPU kernels, both as written.
        agreement: of the graph as written, on held-out images; this is what the precision means.
        agreement_cpu: of this machine's fused kernels; null where there is no graph for them.
    """

    precision: str
    model_sha256: str
    fp32_sha256: str
    bytes: int
    fp32_bytes: int
    calibration_sha256: str | None
    calibration_images: int
    method: str | None
    trials_db: dict[str, float]
    sqnr_db: float | None
    quantised_layers: list[str]
    kept_layers: list[str]
    ranking_db: dict[str, float]
    gate: Gate
    agreement: Agreement
    agreement_cpu: Agreement | None


def encode_report(report: CalibrationReport) -> bytes:
    """Canonical JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def read_report(bundle: Bundle, precision: str) -> CalibrationReport | None:
    """The report of a precision; None where the bundle has none.

    Raises:
        DataError: it is not one.
    """
    name = report_file(precision)
    if not bundle.has(name):
        return None
    try:
        return msgspec.json.decode(bundle.read(name), type=CalibrationReport)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"'{name}' of bundle {bundle.id} is no agreement report: {error}") from error


def describe(report: CalibrationReport) -> str:
    """The report in lines for a terminal."""
    lines = [
        f"{report.precision}: {report.bytes / report.fp32_bytes:.2f} of FP32's {report.fp32_bytes} bytes"
    ]
    if report.calibration_sha256 is not None:
        lines.append(f"calibration set {report.calibration_sha256[:12]}, {report.calibration_images} images")
    if report.method is not None and report.sqnr_db is not None:
        tried = ", ".join(f"{name} {value:.1f} dB" for name, value in report.trials_db.items())
        lines.append(f"ranges by {report.method} (tried: {tried})")
        best = report.trials_db[report.method]
        if report.sqnr_db != best:
            lines.append(f"sensitive layers kept: {best:.1f} dB became {report.sqnr_db:.1f} dB")
    weighted = len(report.quantised_layers) + len(report.kept_layers)
    lines.append(f"{len(report.quantised_layers)} of {weighted} weighted layers in INT8")
    for agreement in (report.agreement, report.agreement_cpu):
        if agreement is not None:
            lines += agreement_lines(agreement)
    return "\n".join([*lines, *gate_lines(report.gate)])


def gate_lines(gate: Gate) -> list[str]:
    """The verdict with its figures."""
    lines = [
        f"clinical gate: {gate.verdict.value.upper()}; 95 % intervals by {gate.resamples} paired resamples "
        f"of {gate.groups} groups",
        f"  AUC              {_interval(gate.auc)}",
        f"  temperature      refitted {gate.temperature:.3f}, FP32 {gate.temperature_fp32:.3f}",
    ]
    for point in gate.points:
        lines += [
            f"  at '{point.name}' ({point.threshold:.3f}): {point.verdict.value}, {point.flips} flipped",
            f"    sensitivity    {_interval(point.sensitivity)}, lower bound must be above {gate.limit:+.3f}",
            f"    specificity    {_interval(point.specificity)}",
            f"    calls lost     {describe_losses(point)}",
        ]
    return lines


def describe_losses(point: PointGate) -> str:
    """The exact bound in words, and how many cases would do where these do not."""
    text = (
        f"by {point.lost_groups} of {point.malignant_groups} malignant groups, at most "
        f"{100 * point.worst_loss:.1f} % (exact)"
    )
    if point.verdict is Verdict.TOO_FEW:
        text += f"; {point.needed_groups} malignant groups are needed to tell"
    return text


def _interval(figure: Difference) -> str:
    return f"{figure.value:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})"


def agreement_lines(a: Agreement) -> list[str]:
    """The figures for a terminal."""
    correlation = "undefined" if a.heatmap_correlation is None else f"{a.heatmap_correlation:.4f}"
    return [
        f"against FP32 on {a.images} held-out images, {a.engine}:",
        f"  risk difference  max {a.max_difference:.4f}, mean {a.mean_difference:.5f}",
        f"  decisions        {a.flips} of {a.images} flipped at {a.threshold:.3f}",
        f"  AUC              {a.auc:.4f}, FP32 {a.auc_fp32:.4f}",
        f"  output SQNR      risk {a.sqnr_risk_db:.1f} dB, heat map {a.sqnr_heatmap_db:.1f} dB",
        f"  heat map         correlation {correlation}",
    ]
