"""Which images may have points in common, without comparing every point with every other.

A word is a choice of 40 of the 256 bits that describe a point (Indyk and Motwani 1998): two descriptions of
one point, which differ in a tenth of their bits, share one word of 32 nearly always; those of two points
hardly ever do. Images that share words are counted by one sparse matrix product a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, triu

from export.glance import Points

WORDS = 32  # of each point
BITS = 40  # of 256, in a word
COMMON = 50  # a word that more images have tells nothing, and costs the square of their number
VOTES = 3  # shared words that make a pair worth looking at

_FACTORS = np.random.default_rng(1).integers(0, 2**63, 4, np.uint64) * np.uint64(2) + np.uint64(1)
"""Odd: that two choices of bits get one number is as likely as two equal draws of 64 bits."""


def pairs_sharing_words(
    queries: Sequence[Points], targets: Sequence[Points], progress: Callable[[float], None]
) -> NDArray[np.int64]:
    """Pairs (M, 2) of which the first (a query) and the second (a target with a larger index) share words.

    `progress` is called with the share that is done.
    """
    number = len(queries)
    sides = [queries] if targets is queries else [queries, targets]
    described = np.concatenate([points.descriptions for side in sides for points in side]).view(np.uint64)
    lengths = [len(points.descriptions) for side in sides for points in side]
    owners = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    votes = csr_matrix((number, number), dtype=np.int32)
    rng = np.random.default_rng(0)
    for done in range(WORDS):
        matrix = _shared(_keys(described, rng.choice(256, BITS, replace=False)), owners, len(lengths))
        own, other = matrix[:number], matrix[-number:]
        telling = np.flatnonzero(np.maximum(own.sum(0), other.sum(0)).A1 <= COMMON)
        votes += triu(own[:, telling] @ other[:, telling].T, k=1, format="csr")
        progress((done + 1) / WORDS)
    found = votes.tocoo()
    enough = found.data >= VOTES
    return np.stack([found.row[enough], found.col[enough]], axis=1).astype(np.int64)


def _keys(described: NDArray[np.uint64], chosen: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A number for the `chosen` bits of each description (K, 4), the same for the same bits."""
    bits = np.zeros(256, np.uint8)
    bits[chosen] = 1
    mask = np.packbits(bits, bitorder="little").view(np.uint64)
    keys = np.zeros(len(described), np.uint64)
    for column, (part, factor) in enumerate(zip(mask, _FACTORS, strict=True)):
        keys = (keys ^ described[:, column] & part) * factor
        keys ^= keys >> np.uint64(32)  # else the upper bits of two parts count for the same
    return keys


def _shared(keys: NDArray[np.uint64], owners: NDArray[np.int32], images: int) -> csr_matrix:
    """1 where an image (row) has a word (column), however often; most words stand alone and are left out."""
    order = np.argsort(keys)
    keys, rows = keys[order], owners[order]
    begins = np.ones(len(keys), bool)
    begins[1:] = keys[1:] != keys[:-1]
    alone = begins.copy()
    alone[:-1] &= begins[1:]
    columns = np.cumsum(begins[~alone])
    matrix = csr_matrix(
        (np.ones(len(columns), np.int32), (rows[~alone], columns)), shape=(images, len(columns) + 1)
    )
    matrix.data[:] = 1
    return matrix
