"""`sonocart bench threads`: how many threads ONNX Runtime takes on this machine, and whether they spin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.bench.compose import compose
from edge.bench.engine import compare_tracks, query
from edge.bench.measure import single_stream
from edge.bench.result import Result, Settings, Track
from edge.bench.rule import Rule
from edge.bench.statistics import percentile
from edge.contract.bundle import Bundle
from edge.engines.base import Engine
from edge.engines.golden import check_golden, read_golden_tensors

DEARER = 1.15
"""CPU time of the choice over the cheapest setting's, at most: what the network takes beyond need is taken
from decoding, drawing and encoding."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How ONNX Runtime works: `threads` of one inference; those that `spin` wait busily for the next."""

    threads: int
    spin: bool

    def __str__(self) -> str:
        """For tables."""
        return f"{self.threads} thread{'s' * (self.threads != 1)}{', spinning' * self.spin}"


def settings_for(cores: int) -> list[Setting]:
    """What is tried: 1, 2, 4 ... threads up to the number of `cores`; one thread has nobody to wait for."""
    counts = sorted({*(1 << k for k in range(cores.bit_length()) if 1 << k <= cores), cores})
    return [Setting(count, spin) for count in counts for spin in (False, True) if count > 1 or not spin]


def choose(tracks: Sequence[Track]) -> int:
    """Index of the track with the least median wall time of those whose CPU time is within `DEARER`."""
    cpu = [float(track.cpu().mean()) for track in tracks]
    wall = [percentile(track.wall(), 0.5) for track in tracks]
    return min((k for k in range(len(tracks)) if cpu[k] <= DEARER * min(cpu)), key=wall.__getitem__)


def measure_threads(
    bundle: Bundle,
    precision: str,
    tried: Sequence[Setting],
    open_engine: Callable[[Setting], Engine],
    rule: Rule,
    settings: Settings,
    progress: Callable[[float], None],
) -> tuple[Setting, Result]:
    """Time the bundle's engine in every setting, in turns; the choice, and all that was measured.

    Args:
        bundle: verified.
        precision: of the engine.
        tried: the first is the reference of the ratios.
        open_engine: for a setting; must give the golden outputs.
        rule: how long.
        settings: for the record.
        progress: told the part that is done, 0 to 1.

    Raises:
        InternalError: an engine does not give the golden outputs.
    """
    tensors = read_golden_tensors(bundle)
    engines: dict[str, Engine] = {}
    try:
        for setting in tried:
            engines[str(setting)] = engine = open_engine(setting)
            check_golden(bundle, engine, precision)
        queries = {name: query(engine, tensors) for name, engine in engines.items()}
        tracks, conditions = single_stream(queries, rule, progress)
    finally:
        for engine in engines.values():
            engine.close()
    chosen = tried[choose(tracks)]
    result = compose(
        "threads",
        bundle,
        {"precision": precision, "choice": str(chosen)},
        settings,
        conditions,
        tracks,
        reference=tracks[0].name,
        comparisons=[found for track in tracks[1:] for found in compare_tracks(track, tracks[0])],
        figures={"choice: threads": chosen.threads, "choice: spin": float(chosen.spin)},
        notes=[
            f"Chosen is the least median wall time of the settings whose CPU time is at most {DEARER} of the "
            "cheapest one's: decoding, drawing and encoding share these cores. CPU time is the process's, "
            "busy waiting included. Choose on a machine that does nothing else.",
        ],
    )
    return chosen, result
