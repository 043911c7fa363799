"""What is wrong with a study, gathered, so that nobody mends one image a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge.errors import DataError, NoInputError, SonocartError

SHOWN = 20
"""Faults that a message names."""

CHECK = "sonocart study check STUDY --json"


class Faults:
    """Faults of a study's manifest and images, in the order they were met."""

    def __init__(self, command: str | None = None) -> None:
        """`command` names also those that a message has no room for, if there is one that can."""
        self._command = command
        self._found: list[SonocartError] = []

    @property
    def sentences(self) -> list[str]:
        """Each fault in words, with its file and the fix."""
        return [str(error) for error in self._found]

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keep what is wrong with the one line or image that is looked at in here."""
        try:
            yield
        except (DataError, NoInputError) as error:
            self._found.append(error)

    def refuse(self) -> None:
        """End here if there is any fault.

        Raises:
            DataError: several, all of them named.
            NoInputError, DataError: the only one.
        """
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise DataError(f"{len(self._found)} faults in the study; mend or remove what is named:\n{self}")

    def __str__(self) -> str:
        lines = [f"  {sentence}" for sentence in self.sentences[:SHOWN]]
        if len(self._found) > SHOWN:
            more = f"  and {len(self._found) - SHOWN} more"
            lines.append(more if self._command is None else f"{more}; all of them: {self._command}")
        return "\n".join(lines)
