"""How many threads to train with: measured, since on a shared machine more of them can be far slower."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import torch

from export.architecture import NETWORKS
from export.augment import augment
from export.fit import fast_half
from export.network import ResNet
from export.recipe import Recipe

ROUNDS = 2


def choose_threads(work: Callable[[], None]) -> int:
    """Set torch's number of threads to the fastest of 1, 2, 4 ... for `work`, and return it.

    Candidates take turns, so that a burst of other load hits all of them. Threads that wait for each other
    spin: where something else runs on a core, two threads can take ten times as long as one.
    """
    candidates = [1]
    while candidates[-1] * 2 <= len(os.sched_getaffinity(0)):
        candidates.append(candidates[-1] * 2)
    if len(candidates) == 1:
        torch.set_num_threads(1)
        return 1
    taken: dict[int, list[float]] = {number: [] for number in candidates}
    for turn in range(ROUNDS + 1):
        for number in candidates:
            torch.set_num_threads(number)
            began = time.perf_counter()
            work()
            if turn:  # the first warms up
                taken[number].append(time.perf_counter() - began)
    best = min(candidates, key=lambda number: statistics.median(taken[number]))
    torch.set_num_threads(best)
    return best


def training_step(name: str) -> Callable[[], None]:
    """One step on a batch as `export.fit` does it, with a fresh network of `NETWORKS`."""
    architecture = NETWORKS[name]
    network = ResNet(architecture).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    side = architecture.size // architecture.shrink
    images = torch.full((Recipe().batch, 1, side, side), 100.0)

    def step() -> None:
        batch = augment(images, torch.Generator().manual_seed(0))
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_half(torch.device("cpu"))):
            logits, _ = network.classify(network.describe(batch))
        logits.float().sum().backward()

    return step
