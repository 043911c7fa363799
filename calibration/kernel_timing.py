"""Time the kernels against a plain copy of the bytes that each of them reads, with events, on this GPU.

    python -m calibration.kernel_timing FOLDER      writes FOLDER/kernels-<the GPU's name>.json
    python -m calibration.kernel_timing             only says whether there is a GPU; exit code 69 if not

The aim for the preprocessing is a ratio of 2 or less.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge.atomic import new_file
from edge.contract.frame import PixelFormat
from edge.contract.roi import Roi
from edge.engines.cuda import Driver, load_driver
from edge.engines.device_frame import DevicePanel, DevicePrepare, Layout, plan_launch
from edge.errors import SonocartError

REPEATS = 100
LAUNCHES = 100
"""In a graph, between two events: Python takes longer for one launch than the GPU for what it launches."""

SIZE = 224
ROI = Roi(303, 101, 1207, 893)
PANEL = (300, 480)  # rows and columns of an overlay at 1080 lines
BYTES = {
    PixelFormat.GRAY8: 1,
    PixelFormat.NV12: 1,
    PixelFormat.I420: 1,
    PixelFormat.YUYV: 2,
    PixelFormat.BGR24: 3,
}
"""Of a pixel in the first plane, which is all that the kernel reads."""


def main(folder: Path | None) -> None:
    """Measure, print, and write into `folder`; without one, only look for the GPU.

    Raises:
        UnavailableError: there is none.
    """
    driver = load_driver()
    if folder is None:
        print(f"GPU: {driver.device()}")
        return
    import pycuda.driver as cuda

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    try:
        device = driver.device()
        found = {
            "device": device.name,
            "sm": device.sm,
            "repeats": REPEATS,
            "launches": LAUNCHES,
            "prepare": {layout.value: _time_prepare(driver, layout) for layout in BYTES},
            "panel": _time_panel(driver),
        }
        text = json.dumps(found, indent=2)
        print(text)
        with new_file(folder / f"kernels-{device.name.lower().replace(' ', '-')}.json") as partial:
            partial.write_text(text + "\n")
    finally:
        context.pop()


def _time_prepare(driver: Driver, layout: PixelFormat) -> dict[str, float]:
    import pycuda.driver as cuda

    pixel = BYTES[layout]
    kernel, stream = DevicePrepare(driver), cuda.Stream()
    bounds = Roi(0, 0, 1920, 1080)
    kernel.configure(plan_launch(Layout(layout, bounds, 1920 * pixel, full_range=False), ROI, SIZE, SIZE))
    picture = np.random.default_rng(0).integers(0, 255, 1920 * 1080 * pixel, np.uint8)
    plane, tensor = cuda.to_device(picture), cuda.mem_alloc(SIZE * SIZE)
    return _against_a_copy(
        driver, lambda: kernel.start(int(plane), int(tensor), stream), ROI.width * ROI.height * pixel, stream
    )


def _time_panel(driver: Driver) -> dict[str, float]:
    """The panel's luma, for a frame of 1920x1080."""
    import pycuda.driver as cuda

    kernel, stream = DevicePanel(driver), cuda.Stream()
    rows, width = PANEL
    plane, sprite = cuda.mem_alloc(1920 * 1080), cuda.mem_alloc(rows * width)
    return _against_a_copy(
        driver, lambda: kernel.start(int(plane), 1920, int(sprite), PANEL, stream), rows * width, stream
    )


def _against_a_copy(driver: Driver, start: Callable[[], None], size: int, stream: Any) -> dict[str, float]:
    import pycuda.driver as cuda

    source, target = (cuda.mem_alloc(size) for _ in range(2))
    kernel_us = _median_us(driver, start, stream)
    copy_us = _median_us(driver, lambda: cuda.memcpy_dtod_async(target, source, size, stream), stream)
    return {
        "bytes": size,
        "kernel_us": round(kernel_us, 2),
        "copy_us": round(copy_us, 2),
        "ratio": round(kernel_us / copy_us, 2),
    }


def _median_us(driver: Driver, start: Callable[[], None], stream: Any) -> float:
    """Of one of what `start` puts into the stream, in microseconds on the GPU."""
    import pycuda.driver as cuda

    def start_all() -> None:
        for _ in range(LAUNCHES):
            start()

    start()  # whatever is loaded lazily
    stream.synchronize()
    graph = driver.capture(stream.handle, start_all)
    begin, end = cuda.Event(), cuda.Event()
    times = []
    for _ in range(REPEATS):
        begin.record(stream)
        graph.launch()
        end.record(stream)
        end.synchronize()
        times.append(1000 * float(begin.time_till(end)) / LAUNCHES)
    graph.close()
    return float(np.median(times))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    except SonocartError as error:
        print(f"kernel_timing: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
