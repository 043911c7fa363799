"""The training loop, readable from top to bottom."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from export.augment import augment
from export.checkpoint import load_checkpoint, save_checkpoint
from export.examples import Examples
from export.network import ResNet
from export.recipe import Recipe
from export.stages import Stages
from export.statistics import auc
from export.team import ALONE, Team


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the training log. The training loss is weighted and of augmented images."""

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_auc: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of it: the log, and the epoch whose averaged weights are now in the network."""

    log: tuple[Epoch, ...]
    best: int


def fit(
    network: ResNet,
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    *,
    seed: int,
    state: Path | None = None,
    team: Team = ALONE,
    stages: Stages | None = None,
    report: Callable[[Sequence[Epoch]], None],
) -> Fit:
    """Train `network` in place and leave the best epoch's averaged weights in it.

    Deterministic for a seed, a machine, a number of threads and of processes. After each epoch everything
    that the next one depends on is written to `state`; where that file exists, training goes on from it.

    Args:
        network: on the device to train on.
        train: examples, shuffled here.
        validation: decides which epoch is kept, and nothing else.
        recipe: constants of the loop.
        seed: of order, augmentation and dropout.
        state: checkpoint file; None to keep none.
        team: each of its processes takes its share of every batch; the first one validates and writes.
        stages: filled with what the time goes to.
        report: called after each epoch with the log so far.
    """
    stages = stages or Stages()
    torch.use_deterministic_algorithms(True)
    device = next(network.parameters()).device
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
    grey = torch.from_numpy(train.images[train.images > 0].astype(np.float32))
    network.mean.fill_(grey.mean())
    network.deviation.fill_(grey.std())

    # The rare class counts as much as the frequent one; the scaling on validation takes the prior back.
    share = float(train.malignant.mean())
    weights = torch.where(torch.from_numpy(train.malignant), 0.5 / share, 0.5 / (1 - share)).float()
    targets = torch.from_numpy(train.malignant).float() * (1 - recipe.smoothing) + recipe.smoothing / 2
    parts = torch.from_numpy(train.images).split(recipe.batch)
    images = torch.cat([network.reduce(part.float()).round().byte() for part in parts])

    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]  # biases and batch norm are not shrunk
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
    )
    average = copy.deepcopy(network).eval()
    best = copy.deepcopy(average)
    learner: nn.Module = _Logits(network)
    if team.size > 1:
        learner = DistributedDataParallel(learner)  # averages the gradients of all processes
    steps = math.ceil(len(images) / recipe.batch)
    log: list[Epoch] = []
    if state is not None and state.exists():
        log = _restore(state, network, average, best, optimiser)

    for epoch in range(len(log), recipe.epochs):
        if recipe.patience is not None and log and epoch - _kept(log, recipe).epoch > recipe.patience:
            break
        began = time.perf_counter()
        network.train()
        # Each epoch draws from its own numbers, so a resumed run needs none of the earlier ones.
        order = torch.randperm(len(images), generator=_numbers(seed, epoch))
        generator = _numbers(seed, epoch, team.rank)
        torch.manual_seed(generator.initial_seed())  # dropout
        total = 0.0
        for step in range(steps):
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            if len(chosen) < 2 * team.size:
                continue  # batch norm has no spread over one image
            own = chosen[team.rank :: team.size]
            rate = recipe.learning_rate * _schedule((epoch * steps + step) / (recipe.epochs * steps), recipe)
            for parameters in optimiser.param_groups:
                parameters["lr"] = rate
            with stages.stage("augmentation"):
                batch = augment(images[own].float(), generator).to(device)
            with stages.stage("feature images"):
                prepared = network.describe(batch).contiguous(memory_format=torch.channels_last)
            with stages.stage("forward"):
                with torch.autocast(device.type, torch.bfloat16, enabled=fast_half(device)):
                    logits = learner(prepared)
                losses = F.binary_cross_entropy_with_logits(
                    logits.float(), targets[own].to(device), weights[own].to(device), reduction="sum"
                )
                loss = losses * team.size / len(chosen)
            with stages.stage("backward"):
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
            with stages.stage("update"):
                torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimiser.step()
                done = epoch * steps + step
                _average(average, network, min(recipe.ema, (done + 1) / (10 + done)))
                total += losses.item()
        with stages.stage("validation"):
            logits_of = predict(average, validation.images) if team.first else np.zeros(0)
        if team.first:
            truth = validation.malignant
            log.append(
                Epoch(
                    epoch=epoch,
                    learning_rate=rate,
                    train_loss=total * team.size / len(images),
                    validation_loss=float(np.mean(np.logaddexp(0, np.where(truth, -logits_of, logits_of)))),
                    validation_auc=auc(truth, logits_of).value,
                    seconds=time.perf_counter() - began,
                )
            )
        log = team.share(log)
        if _kept(log, recipe).epoch == epoch:
            best.load_state_dict(average.state_dict())
        if team.first:
            if state is not None:
                with stages.stage("checkpoint"):
                    _store(state, network, average, best, optimiser, log)
            report(log)
    network.load_state_dict(best.state_dict())
    network.eval()
    return Fit(tuple(log), _kept(log, recipe).epoch)


class _Logits(nn.Module):
    """What learns: from prepared images to logits, as one call that processes can share."""

    def __init__(self, network: ResNet):
        super().__init__()
        self.network = network

    def forward(self, prepared: Tensor) -> Tensor:
        return self.network.classify(prepared)[0]


def _numbers(*seeds: int) -> torch.Generator:
    """Random numbers that depend on all of `seeds`."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(seeds).generate_state(1)[0]))


@torch.no_grad()
def predict(network: nn.Module, images: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float64]:
    """Logits of uint8 (N, 1, H, W), float64 (N,), in full precision."""
    network.eval()
    device = next(network.parameters()).device
    parts = [
        network(torch.from_numpy(images[i : i + batch]).to(device, torch.float32))[0].cpu()
        for i in range(0, len(images), batch)
    ]
    return torch.cat(parts).double().numpy()


def fast_half(device: torch.device) -> bool:
    """True where bfloat16 is computed in hardware: on GPUs, and on CPUs with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return True
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def _schedule(progress: float, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine to zero."""
    if progress < recipe.warmup:
        return max(progress / recipe.warmup, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - recipe.warmup) / (1 - recipe.warmup)))


def _kept(log: list[Epoch], recipe: Recipe) -> Epoch:
    """The last epoch, or the one with the highest validation AUC, of equals with the lower loss."""
    if recipe.patience is None:
        return log[-1]
    return max(log, key=lambda epoch: (epoch.validation_auc, -epoch.validation_loss))


@torch.no_grad()
def _average(average: ResNet, network: ResNet, decay: float) -> None:
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _store(
    path: Path,
    network: ResNet,
    average: ResNet,
    best: ResNet,
    optimiser: torch.optim.Optimizer,
    log: list[Epoch],
) -> None:
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("network", network), ("average", average), ("best", best)):
        tensors |= {f"{prefix}.{name}": value for name, value in module.state_dict().items()}
    for index, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in slots.items()}
    rows = [[getattr(row, name) for name in Epoch.__slots__] for row in log]
    save_checkpoint(path, tensors, {"log": rows})


def _restore(
    path: Path,
    network: ResNet,
    average: ResNet,
    best: ResNet,
    optimiser: torch.optim.Optimizer,
) -> list[Epoch]:
    tensors, about = load_checkpoint(path)
    for prefix, module in (("network", network), ("average", average), ("best", best)):
        module.load_state_dict(
            {n.removeprefix(f"{prefix}."): t for n, t in tensors.items() if n.startswith(f"{prefix}.")}
        )
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": slots})
    rows = about["log"]
    assert isinstance(rows, list)
    return [Epoch(*row) for row in rows]
