"""Time the preprocessing kernel against a plain copy of the bytes that it reads, with events, on this GPU.

    python -m calibration.kernel_timing

Prints one JSON object; the aim is a ratio of 2 or less.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from edge.contract.frame import PixelFormat
from edge.contract.roi import Roi
from edge.engines.cuda import load_driver
from edge.engines.device_frame import DevicePrepare, Layout, plan_launch

REPEATS = 1000
SIZE = 224


def main() -> None:
    """Measure and print."""
    driver = load_driver()
    import pycuda.driver as cuda

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    try:
        picture = np.random.default_rng(0).integers(0, 255, (1080, 1920), np.uint8)
        roi = Roi(303, 101, 1207, 893)
        kernel = DevicePrepare(driver)
        layout = Layout(PixelFormat.GRAY8, Roi(0, 0, 1920, 1080), 1920, full_range=False)
        kernel.configure(plan_launch(layout, roi, SIZE, SIZE))
        plane, tensor = cuda.to_device(picture), cuda.mem_alloc(SIZE * SIZE)
        source, target = (cuda.mem_alloc(roi.width * roi.height) for _ in range(2))
        stream = cuda.Stream()
        kernel_us = _median_us(lambda: kernel.start(int(plane), int(tensor), stream), stream)
        copied = roi.width * roi.height
        copy_us = _median_us(lambda: cuda.memcpy_dtod_async(target, source, copied, stream), stream)
        device = driver.device()
        print(
            json.dumps(
                {
                    "device": device.name,
                    "sm": device.sm,
                    "bytes": copied,
                    "repeats": REPEATS,
                    "kernel_us": round(kernel_us, 2),
                    "copy_us": round(copy_us, 2),
                    "ratio": round(kernel_us / copy_us, 2),
                }
            )
        )
    finally:
        context.pop()


def _median_us(start: Callable[[], None], stream: Any) -> float:
    import pycuda.driver as cuda

    begin, end = cuda.Event(), cuda.Event()
    times = []
    for _ in range(REPEATS):
        begin.record(stream)
        start()
        end.record(stream)
        end.synchronize()
        times.append(1000 * float(begin.time_till(end)))
    return float(np.median(times))


if __name__ == "__main__":
    main()
