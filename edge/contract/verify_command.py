"""Check a bundle: the hash of every file, and with --trust the signature, before anything is parsed.

Examples:
  sonocart verify runs/bundle
  sonocart verify runs/bundle --trust /etc/sonocart/trust --json

Exit code 77 if a hash, a name or the signature does not hold.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from edge.contract.bundle import open_bundle
from edge.contract.signing import claimed_signature, load_trust
from edge.errors import SonocartError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--trust", type=Path, metavar="DIR", help="folder with the trusted .pub files")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    try:
        found = _verify(args.bundle, args.trust)
    except SonocartError as error:
        if not args.json:
            raise
        print(json.dumps({"holds": False, "reason": str(error)}, indent=2))
        return error.exit_code
    print(json.dumps(found, indent=2) if args.json else _words(found))
    return 0


def _verify(path: Path, trust: Path | None) -> dict[str, Any]:
    bundle = open_bundle(path, None if trust is None else load_trust(trust))
    signed = bundle.signed or claimed_signature(path)
    signature = "good" if bundle.signed else "unchecked" if signed else "none"
    return {
        "holds": True,
        "bundle": bundle.id,
        "files": len(bundle.manifest.files),
        "precisions": bundle.precisions(),
        "signature": signature,
        "key": signed.key if signed else None,
        "version": signed.version if signed else None,
    }


def _words(found: dict[str, Any]) -> str:
    said = {
        "good": "signed with key {key}, version {version}",
        "unchecked": "signed, as it says with key {key} as version {version}, which nobody has checked: add "
        "--trust DIR",
        "none": "not signed",
    }[found["signature"]].format(**found)
    return f"bundle {found['bundle']}: all {found['files']} files have the hashes of the manifest\n{said}"
