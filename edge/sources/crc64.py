"""CRC-64 of ECMA-182, as OpenIGTLink uses it, fast enough for a picture.

A checksum that starts at zero is linear over GF(2): pieces are summed side by side and then joined, each
moved along by the length of what follows it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x42F0E1EBA9EA3693
_LANE = 256  # bytes that are summed one after the other; so many lanes at once

Words = NDArray[np.uint64]


def crc64(data: NDArray[np.uint8]) -> int:
    """Checksum of `data`, uint8 (N,)."""
    lanes = 1 << max(0, -(-data.size // _LANE) - 1).bit_length()
    padded = np.zeros(lanes * _LANE, np.uint8)  # zeros in front change nothing
    padded[padded.size - data.size :] = data
    table, crc = _table(), np.zeros(lanes, np.uint64)
    for column in np.ascontiguousarray(padded.reshape(lanes, _LANE).T):
        crc = _next(crc, column, table)
    moved = _moved_by_a_lane()
    while crc.size > 1:
        crc = _apply(moved, crc[0::2]) ^ crc[1::2]
        moved = _apply(moved, moved)
    return int(crc[0])


def _next(crc: Words, column: NDArray[np.uint8], table: Words) -> Words:
    found: Words = table[(crc >> np.uint64(56)) ^ column] ^ (crc << np.uint64(8))
    return found


@lru_cache(maxsize=1)
def _table() -> Words:
    entries = np.arange(256, dtype=np.uint64) << np.uint64(56)
    for _ in range(8):
        high = (entries >> np.uint64(63)).astype(bool)
        entries = entries << np.uint64(1)
        entries[high] ^= np.uint64(POLYNOMIAL)
    return entries


@lru_cache(maxsize=1)
def _moved_by_a_lane() -> Words:
    """What each of the 64 bits becomes when a lane of zeros follows it."""
    bits = np.uint64(1) << np.arange(64, dtype=np.uint64)
    zeros = np.zeros(64, np.uint8)
    for _ in range(_LANE):
        bits = _next(bits, zeros, _table())
    return bits


def _apply(images: Words, words: Words) -> Words:
    """The linear map that takes bit i to `images[i]`, of each word."""
    found = np.zeros_like(words)
    for bit, image in enumerate(images):
        found ^= image * (words >> np.uint64(bit) & np.uint64(1))
    return found
