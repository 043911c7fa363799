"""What happened to the machine during a run: others' work, temperature, throttling, clocks, energy.

Nothing is read by a second thread, which would disturb what is measured: the bench calls `Watch.look`
between two queries.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edge.bench.files import ROOT, fields, number, text

LOOK_SECONDS = 0.25
_PACKAGE = "package"  # what RAPL's names of whole processors begin with


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of one run. Empty where the machine has no such sensor.

    Attributes:
        seconds: from the first to the last look.
        own_cpu_seconds: CPU time of this process and its children.
        own_share: the same over all cores' time.
        others_share: CPU time of all other processes and of the kernel's interrupts, over all cores' time.
        steal_share: time in which the hypervisor ran another machine, over all cores' time.
        celsius: highest temperature seen by thermal zone.
        throttled: by counter, how many throttle events were counted during the run; by cooling device,
            the highest state seen above 0.
        khz: lowest and highest current clock seen by domain.
        joules: energy by rail or package. Rails of an INA3221 are power readings integrated over the looks;
            the chip itself averages between them. One rail may hold another: see `whole_joules`.
        memory_mb: resident memory of this process and its children at the last look, and the peak seen.
    """

    seconds: float
    own_cpu_seconds: float
    own_share: float
    others_share: float
    steal_share: float
    celsius: dict[str, float]
    throttled: dict[str, int]
    khz: dict[str, tuple[int, int]]
    joules: dict[str, float]
    memory_mb: float
    memory_peak_mb: float


class Watch:
    """Follows the machine from its construction to `conditions()`."""

    def __init__(self, root: Path = ROOT) -> None:
        """Take the first look at the machine whose files lie under `root`."""
        self._root = root
        self._started = self._next = time.monotonic()
        self._cpu = _cpu_seconds(root)
        self._own = tree_cpu_seconds(os.getpid(), root)
        self._counters = _throttle_counters(root)
        self._packages = _package_energy(root)
        self._rails = _power_rails(root)
        self._seen_at = self._started
        self.celsius: dict[str, float] = {}  # highest so far by thermal zone
        self._cooling: dict[str, int] = {}
        self._khz: dict[str, tuple[int, int]] = {}
        self._joules: dict[str, float] = dict.fromkeys(self._rails, 0.0)
        self._memory = self._memory_peak = 0.0
        self.look(force=True)

    def look(self, *, force: bool = False) -> None:
        """Read the sensors if it is time; cheap otherwise."""
        now = time.monotonic()
        if now < self._next and not force:
            return
        self._next = now + LOOK_SECONDS
        for zone in (self._root / "sys/class/thermal").glob("thermal_zone*"):
            reading = number(zone / "temp")
            if reading is not None and reading > -100_000:  # a zone that is off gives an absurd value
                name = text(zone / "type") or zone.name
                self.celsius[name] = max(self.celsius.get(name, -273.0), reading / 1000)
        for device in (self._root / "sys/class/thermal").glob("cooling_device*"):
            state = number(device / "cur_state")
            name = f"{text(device / 'type')}/{device.name}"
            # A fan is a cooling device too, and its turning is no throttling.
            if state and "fan" not in name.lower():
                self._cooling[name] = max(self._cooling.get(name, 0), state)
        for name, khz in _current_clocks(self._root).items():
            lowest, highest = self._khz.get(name, (khz, khz))
            self._khz[name] = (min(lowest, khz), max(highest, khz))
        for rail, (volts, amperes) in self._rails.items():
            milliwatts = (number(volts) or 0) * (number(amperes) or 0) / 1000
            self._joules[rail] += milliwatts / 1000 * (now - self._seen_at)
        self._memory = tree_memory_mb(os.getpid(), self._root)
        self._memory_peak = max(self._memory_peak, self._memory)
        self._seen_at = now

    def conditions(self) -> Conditions:
        """Take the last look and sum up."""
        self.look(force=True)
        now = {name: value - self._cpu[name] for name, value in _cpu_seconds(self._root).items()}
        total = max(sum(now.values()), 1e-9)
        own = tree_cpu_seconds(os.getpid(), self._root) - self._own
        busy = total - now["idle"] - now["steal"]
        throttled = {
            name: count - self._counters.get(name, 0)
            for name, count in _throttle_counters(self._root).items()
            if count > self._counters.get(name, 0)
        }
        energy = {
            name: ((joules - self._packages[name][0]) % self._packages[name][1])
            for name, (joules, _) in _package_energy(self._root).items()
            if name in self._packages
        }
        return Conditions(
            seconds=round(time.monotonic() - self._started, 3),
            own_cpu_seconds=round(own, 3),
            own_share=round(min(1.0, own / total), 4),
            others_share=round(max(0.0, busy - own) / total, 4),
            steal_share=round(now["steal"] / total, 4),
            celsius=self.celsius,
            throttled={**throttled, **self._cooling},
            khz=self._khz,
            joules={name: round(joules, 4) for name, joules in {**self._joules, **energy}.items()},
            memory_mb=round(self._memory, 1),
            memory_peak_mb=round(self._memory_peak, 1),
        )


def tree_cpu_seconds(pid: int, root: Path = ROOT) -> float:
    """CPU seconds of a process and of its living descendants; children that ended count with their parent."""
    ticks = 0
    for member in _tree(pid, root):
        stat = text(root / f"proc/{member}/stat")
        if stat is not None:
            # The name, second, may hold blanks and brackets: count from behind it. proc(5) fields 14 to 17.
            ticks += sum(int(value) for value in stat.rpartition(")")[2].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def tree_memory_mb(pid: int, root: Path = ROOT) -> float:
    """Proportional set size of a process and its descendants; resident size where the kernel has no PSS."""
    total = 0.0
    for member in _tree(pid, root):
        for name, key in (("smaps_rollup", "Pss"), ("status", "VmRSS")):
            value = fields(root / f"proc/{member}/{name}").get(key)
            if value is not None:
                total += int(value.split()[0]) / 1024
                break
    return total


def tree_own_memory_mb(pid: int, root: Path = ROOT) -> float:
    """What a process and its descendants have of their own: no files, whose pages others may come to share.

    The proportional set size grows by the libraries of every other program with the same ones that ends.
    """
    total = 0.0
    for member in _tree(pid, root):
        rollup = fields(root / f"proc/{member}/smaps_rollup")
        total += sum(int(rollup[key].split()[0]) for key in ("Pss_Anon", "Pss_Shmem") if key in rollup) / 1024
    return total or tree_memory_mb(pid, root)  # kernels before 5.4 do not tell


def _tree(pid: int, root: Path) -> list[int]:
    found = [pid]
    for member in found:  # grows while it is walked
        for children in (root / f"proc/{member}/task").glob("*/children"):
            found += [int(child) for child in (text(children) or "").split()]
    return found


def _cpu_seconds(root: Path) -> dict[str, float]:
    """Seconds of all cores together since boot, proc(5) /proc/stat: busy, idle (with iowait), steal."""
    line = (text(root / "proc/stat") or "cpu").splitlines()[0].split()[1:9]
    user, nice, system, idle, iowait, irq, softirq, steal = (
        int(value) / os.sysconf("SC_CLK_TCK") for value in line or ["0"] * 8
    )
    return {"busy": user + nice + system + irq + softirq, "idle": idle + iowait, "steal": steal}


def _throttle_counters(root: Path) -> dict[str, int]:
    """Events since boot: over-current of a Jetson's soctherm, thermal throttling of x86 cores."""
    found = {}
    files = [
        *(root / "sys/class/hwmon").glob("hwmon*/oc*_event_cnt"),
        *(root / "sys/devices/system/cpu").glob("cpu*/thermal_throttle/core_throttle_count"),
    ]
    for file in files:
        count = number(file)
        if count is not None:
            found["/".join(file.relative_to(root).parts[-3:])] = count
    return found


def _current_clocks(root: Path) -> dict[str, int]:
    found = {}
    for policy in (root / "sys/devices/system/cpu/cpufreq").glob("policy*"):
        khz = number(policy / "scaling_cur_freq")
        if khz is not None:
            found[policy.name] = khz
    for device in (root / "sys/class/devfreq").glob("*"):
        hertz = number(device / "cur_freq")
        if hertz is not None:
            found[device.name] = hertz // 1000
    return found


def whole_joules(joules: Mapping[str, float]) -> float | None:
    """Energy of the whole module or of all processors; None where it is not known which rail holds which.

    Args:
        joules: by rail or package. A Jetson's VDD_IN holds its other rails; packages hold no others.
    """
    if "VDD_IN" in joules:
        return joules["VDD_IN"]
    packages = [value for name, value in joules.items() if name.startswith(_PACKAGE)]
    return sum(packages) if packages else None


def _package_energy(root: Path) -> dict[str, tuple[float, float]]:
    """RAPL by package: joules so far and where the counter wraps. Most kernels let only root read it.

    Cores, graphics and memory are zones inside a package, named 0:0; psys is one around all packages.
    """
    found = {}
    for zone in (root / "sys/class/powercap").glob("intel-rapl:*"):
        name = text(zone / "name") or ""
        used, wraps = number(zone / "energy_uj"), number(zone / "max_energy_range_uj")
        top = re.fullmatch(r"intel-rapl:\d+", zone.name) and name.startswith(_PACKAGE)
        if top and used is not None and wraps:
            found[name] = (used / 1e6, wraps / 1e6)
    return found


def _power_rails(root: Path) -> dict[str, tuple[Path, Path]]:
    """Files of millivolts and milliamperes by rail of every INA3221, the power monitor of Jetson boards."""
    found = {}
    for chip in (root / "sys/class/hwmon").glob("hwmon*"):
        if text(chip / "name") != "ina3221":
            continue
        for channel in (1, 2, 3):
            volts, amperes = chip / f"in{channel}_input", chip / f"curr{channel}_input"
            label = text(chip / f"in{channel}_label")
            if label and number(volts) is not None and number(amperes) is not None:
                found[label] = (volts, amperes)
    return found
