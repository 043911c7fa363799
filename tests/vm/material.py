"""What the virtual cart is given: the package and a later one, a bundle, and what the scanner sends."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np

from edge.phantom.cine import CineOptions, make_cine
from tests.networks import write_bundle, write_study

HERE = Path(__file__).parent
SIZES = ((640, 480), (800, 600))
SLICES = 60


def make_material(share: Path, deb: Path) -> None:
    """Fill the folder that the guest sees; what does not depend on the package is kept."""
    (share / "pictures").mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        path = share / f"pictures/{size[0]}x{size[1]}.nv12"
        if not path.exists():
            path.write_bytes(_sweep(*size))
    for name in ("study", "bundle", "inside"):
        shutil.rmtree(share / name, ignore_errors=True)
    write_bundle(share / "bundle", write_study(share / "study"))
    shutil.copytree(HERE / "inside", share / "inside")
    shutil.copyfile(deb, share / "sonocart.deb")
    _renumber(share / "sonocart.deb", share / "sonocart-next.deb")


def _sweep(width: int, height: int) -> bytes:
    """A phantom's slices as NV12 in limited range, one after the other."""
    options = CineOptions(1, "malignant", width, height, "aster", "linear", "sweep", SLICES)
    cine = make_cine(options, lambda _: None)
    scale = np.rint(16 + np.arange(256) * (219 / 255)).astype(np.uint8)
    grey = np.full((height // 2, width), 128, np.uint8)
    return b"".join(np.vstack([cv2.LUT(cine.frame(index), scale), grey]).tobytes() for index in range(SLICES))


def _renumber(deb: Path, target: Path) -> None:
    """The same package with a later version."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["dpkg-deb", "-e", deb, folder / "control"], check=True)
        control = folder / "control/control"
        lines = control.read_text().splitlines()
        later = [f"{line}+next" if line.startswith("Version:") else line for line in lines]
        control.write_text("\n".join(later) + "\n")
        subprocess.run(["ar", "x", "--output", folder, deb], check=True)
        (old,) = folder.glob("control.tar*")
        old.unlink()
        subprocess.run(["tar", "-C", folder / "control", "-czf", folder / "control.tar.gz", "."], check=True)
        target.unlink(missing_ok=True)
        parts = ["debian-binary", "control.tar.gz", next(folder.glob("data.tar*")).name]
        subprocess.run(["ar", "rcS", target, *parts], check=True, cwd=folder)
