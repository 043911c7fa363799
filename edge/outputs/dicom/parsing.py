"""Reading foreign DICOM without pydicom's own checks, which print values; its switches are the process's."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pydicom

_ALONE = threading.Lock()
"""Two that overlap would each restore what the other had set, and leave it so for ever."""


@contextmanager
def unvalidated(*, strict: bool = False) -> Iterator[None]:
    """No value is validated; where `strict`, a warning of this thread is raised, and no other's."""
    with _ALONE, pydicom.config.disable_value_validation(), warnings.catch_warnings():
        if strict:
            own, show = threading.get_ident(), warnings.showwarning

            def raise_own(
                message: Warning | str,
                category: type[Warning],
                filename: str,
                lineno: int,
                file: TextIO | None = None,
                line: str | None = None,
            ) -> None:
                if threading.get_ident() == own:
                    raise message if isinstance(message, Warning) else category(message)
                show(message, category, filename, lineno, file, line)

            warnings.simplefilter("always")
            warnings.showwarning = raise_own
        yield
