"""Exit code 1 if the second run is slower than the first beyond noise and tolerance, else 0. Wall
times are judged only if the machine was quiet in both runs, or if both carry the same reference track of an
interleaved run; CPU times always.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from edge.bench.compare import Verdict

REGRESSED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("before", type=Path, help="result.json of the run to compare with")
    parser.add_argument("after", type=Path)
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.05,
        help="relative difference that two runs of one build may have (default: 0.05)",
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")


def main(args: argparse.Namespace) -> int:
    """Judge and print; `REGRESSED` if the second run is slower."""
    from edge.bench.compare import compare_results
    from edge.bench.result import read_result

    verdict = compare_results(read_result(args.before), read_result(args.after), args.tolerance)
    if args.json:
        fields = {**asdict(verdict), "regressed": verdict.regressed}
        print(msgspec.json.format(msgspec.json.encode(fields), indent=2).decode())
    else:
        print(_verdict_text(verdict))
    return REGRESSED if verdict.regressed else 0


def _verdict_text(verdict: Verdict) -> str:
    lines = [
        f"{row.verdict:<8} {row.track}, {row.metric}: {row.before_ms:.3f} -> {row.after_ms:.3f} ms, "
        f"ratio {row.ratio:.3f} ({row.low:.3f} to {row.high:.3f})"
        f"{', each over its reference' if row.normalised else ''}"
        for row in verdict.rows
    ]
    lines += [f"not judged: {reason}" for reason in verdict.skipped]
    lines += [f"differs: {difference}" for difference in verdict.differences]
    lines.append("regression" if verdict.regressed else "no regression")
    return "\n".join(lines)
