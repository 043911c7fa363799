"""Check a configuration file and show what `sonocart run` would make of it.

Examples:
  sonocart config check                          every fault of /etc/sonocart/sonocart.toml, with its line
  sonocart config check cart.toml --print        and the effective settings, as TOML
  sonocart config check cart.toml --json
  sonocart config example > cart.toml            every setting there is, with its meaning and default
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from edge.errors import ConfigError
from edge.service.config import SYSTEM_FILE, build, examine
from edge.service.fields import fields
from edge.settings import Settings
from edge.subverbs import add_verb

_CHECK = "Name every fault of a configuration file with its line. Exit code 78 if there is one."
_EXAMPLE = "Print a file with every setting, its meaning and a value; all are commented out."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{check,example}")
    check = add_verb(actions, "check", "name every fault of a file", _CHECK, _check, __doc__)
    check.add_argument("file", type=Path, nargs="?", default=SYSTEM_FILE, metavar="FILE")
    check.add_argument("--print", action="store_true", help="print the effective settings as TOML")
    check.add_argument("--json", action="store_true", help="print faults and settings as JSON")
    add_verb(actions, "example", "print a file with every setting", _EXAMPLE, _example, __doc__)


def main(args: argparse.Namespace) -> int:
    """Do what the action says."""
    return int(args.run(args))


def _example(_: argparse.Namespace) -> int:
    print(example(), end="")
    return 0


def _check(args: argparse.Namespace) -> int:
    """Exit code 78 if the file is wrong."""
    values, faults = examine(args.file)
    effective = _plain(build(values))
    if args.json:
        found = [{"line": fault.line, "text": fault.text} for fault in faults]
        print(json.dumps({"file": str(args.file), "faults": found, "settings": effective}))
    else:
        for fault in faults:
            print(f"{args.file}:{fault.line}: {fault.text}")
        if args.print:
            print(_as_toml(effective), end="")
        elif not faults:
            print(f"{args.file}: good, {len(values)} settings")
    return ConfigError.exit_code if faults else 0


def example() -> str:
    """A file with every setting commented out by one mark; what explains them has two."""
    lines = [
        "## Configuration of sonocart. Take the # before a setting away to give it another value than its",
        "## default, and check the file: sonocart config check FILE",
        "",
    ]
    section = ""
    for field in fields():
        if field.section != section:
            section = field.section
            lines += [f"[{section}]"]
        default = _plain_value(field.default)
        told = default is None or default == _plain_value(field.example)
        lines += [f"## {field.text}" + ("" if told else f" (default {_value(default)})")]
        lines += [f"# {field.key} = {_value(_plain_value(field.example))}", ""]
    return "\n".join(lines)


def _plain(settings: Settings) -> dict[str, dict[str, object]]:
    """Settings as JSON would have them."""
    found: dict[str, dict[str, object]] = {}
    for field in fields():
        value = getattr(getattr(settings, field.section), field.key)
        found.setdefault(field.section, {})[field.key] = _plain_value(value)
    return found


def _plain_value(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _as_toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    """What is set, as TOML."""
    blocks = []
    for section, table in tables.items():
        lines = [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]
        blocks.append("\n".join([f"[{section}]", *lines, ""]))
    return "\n".join(blocks)


def _value(value: object) -> str:
    """A value in TOML, which writes numbers, booleans, lists and quoted text as JSON does."""
    return json.dumps(value, ensure_ascii=False)
