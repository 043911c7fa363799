"""Reading the small text files of /proc and /sys, any of which may be missing."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def text(path: Path) -> str | None:
    """Content without surrounding blanks and NULs, or None where the file is missing or may not be read."""
    try:
        return path.read_text(errors="replace").strip("\0 \n\t")
    except OSError:
        return None


def number(path: Path) -> int | None:
    """The decimal number in a file, or None."""
    content = text(path)
    try:
        return None if content is None else int(content)
    except ValueError:
        return None


def fields(path: Path, separator: str = ":") -> dict[str, str]:
    """`key: value` lines; the first of several equal keys counts (/proc/cpuinfo repeats them per core)."""
    found: dict[str, str] = {}
    for line in (text(path) or "").splitlines():
        key, mark, value = line.partition(separator)
        if mark:
            found.setdefault(key.strip(), value.strip().strip('"'))
    return found
