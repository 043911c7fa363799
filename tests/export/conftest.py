"""A study that a network can learn in seconds, and a run trained on it."""

import numpy as np
import pytest
from PIL import Image

from edge import cli

QUICK = ("--network", "compact", "--members", "1")


def write_learnable(root, patients=40, seed=0):
    """Speckle with a bright (benign) or dark (malignant) mass; two images of each patient."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True)
    lines = ["patient,label,path,lesion_x,lesion_y,lesion_w,lesion_h"]
    for patient in range(patients):
        for view in range(2):
            image = rng.rayleigh(40, (96, 96))
            y, x = np.indices(image.shape) - np.array(rng.integers(38, 58, 2))[:, None, None]
            image[y**2 + x**2 < 20**2] *= 0.3 if patient % 2 else 2.0
            name = f"{patient}-{view}.png"
            Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(root / name)
            lines.append(f"p{patient},{'malignant' if patient % 2 else 'benign'},{name},20,20,56,56")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def learnable(tmp_path_factory):
    return write_learnable(tmp_path_factory.mktemp("learnable") / "study")


@pytest.fixture(scope="session")
def run(learnable, tmp_path_factory):
    """A short training of the compact network; do not change it."""
    folder = tmp_path_factory.mktemp("runs") / "short"
    assert cli.run(["train", str(learnable), "--out", str(folder), *QUICK, "--epochs", "6"]) == 0
    return folder


@pytest.fixture(scope="session")
def bundle(run, tmp_path_factory):
    """The run's bundle; do not change it."""
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    assert cli.run(["export", str(run), "--out", str(folder), "--no-spread"]) == 0
    return folder
