"""A small study on disk."""

import numpy as np
import pytest
from PIL import Image

from edge.study.read import read_study


@pytest.fixture
def study(tmp_path):
    """Twelve patients with two images each, half of them malignant, lesion box 10,8,30,20."""
    rng = np.random.default_rng(7)
    root = tmp_path / "study"
    root.mkdir()
    lines = ["patient,label,path,lesion_x,lesion_y,lesion_w,lesion_h"]
    for patient in range(12):
        for view in range(2):
            name = f"{patient}-{view}.png"
            Image.fromarray(rng.integers(0, 256, (60, 80), np.uint8)).save(root / name)
            lines.append(f"p{patient},{'malignant' if patient % 2 else 'benign'},{name},10,8,30,20")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return read_study(root)
