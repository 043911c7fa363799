"""Weights and training state in safetensors files that appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from edge.atomic import new_file
from edge.errors import DataError


def save_checkpoint(path: Path, tensors: dict[str, Tensor], about: dict[str, object]) -> None:
    """Write `tensors` and a small JSON object; an existing file is replaced in one step.

    Raises:
        CannotCreateError: the folder cannot be written.
    """
    with new_file(path) as partial:
        save_file({k: v.contiguous() for k, v in tensors.items()}, partial, {"about": json.dumps(about)})


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """What `save_checkpoint` wrote, tensors on the CPU.

    Raises:
        DataError: the file is not one of those.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DataError(f"'{path}' is no checkpoint of sonocart train: {error}; train again") from error
