"""The kernels' other half: what to launch for a frame, and the launching through pycuda."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from edge.contract.frame import PixelFormat
from edge.contract.preprocess import letterbox
from edge.contract.roi import Roi
from edge.engines.cuda import Driver
from edge.engines.taps import Taps, area_taps, linear_taps
from edge.errors import DataError, UnavailableError

THREADS = 256
TILE = 32  # target columns of a block: enough blocks for a big GPU, and few source columns read twice

_STEP = {PixelFormat.YUYV: 2, PixelFormat.BGR24: 3, PixelFormat.RGB24: 3}
_COLOUR = {PixelFormat.BGR24: 1, PixelFormat.RGB24: 2}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a source's frames lie in memory; the same for all frames until the source changes."""

    format: PixelFormat
    bounds: Roi
    pitch: int  # bytes from a row of the first plane to the next
    full_range: bool


@dataclass(frozen=True, slots=True)
class Launch:
    """Arguments of `prepare_tensor` for one region of one layout, but for the pointers.

    Attributes:
        skip: bytes from the start of the first plane to the region.
        rows: taps for the rows of the target.
        columns: taps for its columns.
        inner: where the region lands in the tensor.
        gain: of the range expansion, applied after `offset`.
        offset: of the range expansion.
        grid: blocks in x and y.
        shared: bytes of shared memory a block.
    """

    skip: int
    pitch: int
    step: int
    colour: int
    rows: Taps
    columns: Taps
    source: Roi
    width: int
    inner: Roi
    gain: float
    offset: float
    grid: tuple[int, int]
    shared: int


def plan_launch(layout: Layout, roi: Roi, width: int, height: int) -> Launch:
    """What makes the same tensor of `roi` as `prepare`.

    Args:
        layout: of the frames.
        roi: inside the frame.
        width: of the tensor, pixels.
        height: of the tensor, pixels.

    Raises:
        DataError: `roi` leaves the frame.
    """
    if not roi.inside(layout.bounds):
        bounds = layout.bounds
        raise DataError(
            f"region {roi} leaves the frame of {bounds.width}x{bounds.height} pixels; draw it again"
        )
    inner = letterbox(roi, width, height)
    taps = area_taps if inner.width <= roi.width else linear_taps
    rows, columns = taps(roi.height, inner.height), taps(roi.width, inner.width)
    step = _STEP.get(layout.format, 1)
    widest = max(
        int(columns.first[min(start + TILE, inner.width) - 1])
        + columns.weights.shape[1]
        - int(columns.first[start])
        for start in _tile_starts(inner, width)
    )
    return Launch(
        skip=roi.y * layout.pitch + roi.x * step,
        pitch=layout.pitch,
        step=step,
        colour=_COLOUR.get(layout.format, 0),
        rows=rows,
        columns=columns,
        source=roi,
        width=width,
        inner=inner,
        gain=1.0 if layout.full_range else 255.0 / 219.0,
        offset=0.0 if layout.full_range else -16.0,
        grid=(-(-width // TILE), height),
        shared=4 * widest,
    )


def _tile_starts(inner: Roi, width: int) -> list[int]:
    """First column of the target, inside `inner`, of each tile that meets it."""
    starts = [max(begin - inner.x, 0) for begin in range(0, width, TILE) if begin + TILE > inner.x]
    return [start for start in starts if start < inner.width]


class DevicePrepare:
    """`prepare` on the GPU, into the engine's own input. Belongs to the thread whose context is current."""

    def __init__(self, driver: Driver):
        """Load the kernels for this GPU.

        Raises:
            UnavailableError: no cubin for it was built into this installation.
        """
        self._function = _load(driver, "prepare_tensor")
        self._launch: Launch | None = None
        self._tables: list[Any] = []

    def configure(self, launch: Launch) -> None:
        """Upload the tables of a layout and region; once, not for each frame."""
        import pycuda.driver as cuda

        self._launch = launch
        self._tables = [
            cuda.to_device(array)
            for taps in (launch.rows, launch.columns)
            for array in (taps.first, taps.weights)
        ]

    def start(self, plane: int, tensor: int, stream: object) -> None:
        """Start the kernel in `stream`.

        Args:
            plane: device address of the frame's first plane (for mapped memory, the device's view of it).
            tensor: device address of the engine's input.
            stream: pycuda's; both buffers must live until it is done.
        """
        launch = self._launch
        if launch is None:
            raise DataError("no region is configured for the GPU's preprocessing")
        first_y, weight_y, first_x, weight_x = self._tables
        integer, real = np.int32, np.float32
        self._function(
            np.uintp(plane + launch.skip),
            integer(launch.pitch),
            integer(launch.step),
            integer(launch.colour),
            first_y,
            weight_y,
            integer(launch.rows.weights.shape[1]),
            integer(launch.source.height),
            first_x,
            weight_x,
            integer(launch.columns.weights.shape[1]),
            integer(launch.source.width),
            np.uintp(tensor),
            integer(launch.width),
            integer(launch.inner.x),
            integer(launch.inner.y),
            integer(launch.inner.width),
            integer(launch.inner.height),
            real(launch.gain),
            real(launch.offset),
            integer(TILE),
            block=(THREADS, 1, 1),
            grid=launch.grid,
            shared=launch.shared,
            stream=stream,
        )


class DevicePanel:
    """`edge.blit.paste` on the GPU, for frames in device or mapped memory; of the thread with the context."""

    def __init__(self, driver: Driver):
        """Load the kernel for this GPU.

        Raises:
            UnavailableError: no cubin for it was built into this installation.
        """
        self._function = _load(driver, "blend_plane")

    def start(self, plane: int, pitch: int, sprite: int, shape: tuple[int, int], stream: object) -> None:
        """Start to blend one plane of an opaque sprite into a frame's plane, in place.

        Args:
            plane: device address of the first byte to be overwritten.
            pitch: bytes from a row of the frame's plane to the next.
            sprite: device address of the sprite's plane, without gaps between its rows.
            shape: rows of the sprite's plane, and bytes in each.
            stream: pycuda's; both buffers must live until it is done.
        """
        rows, width = shape
        self._function(
            np.uintp(plane),
            np.int32(pitch),
            np.uintp(sprite),
            np.int32(width),
            np.int32(width),
            np.int32(255),
            block=(THREADS, 1, 1),
            grid=(-(-width // THREADS), rows),
            stream=stream,
        )


def _load(driver: Driver, kernel: str) -> Any:
    import pycuda.driver as cuda

    device = driver.device()
    return cuda.module_from_buffer(read_cubin(device.sm, device.cuda)).get_function(kernel)


def read_cubin(sm: int, cuda: str) -> bytes:
    """The kernels compiled for a GPU by a toolkit that its driver understands.

    Args:
        sm: compute capability, 87 for Orin.
        cuda: newest version that the driver knows, "12.6".

    Raises:
        UnavailableError: there is none.
    """
    folder = resources.files("edge.engines") / "cubins"
    newest = int(cuda.split(".")[0])
    for major in range(newest, 11, -1):
        file = folder / f"kernels.sm_{sm}.cuda{major}.cubin"
        if file.is_file():
            return file.read_bytes()
    raise UnavailableError(
        f"no kernels for sm_{sm} with CUDA {newest} or older in this installation; "
        "preprocessing stays on the CPU. Run: make kernels"
    )
