"""What only some settings ask for: extras, the worklist, the page's files, each read as `run` reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from edge.errors import SonocartError
from edge.service.finding import Finding
from edge.settings import PageSettings, Settings


def extras(settings: Settings) -> Iterator[Finding]:
    """What only some settings need: SDL for the screen, pydicom's family for the archive."""
    asked = (
        ("screen", settings.screen.full, ("sdl2",), "--screen"),
        ("dicom", settings.dicom.queue is not None, ("pynetdicom", "highdicom"), "[dicom] queue"),
    )
    for extra, wanted, names, setting in asked:
        missing = [name for name in names if find_spec(name) is None]
        if wanted and missing:
            found = f"{setting} needs {' and '.join(missing)}, not installed"
            yield Finding(extra, False, found, f"pip install 'sonocart[{extra}]'")
        elif wanted:
            yield Finding(extra, True, f"{', '.join(names)} present")


def worklist(settings: Settings) -> Iterator[Finding]:
    """The file with the orders, as `run` reads it."""
    chosen = settings.dicom
    if chosen.queue is None or chosen.worklist is None or find_spec("pydicom") is None:
        return
    from edge.outputs.dicom.worklist import read_orders, read_worklist

    try:
        if chosen.identified:
            read_worklist(chosen.worklist, chosen.accession)
            yield Finding("worklist", True, f"one order in {chosen.worklist}")
            return
        orders, faults = read_orders(chosen.worklist)
    except SonocartError as error:
        yield Finding("worklist", False, str(error), f"mend or replace {chosen.worklist}")
        return
    if faults:
        yield Finding("worklist", False, "; ".join(faults), f"mend or replace {chosen.worklist}")
    else:
        yield Finding("worklist", True, f"{len(orders)} orders in {chosen.worklist}")


def page_files(page: PageSettings) -> Iterator[Finding]:
    """Certificate, key and tokens, read as `run` reads them."""
    from edge.outputs.page.access import read_tokens
    from edge.outputs.page.tls import load_tls

    reads: list[tuple[Path, Callable[[], object]]] = []
    if page.certificate is not None:
        reads.append((page.certificate, partial(load_tls, page.certificate, page.key)))
    if page.tokens is not None:
        reads.append((page.tokens, partial(read_tokens, page.tokens)))
    for path, read in reads:
        yield _read(path, read)


def _read(path: Path, read: Callable[[], object]) -> Finding:
    try:
        read()
    except SonocartError as error:
        fix = f"chown sonocart {path}; chmod 400 {path}; or mend [page]"
        return Finding("page's file", False, str(error).partition(". Run: ")[0], fix)
    return Finding("page's file", True, f"{path} can be used")
