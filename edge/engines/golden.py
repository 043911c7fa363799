"""Golden frames: synthetic pictures with the tensors and outputs that the model must give for them.

They are run after export, after quantising, after building and at every start of the daemon, so that a
mis-built or silently damaged model never reaches the screen.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle, NewFile, model_file
from edge.contract.frame import still
from edge.contract.preprocess import prepare
from edge.contract.spec import ModelSpec
from edge.engines.base import Engine, Inference
from edge.errors import InternalError

FRAMES = "golden/frames.npy"
TENSORS = "golden/tensors.npy"

TOLERANCE = {"fp32": 0.002, "fp16": 0.01, "int8": 0.06, "int8+fp16": 0.06}
"""Largest allowed difference from the reference, by precision: of a golden risk, and of a golden heat map on
average over its cells (a single cell at an edge differs by more). INT8 kernels of CPUs without VNNI saturate,
so the same file may differ by some hundredths between two machines."""

OOD_TOLERANCE = {"fp32": 0.02, "fp16": 0.05, "int8": 0.25, "int8+fp16": 0.25}
"""The same for `ood`, in thresholds. Beyond two nobody asks how far a frame lies, and INT8 clips what
training images never reach."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a model gives for the golden frames: risk float32 (N,), heatmap (N, h, w), ood (N,)."""

    risk: NDArray[np.float32]
    heatmap: NDArray[np.float32]
    ood: NDArray[np.float32]


def differences(found: Outputs, expected: Outputs) -> tuple[float, float]:
    """The largest difference in risk, and the largest mean difference of a frame's heat map; maybe NaN."""
    maps = np.abs(found.heatmap - expected.heatmap).mean(axis=(1, 2))
    return float(np.abs(found.risk - expected.risk).max()), float(maps.max())


def require_equal(found: Outputs, expected: Outputs, precision: str, what: str) -> float:
    """The largest difference in risk.

    Raises:
        InternalError: it, or a heat map's, is above `TOLERANCE` or not finite; `what` ends the message.
    """
    risk, heatmap = differences(found, expected)
    allowed = TOLERANCE[precision]
    if risk <= allowed and heatmap <= allowed:  # NaN fails the comparison
        return risk
    raise InternalError(
        f"golden frames: risk differs by {risk:.4f} and heat map by {heatmap:.4f} (allowed for {precision}: "
        f"{allowed}) {what}"
    )


def _require_same_distance(
    found: Outputs, expected: Outputs, threshold: float, precision: str, what: str
) -> None:
    near = [np.minimum(outputs.ood / threshold, 2.0) for outputs in (found, expected)]
    difference = float(np.abs(near[0] - near[1]).max())
    if not difference <= OOD_TOLERANCE[precision]:
        raise InternalError(
            f"golden frames: ood differs by {difference:.3f} thresholds (allowed for {precision}: "
            f"{OOD_TOLERANCE[precision]}) {what}"
        )


def golden_tensors(frames: NDArray[np.uint8], spec: ModelSpec) -> NDArray[np.uint8]:
    """`prepare` over whole golden frames (N, H, W): uint8 (N, 1, height, width)."""
    size = spec.preprocessing
    pictures = [still(frame) for frame in frames]
    return np.concatenate([prepare(p, p.bounds, size.width, size.height) for p in pictures])


def run_golden(engine: Engine, tensors: NDArray[np.uint8]) -> Outputs:
    """Outputs of `engine` for tensors uint8 (N, 1, height, width)."""
    return collect_outputs([engine.infer(tensors[i : i + 1]) for i in range(len(tensors))])


def collect_outputs(results: Sequence[Inference]) -> Outputs:
    """Inferences in order as arrays."""
    return Outputs(
        np.array([r.risk for r in results], np.float32),
        np.stack([r.heatmap for r in results]),
        np.array([r.ood for r in results], np.float32),
    )


def golden_inputs(frames: NDArray[np.uint8], tensors: NDArray[np.uint8]) -> dict[str, NewFile]:
    """The bundle's files for the golden frames and their tensors."""
    return {FRAMES: NewFile(_dump(frames)), TENSORS: NewFile(_dump(tensors))}


def golden_outputs(precision: str, outputs: Outputs) -> dict[str, NewFile]:
    """The bundle's files for one precision's reference outputs."""
    parent = model_file(precision)
    return {
        f"golden/{precision}.risk.npy": NewFile(_dump(outputs.risk), parent),
        f"golden/{precision}.heatmap.npy": NewFile(_dump(outputs.heatmap), parent),
        f"golden/{precision}.ood.npy": NewFile(_dump(outputs.ood), parent),
    }


def read_golden_tensors(bundle: Bundle) -> NDArray[np.uint8]:
    """The golden frames as tensors: uint8 (N, 1, height, width)."""
    return _load(bundle, TENSORS)


def check_golden(bundle: Bundle, engine: Engine, precision: str) -> float:
    """Run the golden frames through `prepare` and `engine` and compare with the bundle's references.

    Returns:
        The largest difference in risk.

    Raises:
        InternalError: preprocessing differs by more than one grey level, or risk or heat map by more than
            `TOLERANCE`, or an output is not finite.
    """
    expected_tensors = read_golden_tensors(bundle)
    tensors = golden_tensors(_load(bundle, FRAMES), bundle.spec)
    levels = int(np.abs(tensors.astype(np.int16) - expected_tensors.astype(np.int16)).max())
    if levels > 1:
        raise InternalError(
            f"preprocessing of the golden frames differs by {levels} grey levels from bundle {bundle.id} "
            "(allowed: 1); this machine's image library computes differently. Run: sonocart doctor"
        )
    names = ("risk", "heatmap", "ood")
    expected = Outputs(*(_load(bundle, f"golden/{precision}.{name}.npy") for name in names))
    outputs = run_golden(engine, expected_tensors)
    where = (
        f"between {engine.name} and bundle {bundle.id}; the model is not used. Export or calibrate it again, "
    )
    where += "or run fp32"
    _require_same_distance(outputs, expected, bundle.spec.ood_threshold, precision, where)
    return require_equal(outputs, expected, precision, where)


def _dump(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _load(bundle: Bundle, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(bundle.read(name)), allow_pickle=False)
    return array
