"""How a frame's region gets to the GPU: copied once into pinned memory, made a tensor by the kernel."""

from __future__ import annotations

import logging

import numpy as np

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.contract.spec import ModelSpec
from edge.engines.base import EngineError
from edge.engines.cuda import Driver
from edge.engines.device_frame import DevicePrepare, Layout, plan_launch
from edge.engines.pinned import Buffer
from edge.errors import UnavailableError

logger = logging.getLogger(__name__)

STAGED_BYTES = 8 << 20
"""Of a frame's region, at most: a whole 1080p picture with three bytes a pixel."""


class Staging:
    """The part of a frame that the network looks at, in pinned memory, and the kernel that reads it there."""

    def __init__(self, prepare: DevicePrepare, size: tuple[int, int], *, mapped: bool):
        """Allocate; `size` is the tensor's width and height. The context is current in this thread."""
        self._prepare = prepare
        self._size = size
        self._buffer = Buffer((STAGED_BYTES,), np.uint8, mapped=mapped)
        self._layout: Layout | None = None
        self._configured: Layout | None = None

    def load(self, frame: Frame, roi: Roi) -> bool:
        """Copy the region's bytes; False where they are too many. Plain memory: any thread may do it."""
        part = frame.planes[0][roi.y : roi.bottom, roi.x : roi.right]
        if part.nbytes > STAGED_BYTES:
            return False
        self._buffer.host[: part.nbytes].reshape(part.shape)[:] = part
        bounds = Roi(0, 0, roi.width, roi.height)
        self._layout = Layout(frame.format, bounds, part.nbytes // roi.height, frame.full_range)
        return True

    def require_loaded(self) -> None:
        """Raises EngineError where no frame is staged."""
        if self._layout is None:
            raise EngineError("no frame is staged")

    def start(self, tensor: int, stream: object) -> None:
        """Start upload and kernel in `stream`, into the device's `tensor`; a frame is staged."""
        layout = self._layout
        assert layout is not None
        if layout != self._configured:
            self._prepare.configure(plan_launch(layout, layout.bounds, *self._size))
            self._configured = layout
        self._buffer.upload(stream, layout.pitch * layout.bounds.height)
        self._prepare.start(self._buffer.address, tensor, stream)


def make_staging(driver: Driver, spec: ModelSpec, *, mapped: bool) -> Staging | None:
    """None where this installation has no kernels for this GPU: frames are prepared on the CPU."""
    try:
        prepare = DevicePrepare(driver)
    except UnavailableError as error:
        logger.warning("%s", error)
        return None
    return Staging(prepare, (spec.preprocessing.width, spec.preprocessing.height), mapped=mapped)
