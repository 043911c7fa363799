"""A frame counter burnt into the picture as a row of black and white blocks, read back by machine.

From the left: a sync pattern of 8 blocks, 24 bits of the counter, 8 bits of CRC. The row stands in the lower
left corner; its size follows the frame's height, so a frame that was scaled as a whole can still be read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = 24
_SYNC = 0b10110010
_BLOCKS = 8 + BITS + 8
_WHITE, _BLACK = 235, 20


def draw_counter(luma: NDArray[np.uint8], count: int) -> None:
    """Burn `count` (modulo 2^24) into `luma` (H, W) uint8 in place. The frame must be wider than half its
    height.
    """
    left, right, top, bottom = _edges(luma.shape[0])
    luma[top:bottom, : right[-1] + left[0]] = _BLACK
    for index, bit in enumerate(_encode(count % (1 << BITS))):
        if bit:
            luma[top:bottom, left[index] : right[index]] = _WHITE


def read_counter(luma: NDArray[np.uint8]) -> int | None:
    """The counter burnt into `luma` (H, W) uint8 of full or limited range; None if there is none or it is
    damaged.
    """
    left, right, top, bottom = _edges(luma.shape[0])
    if right[-1] > luma.shape[1]:
        return None
    inner = (bottom - top) // 4
    rows = luma[top + inner : bottom - inner]
    levels = np.asarray([rows[:, a + inner : b - inner].mean() for a, b in zip(left, right, strict=True)])
    if ((levels > 80) & (levels < 175)).any():
        return None
    bits = "".join("1" if level > 127 else "0" for level in levels)
    count = int(bits[8 : 8 + BITS], 2)
    return count if [int(bit) for bit in bits] == _encode(count) else None


def _edges(height: int) -> tuple[list[int], list[int], int, int]:
    block = height / 90
    starts = [round(block * (1 + index)) for index in range(_BLOCKS + 1)]
    return starts[:-1], starts[1:], round(height - 2 * block), round(height - block)


def _encode(count: int) -> list[int]:
    word = (_SYNC << BITS | count) << 8 | _crc8(count)
    return [word >> shift & 1 for shift in reversed(range(_BLOCKS))]


def _crc8(value: int) -> int:
    """CRC-8 with the polynomial x^8 + x^2 + x + 1 over the counter's three bytes."""
    crc = 0
    for byte in value.to_bytes(BITS // 8, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
