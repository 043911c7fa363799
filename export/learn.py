"""From examples to a calibrated classifier: what `train`, `crossval` and `ablate` all do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge.contract.spec import OperatingPoint
from export.architecture import NETWORKS
from export.classifier import Classifier, Opinions, fuse
from export.examples import Division, Examples
from export.fit import Epoch, Fit, fit, predict
from export.network import ResNet, load_initial
from export.operating_points import choose_points
from export.recipe import Recipe
from export.stages import Stages
from export.team import ALONE, Team
from export.temperature import Scaling, fit_scaling


@dataclass(frozen=True, slots=True)
class Plan:
    """How a classifier is learnt, whatever it learns from.

    Attributes:
        network: one of `NETWORKS`.
        recipe: of each network's training.
        seed: of weights, order, augmentation and dropout.
        initial: weight file to start from.
    """

    network: str
    recipe: Recipe
    seed: int
    initial: Path | None

    def check(self) -> None:
        """Try the weight file, before anything is written.

        Raises:
            NoInputError, RefusedError, DataError: as `load_initial`.
        """
        if self.initial:
            load_initial(ResNet(NETWORKS[self.network]), self.initial)


@dataclass(frozen=True, slots=True)
class Learned:
    """A classifier, and the held-out predictions that its temperature and thresholds were chosen on.

    Attributes:
        classifier: on the CPU; its offset is set, the temperature is the caller's to apply.
        held_out: indices of the examples that were held out of at least one network.
        opinions: about all examples, NaN where none was held out.
        risks: calibrated, of those `held_out`.
        points: operating points on the calibrated risk.
        fits: log of each network.
    """

    classifier: Classifier
    held_out: NDArray[np.intp]
    opinions: Opinions
    scaling: Scaling
    risks: NDArray[np.float64]
    points: tuple[OperatingPoint, ...]
    fits: tuple[Fit, ...]


def learn(
    plan: Plan,
    examples: Examples,
    divisions: Sequence[Division],
    *,
    states: Sequence[Path],
    team: Team = ALONE,
    stages: Stages | None = None,
    report: Callable[[int, Sequence[Epoch]], None] = lambda _member, _log: None,
) -> Learned:
    """Train a network for each division, fuse, scale and choose thresholds on what was held out.

    With one division the held-out part also decides which epoch is kept. With several, each network keeps its
    last epoch, so that nothing but temperature, thresholds, and the kernel machines' costs, reaches and share
    has seen the held-out labels.

    Args:
        plan: how.
        examples: training and validation part.
        divisions: for each network, what it learns and what is held out.
        states: file for each network's state, so that a killed training goes on.
        team: processes that train together.
        stages: filled with what the time goes to.
        report: called after each epoch with the network's number and its log.
    """
    stages = stages or Stages()
    torch.manual_seed(plan.seed)
    classifier = Classifier(plan.network, len(divisions))
    recipe = plan.recipe if len(divisions) == 1 else replace(plan.recipe, patience=None)
    logits = np.full(len(examples.malignant), np.nan)
    fits = []
    for number, (division, state) in enumerate(zip(divisions, states, strict=True)):
        network = classifier.member(number)
        if plan.initial:
            load_initial(network, plan.initial)
        fits.append(
            fit(
                network.to(team.device),
                examples[division.train],
                examples[division.judged],
                recipe,
                seed=plan.seed + number,
                state=state,
                team=team,
                stages=stages,
                report=lambda log, number=number: report(number, log),  # type: ignore[misc]
            )
        )
        logits[division.judged] = predict(network.cpu(), examples.images[division.judged])
    with stages.stage("fusion, scaling"):
        opinions = fuse(classifier, examples, divisions, logits)
        held_out = np.flatnonzero(~np.isnan(logits))
        truth = examples.malignant[held_out]
        scaling = fit_scaling(truth, opinions.fused[held_out])
        classifier.offset.fill_(scaling.offset)
        risks = scaling.risk(opinions.fused[held_out])
    return Learned(
        classifier.eval(), held_out, opinions, scaling, risks, choose_points(truth, risks), tuple(fits)
    )
