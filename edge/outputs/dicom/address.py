"""Where a PACS is. Needs nothing of the extra `dicom`, so that a configuration can be checked anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Pacs:
    """Where to: application entity title, host and port, and the title that the kit calls itself."""

    title: str
    host: str
    port: int
    own_title: str = "SONOCART"

    def __post_init__(self) -> None:
        for title in (self.title, self.own_title):
            if not re.fullmatch(r"(?=.*\S)[\x20-\x5b\x5d-\x7e]{1,16}", title):
                raise UsageError(f"'{title}' is no application entity title: 1 to 16 ASCII characters")
        if not self.host or not 0 < self.port < 65536:
            raise UsageError(f"'{self.host}:{self.port}' is no address, expected HOST:PORT")

    def __str__(self) -> str:
        """As `parse` reads it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.title}@{host}:{self.port}"

    @classmethod
    def parse(cls, text: str, own_title: str) -> Pacs:
        """From `AET@HOST:PORT`; an IPv6 host stands in brackets."""
        match = re.fullmatch(r"([^@]+)@(?:\[([0-9A-Fa-f:.%]+)\]|([^@:\[\]\s]+)):([0-9]{1,5})", text)
        if match is None:
            raise UsageError(f"'{text}' is no PACS, expected AET@HOST:PORT, such as ARCHIVE@10.0.0.5:104")
        return cls(match[1], match[2] or match[3], int(match[4]), own_title)
