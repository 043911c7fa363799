"""The settings one by one: their names, their options on the command line, the check of one value."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect

from edge.errors import did_you_mean
from edge.settings import Section, Settings


@dataclass(frozen=True, slots=True)
class Field:
    """One setting.

    Attributes:
        section: name of its table in the file.
        key: its name in the table.
        hint: its type with constraints.
        default: its value where nothing is said.
        text: what it means.
        option: its option on the command line, or None.
        metavar: how the option's value is shown.
        example: of a value, for files; the default where there is one that shows enough.
    """

    section: str
    key: str
    hint: Any
    default: Any
    text: str
    option: str | None
    metavar: str | None
    example: object

    @property
    def path(self) -> str:
        """`section.key`."""
        return f"{self.section}.{self.key}"

    def check(self, value: object, folder: Path, *, strict: bool = True) -> object:
        """`value` as the setting's type.

        Args:
            value: as the file or the command line says it.
            folder: that relative paths start from.
            strict: False takes numbers from text.

        Raises:
            ValueError: it is not what it must be; the message says what was found and expected.
        """
        try:
            return msgspec.convert(value, self.hint, strict=strict, dec_hook=partial(_make, folder))
        except msgspec.ValidationError as error:
            choices = self.choices
            if choices:
                hint = did_you_mean(str(value), choices)
                raise ValueError(f"found {value!r}, expected one of {', '.join(choices)}{hint}") from None
            expected = str(error).partition(" - at ")[0].replace(" | null", "").replace("`", "")
            raise ValueError(f"found {value!r}: {expected[0].lower()}{expected[1:]}") from None

    def parse(self, text: str) -> object:
        """The setting from the command line's text, for argparse."""
        several = {inspect.TupleType, inspect.VarTupleType} & {type(kind) for kind in self._types}
        value: object = text.split(",") if several else text
        try:
            return self.check(value, Path(), strict=False)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    @property
    def switch(self) -> bool:
        """True for a setting that is on or off."""
        return inspect.BoolType in map(type, self._types)

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of an enumeration; empty for any other type."""
        for kind in self._types:
            if isinstance(kind, inspect.EnumType):
                return tuple(str(member.value) for member in kind.cls)
            if isinstance(kind, inspect.LiteralType):
                return tuple(map(str, kind.values))
        return ()

    @property
    def _types(self) -> tuple[inspect.Type, ...]:
        kind = inspect.type_info(self.hint)
        while isinstance(kind, inspect.Metadata):
            kind = kind.type
        return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def fields() -> Iterator[Field]:
    """Every setting, in the order of the file."""
    for section in msgspec.structs.fields(Settings):
        struct: type[Section] = section.type
        hints = get_type_hints(struct, include_extras=True)
        for field in msgspec.structs.fields(struct):
            meta = hints[field.name].__metadata__[-1]
            yield Field(
                section=section.name,
                key=field.name,
                hint=hints[field.name],
                default=field.default,
                text=meta.description,
                option=meta.extra["option"],
                metavar=meta.extra["metavar"],
                example=field.default if meta.extra["example"] is None else meta.extra["example"],
            )


def add_options(parser: argparse.ArgumentParser) -> None:
    """An option for every setting that has one; what is not given is not in the namespace."""
    for field in fields():
        if field.option is None:
            continue
        if field.switch:
            parser.add_argument(
                field.option,
                dest=field.path,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=field.text,
            )
        else:
            default = (
                field.default.value if field.choices and hasattr(field.default, "value") else field.default
            )
            parser.add_argument(
                field.option,
                dest=field.path,
                type=field.parse,
                default=argparse.SUPPRESS,
                metavar=field.metavar,
                help=field.text if default in (None, ()) else f"{field.text} (default {default})",
            )


def overrides(args: argparse.Namespace) -> dict[str, object]:
    """What the command line says, by `section.key`."""
    given = vars(args)
    return {field.path: given[field.path] for field in fields() if field.path in given}


def _make(folder: Path, kind: type, value: object) -> object:
    if kind is Path and "\0" in str(value):
        raise ValueError("expected a path, which has no NUL")
    if kind is Path and isinstance(value, (str, Path)) and str(value):
        return folder / Path(value).expanduser()
    raise ValueError(f"expected {'a path' if kind is Path else kind.__name__}")
