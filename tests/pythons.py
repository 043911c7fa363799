"""The cart's tests on every other Python that the kit supports and this machine has.

The cart's dependencies and the test tools go into an environment of each Python's own, without torch: what
trains stays on the Python that `make venv` was given. One that is neither at pyenv nor on the path is named
and left out.

  python tests/pythons.py [runs/pythons]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MINORS = (10, 11, 12, 13)
NEEDS = (f"{ROOT}[dicom,screen,dev]", "onnx>=1.21")  # tests make small graphs
WITHOUT = ("tests/export", "tests/calibration", "tests/house")  # what trains and quantises, and its packages


def main(folder: Path) -> int:
    """Make the environments that are missing, run the tests in each; 1 if any fails."""
    codes = {}
    for minor in MINORS:
        if minor == sys.version_info.minor:
            continue
        found = find(minor)
        if found is None:
            print(f"python 3.{minor}: not on this machine, left out", flush=True)
            continue
        codes[minor] = test(found, folder / f"3.{minor}")
    for minor, code in codes.items():
        print(f"python 3.{minor}: {'passed' if code == 0 else f'pytest ended with {code}'}", flush=True)
    return int(any(codes.values()))


def find(minor: int) -> str | None:
    """An interpreter of that version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    installed = sorted(pyenv.glob(f"3.{minor}.*/bin/python3"))
    return str(installed[-1]) if installed else shutil.which(f"python3.{minor}")


def test(python: str, environment: Path) -> int:
    """Exit code of the tests."""
    pip, stamp = environment / "bin/pip", environment / "stamp"
    if not stamp.exists():
        subprocess.run([python, "-m", "venv", environment], check=True)
        subprocess.run([pip, "install", "--quiet", "--upgrade", "pip>=24"], check=True)
        subprocess.run([pip, "install", "--quiet", "-e", *NEEDS], check=True)
        stamp.touch()
    ignored = [f"--ignore={part}" for part in WITHOUT]
    command = [environment / "bin/pytest", "-n", "2", "-m", "not slow", "-q", *ignored]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/pythons").resolve()))
