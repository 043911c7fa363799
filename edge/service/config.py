"""Reads the configuration: TOML in, `Settings` out, and every fault with its line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge.errors import ConfigError, NoInputError, UsageError, did_you_mean
from edge.service.fields import Field, fields
from edge.service.rules import clashes
from edge.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SYSTEM_FILE = Path("/etc/sonocart/sonocart.toml")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file, and on which line, counted from 1."""

    line: int
    text: str


def read_settings(path: Path | None, given: Mapping[str, object]) -> Settings:
    """The file's settings, with those that the command line gave in their place.

    Args:
        path: of the TOML file; None for the defaults.
        given: checked values by `section.key`, see `edge.service.fields.overrides`.

    Raises:
        NoInputError: the file cannot be read.
        ConfigError: something in it is wrong; the message has the file, the line and what was expected.
        UsageError: what the command line gave does not go with the rest.
    """
    values: dict[str, object] = {}
    if path is not None:
        values, faults = examine(path, given)
        if faults:
            more = f" ({len(faults) - 1} more; run: sonocart config check {path})" if len(faults) > 1 else ""
            raise ConfigError(f"{path}:{faults[0].line}: {faults[0].text}{more}")
    settings = build({**values, **given})
    for clash in clashes(settings):  # of what was given: those of the file are faults of it
        option = next((field.option for field in fields() if field.path == clash.path), None)
        raise UsageError(f"{option or clash.path}: {clash.text}")
    return settings


def build(values: Mapping[str, object]) -> Settings:
    """Settings from checked values by `section.key`."""
    sections: dict[str, Any] = {}
    for section in msgspec.structs.fields(Settings):
        own = {
            path.partition(".")[2]: value
            for path, value in values.items()
            if path.partition(".")[0] == section.name
        }
        sections[section.name] = section.type(**own)
    return Settings(**sections)


def examine(path: Path, given: Mapping[str, object] | None = None) -> tuple[dict[str, object], list[Fault]]:
    """The checked values of a file by `section.key`, and all that is wrong with it, by line.

    Args:
        path: of the TOML file.
        given: that stand in place of its values, where the command line has some.

    Raises:
        NoInputError: the file cannot be read.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        make = f". Run: sonocart config example > {path}" if isinstance(error, FileNotFoundError) else ""
        raise NoInputError(f"cannot read the configuration '{path}': {error.strerror}{make}") from error
    except UnicodeDecodeError as error:
        return {}, [Fault(1, f"not UTF-8: {error.reason} at byte {error.start}")]
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return {}, [Fault(_place(text, str(error)), f"not TOML: {error}")]
    except RecursionError:
        return {}, [Fault(_too_deep(text), "values lie too deep in one another to be read")]
    known: dict[str, dict[str, Field]] = {}
    for field in fields():
        known.setdefault(field.section, {})[field.key] = field
    values: dict[str, object] = {}
    faults: list[Fault] = []
    for section, table in tables.items():
        if not isinstance(table, dict):
            faults.append(
                Fault(_line(text, section), f"'{section}' stands outside a section, expected [section]")
            )
        elif section not in known:
            faults.append(
                Fault(_line(text, section), f"unknown section [{section}]{did_you_mean(section, known)}")
            )
        else:
            for key, value in table.items():
                result = _check(known[section], key, value, path.absolute().parent)
                if isinstance(result, str):
                    faults.append(Fault(_line(text, section, key), f"[{section}] {key}: {result}"))
                else:
                    values[f"{section}.{key}"] = result[0]
    given = given or {}
    for clash in clashes(build({**values, **given})):
        if clash.path not in given:  # so it is the file's: no default clashes
            section, key = clash.path.split(".")
            faults.append(Fault(_line(text, section, key), f"[{section}] {key}: {clash.text}"))
            values.pop(clash.path, None)
    return values, sorted(faults, key=lambda fault: fault.line)


def _check(known: Mapping[str, Field], key: str, value: object, folder: Path) -> tuple[object] | str:
    """The checked value, or what is wrong with it."""
    if key not in known:
        return f"unknown key{did_you_mean(key, known)}"
    try:
        return (known[key].check(value, folder),)
    except ValueError as error:
        return str(error)


def _line(text: str, *names: str) -> int:
    """The line a name is on: the first after the longest beginning of `text` that does not hold it yet.

    The parser keeps no positions, and this finds them whatever the spelling: dotted, quoted or inline.
    """
    lines = text.splitlines(keepends=True)
    before = 0
    for count in range(1, len(lines) + 1):
        try:
            found: Any = tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue  # within a value of several lines
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        if found is not None:
            break
        before = count
    return before + 1


def _too_deep(text: str) -> int:
    """The first line up to which the parser gives up."""
    lines = text.splitlines(keepends=True)
    count = 1
    with suppress(RecursionError):
        for count in range(1, len(lines) + 1):
            with suppress(tomllib.TOMLDecodeError):  # within a value of several lines
                tomllib.loads("".join(lines[:count]))
    return count


def _place(text: str, message: str) -> int:
    """The line that the parser names, which is the last one where it names the end of the document."""
    _, _, after = message.rpartition("(at line ")
    number = after.partition(",")[0]
    return int(number) if number.isdigit() else max(1, len(text.splitlines()))
