"""Verbs of a verb, such as `sonocart study check`: each with its own help."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add_verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    text: str,
    run: Callable[[argparse.Namespace], int],
    module_text: str | None,
) -> argparse.ArgumentParser:
    """A parser whose help is `text` and those examples of the module's docstring that are this verb's.

    Args:
        verbs: of the verb above.
        name: as it is typed.
        summary: for the help of the verb above.
        text: what it does, as it is to be printed.
        run: called with the arguments by whoever reads `args.run`.
        module_text: docstring with lines `  sonocart VERB NAME ...`; a longer indent goes on with an example.
    """
    parser = verbs.add_parser(
        name,
        help=summary,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.epilog = "\n".join(["Examples:", *_examples(module_text or "", parser.prog)])
    parser.set_defaults(run=run)
    return parser


def _examples(text: str, prog: str) -> list[str]:
    found: list[str] = []
    own = False
    for line in text.splitlines():
        if line.startswith("  sonocart "):
            own = f"{line} ".startswith(f"  {prog} ")
        elif not line.startswith("    "):
            own = False
        if own:
            found.append(line)
    return found
