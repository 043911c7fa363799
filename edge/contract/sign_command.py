"""Sign a bundle, so that carts that trust the key accept it; or make a key pair.

The signature covers every file. Whatever changes the bundle afterwards drops it: calibrate and build
first, sign last. A cart's trust store is a folder with .pub files; a number in its file minimum-version
refuses bundles of lower versions.

A private key may have a passphrase: from --passphrase-file (its first line), from $SONOCART_PASSPHRASE, or
asked for on a terminal, in this order; an empty one leaves a new key plain.

Examples:
  sonocart sign --new-key qualification.key
  sonocart sign runs/bundle --key qualification.key --version 7
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from functools import partial
from pathlib import Path

from edge.contract.bundle import sign_bundle
from edge.contract.signing import claimed_signature, load_key, make_key
from edge.errors import NoInputError, UsageError

PASSPHRASE = "SONOCART_PASSPHRASE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, nargs="?", metavar="BUNDLE")
    parser.add_argument("--key", type=Path, metavar="FILE", help="private key, PEM")
    parser.add_argument("--version", type=int, metavar="N", help="of the bundle; count it up at each release")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="of the private key")
    parser.add_argument("--new-key", type=Path, metavar="FILE", help="write a new key there, and FILE's .pub")


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    passphrase = partial(_passphrase, args.passphrase_file)
    if args.new_key is not None:
        if args.bundle is not None:
            raise UsageError("--new-key makes a key and signs nothing; leave out the bundle")
        made = make_key(args.new_key, passphrase(repeat=True) or None)
        print(f"key {made}: {args.new_key}, {args.new_key.with_name(args.new_key.stem)}.pub")
        return 0
    if args.bundle is None or args.key is None or args.version is None:
        raise UsageError("expected BUNDLE --key FILE --version N. Run: sonocart sign --help")
    before = claimed_signature(args.bundle)
    signed = sign_bundle(args.bundle, load_key(args.key, passphrase), args.version)
    if before is not None and before.version > signed.version:
        print(
            f"warning: version {signed.version} is lower than {before.version}, which the bundle was signed "
            "as; a cart with a higher minimum-version refuses it",
            file=sys.stderr,
        )
    print(f"bundle {args.bundle} signed with key {signed.key} as version {signed.version}")
    return 0


def _passphrase(file: Path | None, *, repeat: bool = False) -> bytes | None:
    """From file, environment or terminal; None where there is none of them."""
    if file is not None:
        try:
            return file.read_bytes().split(b"\n")[0]
        except OSError as error:
            raise NoInputError(f"cannot read the passphrase '{file}': {error.strerror}") from error
    if PASSPHRASE in os.environ:
        return os.environb[PASSPHRASE.encode()]
    if not sys.stdin.isatty():
        return None
    given = getpass.getpass("passphrase of the key: ")
    if repeat and getpass.getpass("once more: ") != given:
        raise UsageError("the two passphrases differ; nothing was written")
    return given.encode()
