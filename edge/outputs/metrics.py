"""What Prometheus is told: text format 0.0.4, every name in `NAMES` with its meaning.

Counters and histograms are fed once a presented picture; stage times, and what others count, are taken when
somebody asks, so that the loop pays nothing for them.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge.contract.frame import Frame
from edge.exam.baseline import Baseline, drift
from edge.exam.evidence import RiskEstimate
from edge.exam.reading import Identity, Reading
from edge.exam.signal import State
from edge.timing import Timing

NAMES: dict[str, tuple[str, str]] = {
    "sonocart_info": ("gauge", "always 1; the labels name model, bundle and precision"),
    "sonocart_signal_state": ("gauge", "1 for the present state of the signal, 0 for the others"),
    "sonocart_picture_age_seconds": ("gauge", "since a picture was last presented"),
    "sonocart_picture_rate_hertz": (
        "gauge",
        "new pictures presented a second, over the last second; repeated ones do not count",
    ),
    "sonocart_pictures_presented_total": ("counter", "pictures presented"),
    "sonocart_pictures_dropped_total": ("counter", "pictures captured and replaced by a newer one"),
    "sonocart_pictures_torn_total": ("counter", "pictures presented and not analysed: a part was older"),
    "sonocart_pictures_withheld_total": ("counter", "pictures presented without a risk"),
    "sonocart_estimate_age_seconds": ("gauge", "age of the risk's newest frame; absent without a risk"),
    "sonocart_latency_seconds": ("histogram", "from a picture's capture to its presentation"),
    "sonocart_stage_seconds": ("histogram", "wall time of a stage of the pipeline"),
    "sonocart_risk": ("histogram", "risks, one for each newly analysed frame; a drift changes its shape"),
    "sonocart_risk_drift": (
        "gauge",
        "population stability index of the risks against the site's acceptance; absent without a baseline",
    ),
    "sonocart_temperature_celsius": ("gauge", "of the cart's hottest zone; absent where it has none"),
    "sonocart_risk_slowed": ("gauge", "1 while the network is asked less often because the cart is warm"),
    "sonocart_page_viewers": ("gauge", "viewers connected to the page"),
    "sonocart_pictures_lost_total": (
        "counter",
        "pictures that by the source's own numbers never arrived whole",
    ),
    "sonocart_source_events_total": (
        "counter",
        "what a card or OpenIGTLink counts, by kind: restarts, lost or unusable pictures; absent for others",
    ),
    "sonocart_network_failures_total": ("counter", "pictures that the network gave no answer for"),
    "sonocart_network_replacements_total": ("counter", "times that the network's engine was built anew"),
    "sonocart_log_lines_lost_total": (
        "counter",
        "lines of the session's log that the disk was too slow for; absent without a log",
    ),
    "sonocart_journal_lines_lost_total": ("counter", "lines that the journal did not take"),
}
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.5, 1.0)
RISKS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(slots=True)
class _Histogram:
    """Counts by upper bound; the last is without bound."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, label: str = "") -> list[str]:
        """Cumulative, as the format wants it."""
        found, reached = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            reached += count
            found.append(f'{name}_bucket{{{label}le="{bound}"}} {reached}')
        braces = f"{{{label.rstrip(',')}}}" if label else ""
        return [*found, f"{name}_sum{braces} {self.total:.9g}", f"{name}_count{braces} {reached}"]


class Metrics:
    """An output of the loop, and the answer to /metrics."""

    def __init__(self, identity: Identity, timing: Timing, baseline: Baseline | None = None):
        """Nothing counted yet; `timing` is read when somebody asks, drift is told against `baseline`."""
        self._baseline = baseline
        self._identity = identity
        self._timing = timing
        self._lock = threading.Lock()
        self._stages: dict[str, tuple[int, _Histogram]] = {}
        self._latency = _Histogram(SECONDS)
        self._risk = _Histogram(RISKS)
        self._presented = 0
        self._withheld = 0
        self._presented_ns: int | None = None
        self._analysed = -1  # sequence of the newest frame in the last risk
        self._reading: Reading | None = None
        self._watched: dict[str, Callable[[], int | Mapping[str, int]]] = {}

    def watch(self, name: str, count: Callable[[], int | Mapping[str, int]]) -> None:
        """Ask `count`, in any thread, for the counter `name` of `NAMES`; a mapping is by the label "kind"."""
        self._watched[name] = count

    def present(self, frame: Frame, reading: Reading) -> None:
        """Count a picture; see `Output.present`."""
        now_ns = time.monotonic_ns()
        with self._lock:
            self._presented += 1
            self._presented_ns = now_ns
            self._latency.add((now_ns - frame.captured_ns) / 1e9)
            estimate = reading.estimate
            if not isinstance(estimate, RiskEstimate):
                self._withheld += 1
            elif estimate.sequence != self._analysed:
                self._analysed = estimate.sequence
                self._risk.add(estimate.risk)
            self._reading = reading

    def note(self, reading: Reading) -> None:
        """No picture has come, and this is what is said now."""
        self._reading = reading

    def exposition(self, viewers: int) -> str:
        """Everything as text. Stage times are those since the last call, as far as `Timing` keeps them."""
        with self._lock:
            families = self._families(viewers)
        lines = []
        for name, (kind, meaning) in NAMES.items():
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *families.get(name, ())]
        return "\n".join(lines) + "\n"

    def _families(self, viewers: int) -> dict[str, list[str]]:
        reading, identity = self._reading, self._identity
        labels = ",".join(
            f'{name}="{_escaped(value)}"'
            for name, value in (
                ("model", identity.model),
                ("bundle", identity.bundle),
                ("precision", identity.precision),
            )
        )
        single: dict[str, float] = {
            "sonocart_pictures_presented_total": self._presented,
            "sonocart_pictures_withheld_total": self._withheld,
            "sonocart_page_viewers": viewers,
        }
        if self._presented_ns is not None:
            single["sonocart_picture_age_seconds"] = (time.monotonic_ns() - self._presented_ns) / 1e9
        if reading is not None:
            single["sonocart_picture_rate_hertz"] = reading.rate
            single["sonocart_pictures_dropped_total"] = reading.dropped
            single["sonocart_pictures_torn_total"] = reading.torn
            single["sonocart_risk_slowed"] = bool(reading.slowed)
            if reading.celsius is not None:
                single["sonocart_temperature_celsius"] = reading.celsius
            if reading.age_ms is not None:
                single["sonocart_estimate_age_seconds"] = reading.age_ms / 1e3
        if self._baseline is not None:
            single["sonocart_risk_drift"] = drift(self._baseline.share, self._risk.counts[:-1])
        state = State.NO_SIGNAL if reading is None else reading.state
        return {name: [f"{name} {value:.9g}"] for name, value in single.items()} | {
            "sonocart_info": [f"sonocart_info{{{labels}}} 1"],
            "sonocart_signal_state": [
                f'sonocart_signal_state{{state="{one.value}"}} {int(one is state)}' for one in State
            ],
            "sonocart_latency_seconds": self._latency.lines("sonocart_latency_seconds"),
            "sonocart_risk": self._risk.lines("sonocart_risk"),
            "sonocart_stage_seconds": self._stage_lines(),
            **{name: _counted(name, count()) for name, count in self._watched.items()},
        }

    def _stage_lines(self) -> list[str]:
        lines = []
        for stage in self._timing.stages:
            since, histogram = self._stages.get(stage, (0, _Histogram(SECONDS)))
            now = self._timing.count(stage)
            for wall_ms in self._timing.samples(stage, since)[: now - since, 0]:
                histogram.add(wall_ms / 1e3)
            self._stages[stage] = now, histogram
            lines += histogram.lines("sonocart_stage_seconds", f'stage="{_escaped(stage)}",')
        return lines


def _counted(name: str, count: int | Mapping[str, int]) -> list[str]:
    if isinstance(count, int):
        return [f"{name} {count}"]
    return [f'{name}{{kind="{_escaped(kind)}"}} {number}' for kind, number in list(count.items())]


def _escaped(text: str) -> str:
    """A label's value."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
