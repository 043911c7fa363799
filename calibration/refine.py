"""Ranges chosen by what they do to the output, one tensor after the other, where a method is not enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

FACTORS = (0.8, 1.25)
"""Tried on each range: a quarter of a bit in clipping against a quarter of a bit in rounding."""


def refine(
    limits: Mapping[str, float],
    tensors: Sequence[str],
    largest: Mapping[str, float],
    score: Callable[[Mapping[str, float]], float],
) -> dict[str, float]:
    """`limits` with every range changed that raises the score; one pass in the order of `tensors`.

    A method looks at one tensor's own error. What an error does to the output differs by orders of magnitude
    between tensors, and only the output tells.

    Args:
        limits: largest magnitude to represent, by tensor.
        tensors: those to change.
        largest: magnitude that occurs, by tensor; no limit is raised above it.
        score: of a set of limits, higher is better; called once and then once for each tensor and factor.
    """
    best = dict(limits)
    reached = score(best)
    for name in tensors:
        start = best[name]
        for factor in FACTORS:
            changed = {**best, name: min(start * factor, largest[name])}
            found = score(changed)
            if found > reached:
                best, reached = changed, found
    return best
