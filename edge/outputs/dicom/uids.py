"""Unique identifiers that are the same each time the same thing is written."""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.UUID("6d0cf1f4-3a0b-5d53-9c0a-6a3f0f0c7d11")


def uid(*parts: str) -> str:
    """A DICOM UID below 2.25 (PS3.5 B.2: a UUID as one integer) that follows from `parts`.

    Writing an examination twice gives the same identifiers, so a PACS keeps one copy of it.
    """
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(f'{len(part)}:{part}' for part in parts)).int}"


IMPLEMENTATION = uid("implementation")
"""Implementation Class UID of the kit (PS3.7 D.3.3.2)."""
