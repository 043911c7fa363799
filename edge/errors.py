"""The tree of errors a user can meet. Each class carries its exit code from sysexits.

SonocartError
├── UsageError          64  the command line is wrong
├── DataError           65  an input's content is wrong
├── NoInputError        66  an input does not exist or cannot be read
├── UnavailableError    69  a device, library or service is missing
├── InternalError       70  a check of the kit's own work failed (parity, golden frames)
├── CannotCreateError   73  an output cannot be written
├── TransferError       74  reading or writing failed half-way
├── BusyError           75  temporary: locked, busy, port in use
├── RefusedError        77  hash, signature or permission does not hold
└── ConfigError         78  a configuration file is wrong

A message says what was found, what was expected and what to run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SonocartError(Exception):
    """Base of every error that ends a verb with one line on stderr and its exit code."""

    exit_code = 70


class UsageError(SonocartError):
    """The command line is wrong."""

    exit_code = 64


class DataError(SonocartError):
    """An input's content is not what it must be."""

    exit_code = 65


class NoInputError(SonocartError):
    """An input does not exist or cannot be read."""

    exit_code = 66


class UnavailableError(SonocartError):
    """A device, library or service that the verb needs is missing."""

    exit_code = 69


class InternalError(SonocartError):
    """A check of the kit's own work failed: parity, golden frames, a broken invariant."""

    exit_code = 70


class CannotCreateError(SonocartError):
    """An output cannot be written."""

    exit_code = 73


class TransferError(SonocartError):
    """Reading or writing failed half-way."""

    exit_code = 74


class BusyError(SonocartError):
    """Something is in use now and may be free later."""

    exit_code = 75


class RefusedError(SonocartError):
    """A hash, a signature or a permission does not hold; nothing was parsed."""

    exit_code = 77


class ConfigError(SonocartError):
    """A configuration file is wrong."""

    exit_code = 78


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """The end of a message about a word that is not known, empty if nothing is near it."""
    close = difflib.get_close_matches(found, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
