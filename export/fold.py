"""One fold of a cross-validation: learnt as `train` learns, judged on what was kept out of all of that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from export.brightness import judge_by_brightness
from export.classifier import Classifier, measure
from export.examples import Division, Examples, divide
from export.fit import predict
from export.learn import Learned, Plan, learn
from export.run_folder import state_name, write_record
from export.statistics import ConfusionMatrix
from export.temperature import fit_scaling

HELD_OUT = 5
"""Share of the learnt part that a single network's training holds out for itself: one in so many."""


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A threshold, and what it promised on the images that it was chosen on."""

    name: str
    threshold: float
    sensitivity: float
    specificity: float


class FoldResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What came of a fold. All lists run over its judged images.

    Attributes:
        images: indices in the study.
        groups: that the bootstrap draws.
        risks: calibrated, by branch: "all" is the deployed graph, "network", "measures" and "brightness" are
            what each would say alone, scaled on the same held-out predictions ("brightness" unscaled).
        points: chosen within the learnt part.
        choice: cost and reach of the kernel machines, chosen within the learnt part.
        learnt: number of images in that part.
        seconds: wall time.
    """

    seed: int
    fold: str
    images: tuple[int, ...]
    malignant: tuple[bool, ...]
    groups: tuple[str, ...]
    risks: dict[str, tuple[float, ...]]
    points: tuple[Transfer, ...]
    temperature: float
    choice: tuple[tuple[float, float], ...]
    learnt: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FoldTask:
    """All that a process needs to learn and judge a fold.

    Attributes:
        path: of the result; states of the training stand beside it.
        examples: of the whole study.
        groups: of each example.
        learnt: indices of the examples to learn from.
        judged: indices of the examples to judge.
    """

    path: Path
    plan: Plan
    members: int
    seed: int
    fold: str
    examples: Examples
    groups: tuple[str, ...]
    learnt: NDArray[np.intp]
    judged: NDArray[np.intp]


def run_fold(task: FoldTask, report: Callable[[], None]) -> None:
    """Learn, judge, write the result; goes on where an earlier run was killed. `report` is called each epoch.

    One thread: several folds run beside each other, and results do not depend on how many.
    """
    torch.set_num_threads(1)
    began = time.perf_counter()
    examples = task.examples[task.learnt]
    groups = [task.groups[index] for index in task.learnt]
    states = [task.path.with_name(f"{task.path.stem}-{state_name(m)}") for m in range(task.members)]
    learned = learn(
        task.plan,
        examples,
        divisions(examples, groups, task.members, task.seed),
        states=states,
        report=lambda _member, _log: report(),
    )
    judged = task.examples[task.judged]
    result = FoldResult(
        seed=task.seed,
        fold=task.fold,
        images=tuple(map(int, task.judged)),
        malignant=tuple(map(bool, judged.malignant)),
        groups=tuple(task.groups[index] for index in task.judged),
        risks={name: tuple(map(float, r)) for name, r in _risks(learned, examples, judged.images).items()},
        points=_promises(learned, examples),
        temperature=learned.scaling.temperature,
        choice=learned.opinions.choice,
        learnt=len(task.learnt),
        seconds=time.perf_counter() - began,
    )
    write_record(task.path, result)
    for state in states:
        state.unlink()


def divisions(examples: Examples, groups: list[str], members: int, seed: int) -> tuple[Division, ...]:
    """One for each network; a single network holds a fifth out for itself."""
    if members > 1:
        return divide(examples.malignant, groups, members, seed)
    return divide(examples.malignant, groups, HELD_OUT, seed)[:1]


def _risks(learned: Learned, examples: Examples, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    classifier, opinions, held = learned.classifier, learned.opinions, learned.held_out
    truth = examples.malignant[held]
    found = {"all": np.asarray(expit(predict(classifier, images) / learned.scaling.temperature), np.float64)}
    if opinions.kernel is not None:
        members = [predict(classifier.member(m), images) for m in range(len(classifier.networks))]
        found["network"] = fit_scaling(truth, opinions.network[held]).risk(np.mean(members, axis=0))
        found["measures"] = fit_scaling(truth, opinions.kernel[held]).risk(_kernel(classifier, images))
    found["brightness"] = np.asarray(expit(judge_by_brightness(examples, images)), np.float64)
    return found


def _kernel(classifier: Classifier, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    assert classifier.measures is not None
    assert classifier.kernel is not None
    with torch.no_grad():
        opinions: torch.Tensor = classifier.kernel(torch.from_numpy(measure(classifier.measures, images)))
    return np.asarray(opinions.numpy(), np.float64)


def _promises(learned: Learned, examples: Examples) -> tuple[Transfer, ...]:
    truth = examples.malignant[learned.held_out]
    matrices = [
        ConfusionMatrix.at(truth, learned.risks, point.threshold).figures() for point in learned.points
    ]
    return tuple(
        Transfer(
            name=point.name,
            threshold=point.threshold,
            sensitivity=figures["sensitivity"].value,
            specificity=figures["specificity"].value,
        )
        for point, figures in zip(learned.points, matrices, strict=True)
    )
