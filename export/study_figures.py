"""Whether reported figures can come from one confusion matrix, in words or as JSON."""

from __future__ import annotations

import argparse
import json

from edge.errors import DataError, UsageError
from export.consistency import MAX_N, PROPORTIONS, Reported, objections


def figures(args: argparse.Namespace) -> int:
    """Look for objections and print them."""
    try:
        given = [Reported.parse(name, text) for name in PROPORTIONS if (text := getattr(args, name))]
        auc = Reported.parse("auc", args.auc) if args.auc else None
        parts = [int(part) for part in args.parts.split(",")] if args.parts else []
    except ValueError as error:
        raise UsageError(
            f"found {error}, expected proportions such as 0.8667 or 86.67% and parts N,N,N"
        ) from error
    if args.n is not None and not 2 <= args.n <= MAX_N:
        raise UsageError(f"found --n {args.n}, expected 2 to {MAX_N}")
    if not given and not parts:
        raise UsageError("no figures given. Run: sonocart study figures --help")
    found = objections(given, auc, args.n, parts, args.total)
    if args.json:
        print(json.dumps({"possible": not found, "objections": found}, indent=2))
    elif found:
        print(f"These figures cannot all be true ({len(found)} objections):")
        print("\n".join(f"- {sentence}" for sentence in found))
    else:
        print("Nothing speaks against these figures: one confusion matrix can give them all.")
    return DataError.exit_code if found else 0
