"""What the clinical gate said of a precision, for whoever runs it."""

from __future__ import annotations

from enum import Enum

import msgspec

from edge.contract.bundle import Bundle
from edge.errors import DataError, RefusedError


class Verdict(str, Enum):
    """Of the clinical gate. FP32 is the reference and has none."""

    PASSES = "passes"
    TOO_FEW = "too few to tell"
    FAILS = "fails"


class _Gate(msgspec.Struct, frozen=True):
    verdict: Verdict


class _Report(msgspec.Struct, frozen=True):
    gate: _Gate


def report_file(precision: str) -> str:
    """Name in a bundle of the report that carries the verdict on a precision."""
    return f"reports/agreement.{precision}.json"


def read_verdict(bundle: Bundle, precision: str) -> Verdict | None:
    """The verdict that stands in the bundle; None for FP32.

    Raises:
        DataError: the bundle has a graph of that precision, but no verdict on it.
    """
    if precision == "fp32":
        return None
    name = report_file(precision)
    if not bundle.has(name):
        raise DataError(
            f"bundle {bundle.path} has no verdict on {precision}; calibrate it again: "
            f"sonocart calibrate {bundle.path} --frames STUDY --precision {precision}"
        )
    try:
        return msgspec.json.decode(bundle.read(name), type=_Report).gate.verdict
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"'{name}' of bundle {bundle.path} holds no verdict: {error}") from error


def shown_precision(bundle: Bundle, precision: str) -> str:
    """The precision as it is shown: one that the gate has not passed says so wherever it stands.

    Too few cases are no reason to refuse, for nothing speaks against the precision and the kit is for
    research; but whoever looks at the risk must know it. `calibrate` never writes a failed one.

    Raises:
        DataError: as `read_verdict`.
        RefusedError: the gate has failed it.
    """
    verdict = read_verdict(bundle, precision)
    if verdict is Verdict.FAILS:
        raise RefusedError(
            f"{precision} of bundle {bundle.path} fails the clinical gate; run fp32, or calibrate it again"
        )
    return precision if verdict in (None, Verdict.PASSES) else f"{precision} (gate: {verdict.value})"
