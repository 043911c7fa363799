"""What came of the scenarios, as they end and as a table."""

from __future__ import annotations

import sys

Result = dict[str, object]
PASS, FAIL, UNJUDGED = "pass", "FAIL", "not judged"
UNABLE = 69


def verdict(result: Result) -> str:
    """Passed or failed; neither where it was late while the host had no time for the machine."""
    return PASS if result["passed"] else UNJUDGED if result["lack"] else FAIL


def exit_code(results: list[Result], unable: str, *, core: bool) -> int:
    """As cart.py's text has it; `unable` says why the guest could not be had to the end."""
    if unable and not results:
        return 0 if core else UNABLE
    verdicts = {verdict(result) for result in results}
    if core:
        return int(FAIL in verdicts or PASS not in verdicts)
    return int(bool(unable) or verdicts != {PASS})


def print_progress(result: Result) -> None:
    """One scenario, with the service's journal where it failed."""
    mark = verdict(result) + (", again" if "again" in result else "")
    print(f"{mark}  {result['fault']} ({result['took']} s): {result['seen']}", file=sys.stderr, flush=True)
    for line in result.get("journal", []):  # type: ignore[attr-defined]
        print(f"      {line}", file=sys.stderr)


def print_table(results: list[Result]) -> None:
    """All of them, as docs/measurements/virtual-cart.md has it."""
    print("| row | fault | expected | seen | withheld after | live after | |")
    print("|---|---|---|---|---|---|---|")
    for result in results:
        times = [result.get(name) for name in ("withheld", "live")]
        cells = ["" if value is None else f"{value:.2f} s" for value in times]
        print(
            f"| {result['row']} | {result['fault']} | {result['expected']} | {result['seen']} | "
            f"{cells[0]} | {cells[1]} | {verdict(result)} |"
        )
    passed = sum(verdict(result) == PASS for result in results)
    print(f"\n{passed} of {len(results)} scenarios passed")
