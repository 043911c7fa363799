"""What a calibration leaves behind: the report in the bundle and the lines on the terminal."""

from __future__ import annotations

import msgspec

from calibration.agreement import Agreement
from calibration.gate import Difference, Gate, PointGate
from calibration.int8 import Offer
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
        bytes_by_type: of its constants; `graph` is all else.
        time_shares: of an INT8 inference on the CPU that calibrated, one thread, by what was lowered and what
            was not; empty for FP16, which a CPU does not compute in.
        fp32_bytes: size of the file it was made from.
        calibration_sha256: content hash of the calibration set; null where none was needed.
        calibration_images: number of its images.
        method: that turned histograms into ranges; null where none was needed.
        trials_db: output SQNR on calibration frames by method.
        sqnr_db: same, of the graphs that were made, the lower one of both arrangements; null where no range
            was chosen.
        min_sqnr_db: that was aimed at; null where no range was chosen.
        lowered_layers: by node name, in the precision.
        kept_layers: weighted layers in FP32, each with its reason.
        ranking_db: output SQNR with one layer in INT8, lowest first; empty where it was not measured.
        offers: what keeping the most sensitive layers would give and cost, where the aim was missed.
        gate: whether the precision may be used: the stricter one of the graph for TensorRT and of that for
            CPU kernels, both as written.
        agreement: of the graph as written, on held-out images; this is what the precision means.
        agreement_cpu: of this machine's fused kernels; null where there is no graph for them.
    """

    precision: str
    model_sha256: str
    fp32_sha256: str
    bytes: int
    bytes_by_type: dict[str, int]
    time_shares: dict[str, float]
    fp32_bytes: int
    calibration_sha256: str | None
    calibration_images: int
    method: str | None
    trials_db: dict[str, float]
    sqnr_db: float | None
    min_sqnr_db: float | None
    lowered_layers: list[str]
    kept_layers: dict[str, str]
    ranking_db: dict[str, float]
    offers: tuple[Offer, ...]
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
        f"{report.precision}: {report.bytes / report.fp32_bytes:.3f} of FP32's {report.fp32_bytes} bytes"
    ]
    parts = ", ".join(f"{part} {size / report.bytes:.0%}" for part, size in report.bytes_by_type.items())
    lines.append(f"  of its bytes: {parts}")
    if report.time_shares:
        parts = ", ".join(f"{part} {share:.0%}" for part, share in report.time_shares.items())
        lines.append(f"  of its time on this CPU: {parts}; only the first gained")
    if report.calibration_sha256 is not None:
        lines.append(f"calibration set {report.calibration_sha256[:12]}, {report.calibration_images} images")
    if report.method is not None and report.sqnr_db is not None:
        tried = ", ".join(f"{name} {value:.1f} dB" for name, value in report.trials_db.items())
        lines.append(f"ranges by {report.method} (tried: {tried})")
    weighted = len(report.lowered_layers) + len(report.kept_layers)
    lines.append(
        f"{len(report.lowered_layers)} of {weighted} weighted layers in {report.precision}; in FP32:"
    )
    for reason in dict.fromkeys(report.kept_layers.values()):
        names = [name for name, why in report.kept_layers.items() if why == reason]
        lines.append(f"  {reason}: {', '.join(names)}")
    lines += _sensitivity_lines(report)
    for agreement in (report.agreement, report.agreement_cpu):
        if agreement is not None:
            lines += agreement_lines(agreement)
    return "\n".join([*lines, *gate_lines(report.gate)])


def _sensitivity_lines(report: CalibrationReport) -> list[str]:
    lines = []
    if report.ranking_db:
        width = max(map(len, report.ranking_db))
        lines.append("layers by what they lose alone in INT8, most sensitive first:")
        lines += [f"  {name:<{width}}  {value:5.1f} dB" for name, value in report.ranking_db.items()]
    if report.sqnr_db is None or report.min_sqnr_db is None:
        return lines
    reached = f"output SQNR on calibration frames {report.sqnr_db:.1f} dB"
    if report.sqnr_db >= report.min_sqnr_db:
        return [*lines, f"{reached}, {report.min_sqnr_db:g} aimed at"]
    lines.append(
        f"{reached}, missed: {report.min_sqnr_db:g} aimed at. What keeping layers in FP32 would give:"
    )
    lines += [
        f"  --keep {','.join(offer.layers)}: {offer.sqnr_db:.1f} dB, "
        f"{offer.bytes / report.fp32_bytes:.3f} of FP32's size"
        for offer in report.offers
    ]
    return lines


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


def _points(a: Agreement) -> str:
    return "at each point " + ", ".join(f"{name} {flips}" for name, flips in a.flips_by_point.items())


def agreement_lines(a: Agreement) -> list[str]:
    """The figures for a terminal."""
    correlation = "undefined" if a.heatmap_correlation is None else f"{a.heatmap_correlation:.4f}"
    return [
        f"against FP32 on {a.images} held-out images, {a.engine}:",
        f"  risk difference  max {a.max_difference:.4f}, mean {a.mean_difference:.5f}",
        f"  decisions        {a.flips} of {a.images} flipped at {a.threshold:.3f}; {_points(a)}",
        f"  AUC              {a.auc:.4f}, FP32 {a.auc_fp32:.4f}",
        f"  output SQNR      risk {a.sqnr_risk_db:.1f} dB, heat map {a.sqnr_heatmap_db:.1f} dB, ood "
        f"{a.sqnr_ood_db:.1f} dB",
        f"  withheld         {a.withheld} of {a.images} in one precision alone, for their ood",
        f"  heat map         correlation {correlation}",
    ]
