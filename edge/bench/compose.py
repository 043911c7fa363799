"""A bench's result from its figures and all that every bench records beside them."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata

from edge.bench.conditions import Conditions
from edge.bench.environment import read_environment
from edge.bench.result import SCHEMA, Comparison, Result, Settings, Track, summarise
from edge.contract.bundle import Bundle
from edge.sources.base import SourceInfo


def compose(
    bench: str,
    bundle: Bundle,
    subject: Mapping[str, str],
    settings: Settings,
    conditions: Conditions,
    tracks: Sequence[Track],
    *,
    figures: Mapping[str, float],
    notes: Sequence[str],
    reference: str | None = None,
    comparisons: Sequence[Comparison] = (),
    series: Mapping[str, list[float]] | None = None,
) -> Result:
    """See `Result` for the fields; model and bundle come before `subject`."""
    return Result(
        schema=SCHEMA,
        bench=bench,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        sonocart=metadata.version("sonocart"),
        command=["sonocart", *sys.argv[1:]],
        subject={"model": bundle.spec.name, "bundle": bundle.id, **subject},
        settings=settings,
        environment=read_environment(),
        conditions=conditions,
        reference=reference,
        comparisons=list(comparisons),
        figures=dict(figures),
        series=dict(series or {}),
        notes=list(notes),
        summary={track.name: summarise(track) for track in tracks},
        tracks=list(tracks),
    )


def source_words(info: SourceInfo) -> str:
    """A source in a line."""
    return f"{info.name}, {info.width}x{info.height} at {info.rate:g} frames a second"
