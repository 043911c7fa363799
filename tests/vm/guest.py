"""Makes the guest of the virtual cart, or says why this machine can have none."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
from pathlib import Path

PACKAGES = (
    "linux-source-6.12 gcc make flex bison bc mmdebstrap e2fsprogs kmod xz-utils binutils uml-utilities"
)
TOOLS = (
    "gcc",
    "make",
    "flex",
    "bison",
    "bc",
    "mmdebstrap",
    "mkfs.ext4",
    "depmod",
    "xz",
    "ar",
    "uml_watchdog",
)
SOURCE = Path("/usr/src/linux-source-6.12.tar.xz")
APT = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::http::Timeout=30"]
APT_S = 600.0


class UnableError(Exception):
    """This machine can have no virtual cart, or has lost it; the text says why."""


def make_guest(cache: Path, patience_s: float | None) -> None:
    """Kernel and disk in `cache`, see guest.sh; what is there already is kept, also of an attempt broken off.

    Ten minutes on two free processors.

    Raises:
        UnableError: no root, a package that is not to be had, a build that fails or takes for ever.
    """
    lacking = _lacking()
    if lacking:
        raise UnableError(f"it needs {lacking}")
    code = _run([str(Path(__file__).with_name("guest.sh")), str(cache)], patience_s)
    if code != 0:
        raise UnableError(f"its kernel or its Debian cannot be made: exit {code}; see {cache}/kernel.log")


def _lacking() -> str:
    """What this machine lacks after an attempt to install it; empty if nothing."""
    if platform.machine() != "x86_64":
        return "an x86-64 processor"
    if os.geteuid() != 0:
        return "root, for file systems and packages"
    if _missing() and shutil.which("apt-get") is not None:
        for command in ("update", f"install -y --no-install-recommends {PACKAGES}"):
            _run([*APT, *command.split()], APT_S)  # what is missing afterwards is named
    missing = _missing()
    return f"{', '.join(missing)}: apt-get install {PACKAGES}" if missing else ""


def _run(command: list[str], patience_s: float | None) -> int:
    """Its exit code; 124 when it took too long, and then nothing of it is left running."""
    silent = subprocess.DEVNULL
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with subprocess.Popen(command, stdin=silent, stdout=silent, env=quiet, start_new_session=True) as process:
        try:
            return process.wait(patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return 124


def _missing() -> list[str]:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return missing if SOURCE.exists() else [*missing, str(SOURCE)]
