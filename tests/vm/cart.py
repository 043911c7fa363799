"""The virtual cart: boots the packaged service on a real V4L2 HDMI device and breaks one thing after another.

  python tests/vm/cart.py --deb dist/sonocart_0.1.0_amd64.deb            all scenarios, as a table
  python tests/vm/cart.py --deb ... --rows 1,27 --json result.json       some rows of the table of faults
  python tests/vm/cart.py --deb ... --core                               what continuous integration runs

The guest is Debian 12 on User-Mode Linux with the kernel's `vivid` as capture card and scanner: no
virtualization is needed, and programs run at the machine's own speed. Kernel and base system are kept in the
cache folder; see guest.sh. The package is installed, upgraded and purged in the running guest.
Exit code 0 when every scenario passed, 1 when one did not, 69 where the machine cannot do it. What is late
while the host has no time for the guest is tried again, twice at most, and then not judged; a wrong exit code
or process is a failure on any machine.
With --core times are printed and not judged, what fails is tried once more in any case, a guest that is lost
too, and the exit code is 1 where something failed or nothing passed: a machine that is slow here and there,
or can have no guest, makes none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from guest import UnableError, make_guest  # noqa: E402 - a folder of its own
from machine import Machine  # noqa: E402
from material import make_material  # noqa: E402
from table import Result, exit_code, print_progress, print_table  # noqa: E402

HANGS = "kernel hangs, hardware watchdog"
BUILD_S = 1500.0  # until the core gives up kernel and Debian
CORE_S = 900.0  # until the core begins no further scenario


def main() -> int:
    """Make the guest, run it, print the table."""
    args = _arguments()
    cache = args.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    unable = ""
    try:
        _make(cache, args.deb, BUILD_S if args.core else None)
        words = "core" if args.core else f"rows={args.rows}"
        try:
            _run(Machine(cache, words), results, CORE_S if args.core else float("inf"))
        except UnableError as error:
            if not (args.core and results):
                raise
            print(f"the guest was lost and is started once more: {error}", file=sys.stderr, flush=True)
            results.clear()
            _run(Machine(cache, words), results, CORE_S)
    except UnableError as error:
        unable = str(error)
    finally:  # also of a run that was broken off
        if results:
            print_table(results)
        if args.json is not None:
            args.json.write_text(json.dumps(results, indent=2) + "\n")
    if unable:
        what = "the guest was lost" if results else "no virtual cart on this machine"
        print(f"{'skipped: ' if args.core else ''}{what}: {unable}")
    return exit_code(results, unable, core=args.core)


def _make(cache: Path, deb: Path, patience_s: float | None) -> None:
    """Make whatever of the guest is not there yet.

    Raises:
        UnableError: this machine cannot.
    """
    begin = time.monotonic()
    try:
        make_guest(cache, patience_s)
        make_material(cache / "share", deb)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnableError(f"the guest cannot be made: {error}") from error
    print(f"guest made in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deb", type=Path, required=True)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--cache", type=Path, default=cache / "sonocart-vm")
    parser.add_argument("--rows", default="", help="of the table of faults, with commas between")
    parser.add_argument("--core", action="store_true")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _run(machine: Machine, results: list[Result], limit_s: float) -> None:
    """Boot, as often as the power is cut or the kernel hangs, and collect what the guest says.

    Raises:
        UnableError: it does not boot, falls silent or ends by itself.
    """
    begin = time.monotonic()
    reset_s: float | None = None
    while True:
        machine.power_on()
        cut = False
        try:
            for message in machine.messages():
                if "again" in message:
                    print_progress(message)
                elif "fault" in message:
                    if message["fault"] == HANGS and reset_s is not None:
                        message["seen"] = f"{message['seen']}; reset after {reset_s:.0f} s"
                    results.append(message)
                    print_progress(message)
                    if time.monotonic() - begin > limit_s:
                        print(f"{limit_s:.0f} s are over: what is left is not run", file=sys.stderr)
                        return
                elif "cut" in message:
                    cut = True
                    if message["cut"] == HANGS:
                        reset_s = machine.hang()
                    break
                elif "end" in message:
                    return
                else:
                    print(message, file=sys.stderr, flush=True)
        except TimeoutError as error:
            raise UnableError(str(error)) from error
        finally:
            machine.cut_power()
        if not cut:
            raise UnableError("the guest does not boot, or has gone; see console.log in the cache")


if __name__ == "__main__":
    sys.exit(main())
