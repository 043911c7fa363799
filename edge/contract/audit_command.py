"""Read the audit log and check that nobody has changed, inserted or removed a line.

Examples:
  sonocart audit verify /var/lib/sonocart/audit.jsonl
  sonocart audit verify /var/lib/sonocart/audit.jsonl --json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from edge.contract.audit import verify
from edge.subverbs import add_verb

_VERIFY = "Check the chain of hashes and print the entries. Exit code 65 names the first line that is wrong."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    actions = parser.add_subparsers(required=True, metavar="verify")
    check = add_verb(actions, "verify", "check the chain and print the entries", _VERIFY, _verify, __doc__)
    check.add_argument("log", type=Path, metavar="LOG")
    check.add_argument("--json", action="store_true", help="print the entries as JSON")


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    return int(args.run(args))


def _verify(args: argparse.Namespace) -> int:
    entries = verify(args.log)
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(entries), indent=2).decode())
        return 0
    for entry in entries:
        print(f"{entry.time}  {entry.event:<10} {entry.detail}")
    print(f"{len(entries)} entries, the chain holds")
    return 0
