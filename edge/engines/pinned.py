"""Memory that the GPU and the CPU both reach."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Buffer:
    """Pinned host memory and the device's view of it: the same bytes if mapped, else a twin with copies."""

    def __init__(self, shape: tuple[int, ...], dtype: type[np.generic], *, mapped: bool):
        """Allocate zeros; the context is current in this thread."""
        import pycuda.driver as cuda

        flags = cuda.host_alloc_flags.DEVICEMAP if mapped else 0
        pinned: Any = cuda.pagelocked_empty(shape, dtype, mem_flags=flags)
        self.host: NDArray[Any] = pinned
        self.host.fill(0)
        self._device: Any = None if mapped else cuda.mem_alloc(self.host.nbytes)
        pointer: Any = pinned.base.get_device_pointer() if mapped else self._device
        self.address = int(pointer)

    def upload(self, stream: object, size: int | None = None) -> None:
        """Start the copy to the device, where one is needed; of the first `size` bytes of a flat buffer."""
        if self._device is not None:
            import pycuda.driver as cuda

            cuda.memcpy_htod_async(self._device, self.host[:size], stream)

    def download(self, stream: object) -> None:
        """Start the copy from the device, where one is needed."""
        if self._device is not None:
            import pycuda.driver as cuda

            cuda.memcpy_dtoh_async(self.host, self._device, stream)
