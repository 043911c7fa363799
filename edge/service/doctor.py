"""Find everything that keeps `sonocart run` from working here, at once, and print the fix for each.

Examples:
  sonocart doctor                          as the service is configured: /etc/sonocart/sonocart.toml
  sonocart doctor --config cart.toml       another configuration
  sudo -u sonocart sonocart doctor --json  with the service's own rights, for a fleet's monitoring

Exit code 0 when nothing is missing, else 69. Nothing is changed, and a service that runs is not disturbed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from edge.errors import SonocartError, UnavailableError
from edge.service.checks import CHECKS
from edge.service.config import SYSTEM_FILE, build, examine
from edge.service.finding import Finding
from edge.settings import Settings

Check = Callable[[Settings], Iterator[Finding]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--config", type=Path, default=SYSTEM_FILE, metavar="FILE", help=f"default {SYSTEM_FILE}"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def main(args: argparse.Namespace) -> int:
    """Look at everything, then print."""
    findings = list(examine_all(args.config))
    bad = [finding for finding in findings if not finding.good]
    if args.json:
        print(json.dumps({"good": not bad, "findings": [asdict(finding) for finding in findings]}))
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            print(f"{'ok  ' if finding.good else 'FAIL'}  {finding.what:<{width}}  {finding.found}")
            if not finding.good:
                print(f"      {'':<{width}}  fix: {finding.fix}")
        print(f"{len(bad)} of {len(findings)} checks failed" if bad else "nothing is missing")
    return UnavailableError.exit_code if bad else 0


def examine_all(config: Path, checks: tuple[Check, ...] = CHECKS) -> Iterator[Finding]:
    """Every finding: of the configuration first, then of what its good part asks for."""
    try:
        values, faults = examine(config)
    except SonocartError as error:
        values, faults = {}, []
        found = str(error).partition(". Run: ")[0]
        yield Finding("configuration", False, found, f"sonocart config example > {config}, and edit it")
    for fault in faults:
        yield Finding("configuration", False, f"{config}:{fault.line}: {fault.text}", f"edit {config}")
    if values and not faults:
        yield Finding("configuration", True, f"{config}, {len(values)} settings")
    settings = build(values)
    for check in checks:
        yield from _asked(check, settings)


def _asked(check: Check, settings: Settings) -> Iterator[Finding]:
    """What one check finds; what it may not look at, or the system fails at, is a finding too."""
    try:
        yield from check(settings)
    except OSError as error:
        found = f"'{error.filename}': {error.strerror}" if error.filename else str(error)
        fix = "ask with the service's own rights: sudo -u sonocart sonocart doctor"
        yield Finding(check.__name__, False, found, fix)
