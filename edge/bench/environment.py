"""What a figure depends on besides the code: the machine, its clocks and power mode, and the packages."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

import msgspec

from edge.bench.files import ROOT, fields, number, text

PACKAGES = ("sonocart", "numpy", "opencv-python", "onnxruntime", "av", "simplejpeg", "pycuda", "tensorrt")
VECTOR_FLAGS = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8"),
    *("asimd", "asimddp", "i8mm", "sve"),
)
"""CPU features that decide how fast INT8 runs and whether it saturates."""


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that stays the same during a run. None: this machine does not say.

    Attributes:
        board: from the device tree, for instance "NVIDIA Jetson AGX Orin Developer Kit".
        cpu: the processor's own name.
        vector: those of `VECTOR_FLAGS` that it has.
        virtual: True inside a virtual machine, where others' work does not show in /proc/stat but as steal.
        cores: online.
        cores_allowed: to this process, by its affinity.
        cpu_quota: CPUs that the control group grants, or None without a limit.
        memory_mb: total.
        l4t: Jetson Linux release.
        power_mode: of nvpmodel, number and name.
        boost: whether the CPU may exceed its nominal clock.
        clocks: governor, lowest and highest allowed clock by domain: CPU policies and, on a Jetson, devfreq.
        isolated: cores kept apart by the kernel.
        realtime: PREEMPT_RT kernel.
        packages: versions of what computes; packages that are not installed are left out.
    """

    board: str | None
    cpu: str
    architecture: str
    vector: list[str]
    virtual: bool
    cores: int
    cores_allowed: int
    cpu_quota: float | None
    memory_mb: int | None
    kernel: str
    system: str | None
    l4t: str | None
    power_mode: str | None
    boost: bool | None
    clocks: dict[str, str]
    isolated: str | None
    realtime: bool
    python: str
    packages: dict[str, str]


def read_environment(root: Path = ROOT) -> Environment:
    """Describe the machine whose files lie under `root`."""
    cpuinfo = fields(root / "proc/cpuinfo")
    flags = (cpuinfo.get("flags") or cpuinfo.get("Features") or "").split()
    board = text(root / "proc/device-tree/model")
    memory = re.match(r"\d+", fields(root / "proc/meminfo").get("MemTotal", ""))
    return Environment(
        board=board,
        cpu=cpuinfo.get("model name") or cpuinfo.get("CPU part") or "unknown",
        architecture=platform.machine(),
        vector=[flag for flag in VECTOR_FLAGS if flag in flags],
        virtual="hypervisor" in flags,
        cores=os.cpu_count() or 1,
        cores_allowed=len(os.sched_getaffinity(0)),
        cpu_quota=_quota(text(root / "sys/fs/cgroup/cpu.max")),
        memory_mb=int(memory[0]) // 1024 if memory else None,
        kernel=text(root / "proc/sys/kernel/osrelease") or platform.release(),
        system=fields(root / "etc/os-release", "=").get("PRETTY_NAME"),
        l4t=text(root / "etc/nv_tegra_release"),
        power_mode=_power_mode(root),
        boost=_boost(root),
        clocks=_clocks(root),
        isolated=text(root / "sys/devices/system/cpu/isolated") or None,
        realtime=number(root / "sys/kernel/realtime") == 1,
        python=platform.python_version(),
        packages=_packages(),
    )


def _quota(content: str | None) -> float | None:
    quota, _, period = (content or "max").partition(" ")
    return None if quota == "max" else int(quota) / int(period)


def _power_mode(root: Path) -> str | None:
    """The choice of nvpmodel, `pmode:0002`, with its name from the board's table."""
    status = re.fullmatch(r"pmode:(\d+).*", text(root / "var/lib/nvpmodel/status") or "")
    if status is None:
        return None
    mode = int(status[1])
    table = text(root / "etc/nvpmodel.conf") or ""
    name = re.search(rf"<\s*POWER_MODEL\s+ID={mode}\s+NAME=(\S+)\s*>", table)
    return f"{mode} {name[1]}" if name else str(mode)


def _boost(root: Path) -> bool | None:
    cpu = root / "sys/devices/system/cpu"
    allowed = number(cpu / "cpufreq/boost")
    if allowed is not None:
        return allowed == 1
    forbidden = number(cpu / "intel_pstate/no_turbo")
    return None if forbidden is None else forbidden == 0


def _clocks(root: Path) -> dict[str, str]:
    found = {}
    for policy in sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*")):
        lowest, highest = number(policy / "scaling_min_freq"), number(policy / "scaling_max_freq")
        found[policy.name] = f"{text(policy / 'scaling_governor')} {lowest}-{highest} kHz"
    for device in sorted((root / "sys/class/devfreq").glob("*")):
        lowest, highest = number(device / "min_freq"), number(device / "max_freq")
        found[device.name] = f"{text(device / 'governor')} {lowest}-{highest} Hz"
    return found


def _packages() -> dict[str, str]:
    installed = {package.name: package.version for package in metadata.distributions()}
    return {name: installed[name] for name in PACKAGES if name in installed}
