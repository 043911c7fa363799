"""The virtual cart: boots the packaged service on a real V4L2 HDMI device and breaks one thing after another.

  python tests/vm/cart.py --deb dist/sonocart_0.1.0_amd64.deb            all scenarios, as a table
  python tests/vm/cart.py --deb ... --rows 1,27 --json result.json       some rows of the table of faults

The guest is Debian 12 with the kernel's `vivid` as the capture card, under QEMU: with KVM where that works,
else in plain emulation. Kernel and base system are kept in the cache folder; see guest.sh.
Exit code 0 when every scenario passed, 1 when one failed, 69 where the machine cannot do it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
TOOLS = ("qemu-system-x86_64", "qemu-img", "mmdebstrap", "mkfs.ext4", "depmod", "cpio", "busybox", "zstd")
PACKAGES = "qemu-system-x86 qemu-utils mmdebstrap e2fsprogs kmod cpio busybox-static zstd"
QUIET_S = 600.0  # without a line from the guest, it hangs


def main() -> int:
    """Make the guest, run it, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deb", type=Path, required=True)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--cache", type=Path, default=cache / "sonocart-vm")
    parser.add_argument("--rows", help="of the table of faults, with commas between")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    lacking = _lacking()
    if lacking:
        print(f"the virtual cart cannot be made here; needs {lacking}", file=sys.stderr)
        return 69
    args.cache.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    _make_guest(args.cache, args.deb)
    print(f"guest made in {time.monotonic() - begin:.0f} s", file=sys.stderr)
    accel = _accelerator(args.cache)
    results = _run(args.cache, accel, args.rows)
    _print_table(results, accel)
    if args.json is not None:
        args.json.write_text(json.dumps({"accelerator": accel, "results": results}, indent=2) + "\n")
    return 0 if results and all(result["passed"] for result in results) else 1


def _lacking() -> str:
    """What this machine lacks after an attempt to install it; empty if nothing."""
    if os.geteuid() != 0:
        return "root, for file systems and device nodes"
    if any(shutil.which(tool) is None for tool in TOOLS):
        if shutil.which("apt-get") is None:
            return f"apt, or these: {PACKAGES}"
        for command in ("update", f"install -y --no-install-recommends {PACKAGES}"):
            subprocess.run(
                ["apt-get", "-qq", *command.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"{', '.join(missing)}: apt-get install {PACKAGES}" if missing else ""


def _make_guest(cache: Path, deb: Path) -> None:
    disk = cache / "disk.raw"
    newest = max(path.stat().st_mtime for path in (deb, HERE / "guest.sh", HERE / "inside.py"))
    if disk.exists() and disk.stat().st_mtime > newest:
        return
    from tests.networks import write_bundle, write_study

    for name in ("study", "bundle"):
        shutil.rmtree(cache / name, ignore_errors=True)
    write_bundle(cache / "bundle", write_study(cache / "study"))
    subprocess.run([str(HERE / "guest.sh"), str(cache), str(deb), str(cache / "bundle")], check=True)


def _accelerator(cache: Path) -> str:
    """KVM if a kernel really boots with it: the device node alone promises nothing."""
    log = cache / "kvm.log"
    log.unlink(missing_ok=True)
    command = ["qemu-system-x86_64", "-M", "q35", "-accel", "kvm", "-cpu", "host", "-m", "512", "-nodefaults"]
    command += ["-display", "none", "-no-reboot", "-kernel", str(cache / "vmlinuz"), "-serial", f"file:{log}"]
    command += ["-append", "console=ttyS0 panic=-1"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, timeout=15, capture_output=True)
    booted = log.exists() and b"Linux version" in log.read_bytes()
    return "kvm" if booted else "tcg"


def _start(cache: Path, accel: str, rows: str | None) -> subprocess.Popen[str]:
    command = [
        "qemu-system-x86_64",
        "-M",
        "q35",
        "-smp",
        "2",
        "-m",
        "1536",
        "-nodefaults",
        "-display",
        "none",
    ]
    command += ["-accel", "kvm" if accel == "kvm" else "tcg,thread=multi"]
    command += ["-cpu", "host" if accel == "kvm" else "max"]
    command += ["-kernel", str(cache / "vmlinuz"), "-initrd", str(cache / "initramfs.gz")]
    words = f"rw quiet mitigations=off console=ttyS0 {'' if rows is None else f'scenarios={rows}'}"
    command += ["-append", words, "-serial", f"file:{cache / 'console.log'}"]
    command += ["-drive", f"file={cache / 'run.qcow2'},if=virtio,cache=writethrough"]
    command += ["-device", "virtio-serial-pci", "-device", "virtconsole,chardev=lines"]
    command += ["-chardev", "stdio,id=lines,signal=off", "-device", "i6300esb", "-action", "watchdog=reset"]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    )


def _run(cache: Path, accel: str, rows: str | None) -> list[dict[str, object]]:
    """Boot, as often as power is cut, and collect what the guest says."""
    disk = cache / "run.qcow2"
    disk.unlink(missing_ok=True)
    create = [
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        str(cache / "disk.raw"),
        "-F",
        "raw",
        str(disk),
    ]
    subprocess.run(create, check=True)
    results: list[dict[str, object]] = []
    while True:
        guest = _start(cache, accel, rows)
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_read, args=(guest, lines), daemon=True).start()
        cut = False
        try:
            while True:
                line = lines.get(timeout=QUIET_S)
                if line is None:
                    break
                if not line.startswith("@{"):
                    print(line, file=sys.stderr)
                    continue
                message = json.loads(line[1:])
                if "fault" in message:
                    results.append(message)
                    _print_progress(message)
                elif message.get("cut"):
                    cut = True
                    break
                elif message.get("end"):
                    return results
                else:
                    print(message, file=sys.stderr)
        except queue.Empty:
            results.append(_lost("the guest has said nothing for ten minutes"))
            return results
        finally:
            guest.kill()
            guest.wait()
        if not cut:
            results.append(_lost("the guest has gone"))
            return results


def _lost(text: str) -> dict[str, object]:
    return {"row": "", "fault": "the guest", "expected": "", "seen": text, "passed": False, "took": 0.0}


def _read(guest: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert guest.stdout is not None
    for line in guest.stdout:
        lines.put(line.strip())
    lines.put(None)


def _print_progress(result: dict[str, object]) -> None:
    mark = "pass" if result["passed"] else "FAIL"
    print(f"{mark}  {result['fault']} ({result['took']} s): {result['seen']}", file=sys.stderr)
    for line in result.get("journal", []) if not result["passed"] else []:  # type: ignore[attr-defined]
        print(f"      {line}", file=sys.stderr)


def _print_table(results: list[dict[str, object]], accel: str) -> None:
    print("| row | fault | expected | seen | withheld after | live after | |")
    print("|---|---|---|---|---|---|---|")
    for result in results:
        times = [result.get(name) for name in ("withhold", "recover")]
        cells = ["" if value is None else f"{value:.2f} s" for value in times]
        mark = "pass" if result["passed"] else "FAIL"
        print(
            f"| {result['row']} | {result['fault']} | {result['expected']} | {result['seen']} | "
            f"{cells[0]} | {cells[1]} | {mark} |"
        )
    passed = sum(bool(result["passed"]) for result in results)
    print(f"\n{passed} of {len(results)} scenarios passed, {accel}")


if __name__ == "__main__":
    sys.exit(main())
