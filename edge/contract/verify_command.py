"""Check a bundle: the hash of every file, and with --trust the signature, before anything is parsed.

Examples:
  sonocart verify runs/bundle
  sonocart verify runs/bundle --trust /etc/sonocart/trust --json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edge.contract.bundle import open_bundle
from edge.contract.signing import load_trust


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--trust", type=Path, metavar="DIR", help="folder with the trusted .pub files")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    bundle = open_bundle(args.bundle, None if args.trust is None else load_trust(args.trust))
    signed = bundle.signed
    found = {
        "bundle": bundle.id,
        "files": len(bundle.manifest.files),
        "precisions": bundle.precisions(),
        "key": signed.key if signed else None,
        "version": signed.version if signed else None,
    }
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"bundle {bundle.id}: all {found['files']} files have the hashes of the manifest")
    print(
        f"signed with key {signed.key}, version {signed.version}"
        if signed
        else "signature not checked: no --trust was given"
    )
    return 0
