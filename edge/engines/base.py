"""The one seam between the kit and whatever runs the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.errors import InternalError


class EngineError(InternalError):
    """An execution failed or gave an output that cannot be a risk. No output of it may be used."""


@dataclass(frozen=True, slots=True)
class Inference:
    """What the network said of one tensor.

    Attributes:
        risk: calibrated probability of malignancy, 0 to 1, finite.
        heatmap: class activation, float32 (h, w), 0 to 1, over the tensor's area. Belongs to the caller.
        ood: distance from the training images, finite; unlike them above `ModelSpec.ood_threshold`.
    """

    risk: float
    heatmap: NDArray[np.float32]
    ood: float


class Engine(Protocol):
    """A loaded network. One thread owns it: the one that made it calls `infer` and `close`."""

    @property
    def name(self) -> str:
        """Runtime and device in words, for logs and reports."""

    @property
    def precision(self) -> str:
        """fp32, fp16, int8 or int8+fp16."""

    def infer(self, tensor: NDArray[np.uint8]) -> Inference:
        """Run the network once.

        Args:
            tensor: uint8 (1, 1, height, width) from `prepare`; read, never kept.

        Returns:
            Fresh outputs, never a buffer that the next call overwrites.

        Raises:
            EngineError: the execution failed, or the risk is not a number from 0 to 1.
        """

    def close(self) -> None:
        """Free what the engine holds. Safe to call twice."""


@dataclass(frozen=True, slots=True)
class Phases:
    """Where one inference spent its time on the device: milliseconds between events in its own stream."""

    transfer_in_ms: float
    compute_ms: float
    transfer_out_ms: float


@runtime_checkable
class TimedEngine(Engine, Protocol):
    """An engine on a device of its own, which can tell transfers from computing. Only the bench asks."""

    def infer_timed(self, tensor: NDArray[np.uint8]) -> tuple[Inference, Phases]:
        """As `infer`, with events around each phase; slower by what the events cost."""


@runtime_checkable
class FrameEngine(Engine, Protocol):
    """An engine that can make its tensor itself, on its own device, of a frame's region."""

    def stage(self, frame: Frame, roi: Roi) -> bool:
        """Copy the region's bytes to where `infer_staged` reads them.

        Called by the thread that has the frame, while no inference runs: the overlay writes into the frame
        right after it.

        Args:
            frame: any pixel format; not kept.
            roi: inside the frame.

        Returns:
            False where this engine cannot: prepare it, and call `infer`.
        """

    def infer_staged(self) -> tuple[Inference, NDArray[np.uint8]]:
        """As `infer` of what `prepare` makes of the staged region, within one grey level; and that tensor."""


@runtime_checkable
class KillableEngine(Engine, Protocol):
    """An engine that can be ended while it works."""

    def kill(self) -> None:
        """End it at once, from any thread, waiting for nothing; the `infer` under way raises EngineError."""


def checked(risk: float, heatmap: NDArray[np.float32], ood: float) -> Inference:
    """An `Inference`, or EngineError where the figures cannot be one."""
    if not 0.0 <= risk <= 1.0 or not np.isfinite(heatmap).all():  # NaN fails the comparison
        raise EngineError(f"the network's output is no risk: {risk}")
    if not 0.0 <= ood < float("inf"):
        raise EngineError(f"the network's output is no distance from the training images: {ood}")
    return Inference(risk, heatmap, ood)
