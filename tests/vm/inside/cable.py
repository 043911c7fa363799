"""The scanner's end of the HDMI cable: vivid's output as a queue of mapped buffers.

Not write(): there vivid finds every picture too short.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

from inside import card

_QUERYBUF, _QBUF, _DQBUF = card.iowr(9, 88), card.iowr(15, 88), card.iowr(17, 88)
_STREAMON = 1 << 30 | 4 << 16 | ord("V") << 8 | 18
_BUFFERS = 3


class Cable:
    """Takes a picture whenever the signal's clock has shown one."""

    def __init__(self, size: tuple[int, int]) -> None:
        """A signal of that size at 60 Hz; it begins with the first pictures."""
        self._descriptor = card.opened("vid-out")
        self._buffers: list[mmap.mmap] = []
        self._queued = 0
        try:
            self._map(size)
        except OSError:
            self.close()
            raise

    def send(self, picture: bytes) -> bool:
        """Wait for a free buffer, queue the picture; True once pictures are sent, OSError without a card."""
        index = self._queued
        if self._queued >= _BUFFERS:
            entry = self._entry(0)
            fcntl.ioctl(self._descriptor, _DQBUF, entry)
            index = struct.unpack_from("=I", entry)[0]
        self._buffers[index][: len(picture)] = picture
        entry = self._entry(index)
        struct.pack_into("=I4xI", entry, 8, len(picture), 1)  # progressive
        fcntl.ioctl(self._descriptor, _QBUF, entry)
        self._queued += 1
        if self._queued == _BUFFERS:
            fcntl.ioctl(self._descriptor, _STREAMON, struct.pack("=i", card.OUTPUT))
        return self._queued >= _BUFFERS

    def close(self) -> None:
        """No signal's pictures any more."""
        for buffer in self._buffers:
            buffer.close()
        os.close(self._descriptor)

    def _map(self, size: tuple[int, int]) -> None:
        card.set_output(self._descriptor, *size)
        card.request_buffers(self._descriptor, _BUFFERS, card.OUTPUT)
        for index in range(_BUFFERS):
            entry = self._entry(index)
            fcntl.ioctl(self._descriptor, _QUERYBUF, entry)
            offset, length = struct.unpack_from("=I4xI", entry, 64)
            self._buffers.append(mmap.mmap(self._descriptor, length, offset=offset))

    @staticmethod
    def _entry(index: int) -> bytearray:
        entry = bytearray(88)
        struct.pack_into("=II", entry, 0, index, card.OUTPUT)
        struct.pack_into("=I", entry, 60, card.MAPPED)
        return entry
