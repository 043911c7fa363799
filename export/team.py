"""The processes of one training: one by itself, or several that `torchrun` started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist

from edge.errors import SonocartError

Shared = TypeVar("Shared")


@dataclass(frozen=True, slots=True)
class Team:
    """This process's place among those that train one network; the first one reads, writes and prints."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """True in the process that writes."""
        return self.rank == 0

    def share(self, value: Shared) -> Shared:
        """The first process's `value` in all of them; they wait for each other here."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def lead(self, action: Callable[[], None]) -> None:
        """The first process does `action` while the others wait; where it fails all end, and one says why.

        Raises:
            Exception: in the first process, what `action` raised.
            SystemExit: in the others, with that error's exit code.
        """
        failure: Exception | None = None
        if self.first:
            try:
                action()
            except Exception as error:  # noqa: BLE001 - whatever it is, the others must not wait for ever
                failure = error
        code = self.share(None if failure is None else getattr(failure, "exit_code", SonocartError.exit_code))
        if failure is not None:
            raise failure
        if code is not None:
            raise SystemExit(code)


ALONE = Team(0, 1, torch.device("cpu"))


@contextmanager
def join_team() -> Iterator[Team]:
    """One GPU for each process where there are any, with NCCL between them; else the CPU, with gloo."""
    gpu = torch.cuda.is_available()
    if not dist.is_torchelastic_launched():
        yield Team(0, 1, torch.device("cuda" if gpu else "cpu"))
        return
    dist.init_process_group("nccl" if gpu else "gloo")
    try:
        rank, size = dist.get_rank(), dist.get_world_size()
        if gpu:
            torch.cuda.set_device(rank % torch.cuda.device_count())
        yield Team(rank, size, torch.device("cuda", torch.cuda.current_device()) if gpu else ALONE.device)
    finally:
        dist.destroy_process_group()
