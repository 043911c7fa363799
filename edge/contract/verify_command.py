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

from edge.contract.bundle import Bundle, open_bundle
from edge.contract.signing import Signed, claimed_signature, load_trust, signature_words
from edge.errors import SonocartError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--trust", type=Path, metavar="DIR", help="folder with the trusted .pub files")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    try:
        bundle = open_bundle(args.bundle, None if args.trust is None else load_trust(args.trust))
    except SonocartError as error:
        if not args.json:
            raise
        print(json.dumps({"holds": False, "reason": str(error)}, indent=2))
        return error.exit_code
    claimed = claimed_signature(args.bundle)
    print(json.dumps(_found(bundle, claimed), indent=2) if args.json else _words(bundle, claimed))
    return 0


def _found(bundle: Bundle, claimed: Signed | None) -> dict[str, Any]:
    signed = bundle.signed or claimed
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


def _words(bundle: Bundle, claimed: Signed | None) -> str:
    return (
        f"bundle {bundle.id}: all {len(bundle.manifest.files)} files have the hashes of the manifest\n"
        f"{signature_words(bundle.signed, claimed)}"
    )
