"""Train a classifier on a study: `sonocart train STUDY --out RUN`."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from edge.atomic import new_file, require_place
from edge.contract.spec import PREPROCESSING_ID, Preprocessing
from edge.errors import CannotCreateError, NoInputError, UsageError
from edge.study.cases import Study
from edge.study.images import image_hash
from edge.study.read import read_study
from edge.study.tensors import load_tensors
from export.architecture import NETWORKS
from export.bootstrap import patient_bootstrap
from export.checkpoint import save_checkpoint
from export.examples import Division, Examples, divide
from export.familiarity import fit_familiarity, write_familiarity
from export.fit import Epoch, predict
from export.judged import with_patients
from export.learn import Learned, Plan, learn
from export.operating_points import DEFAULT, performance
from export.progress import bar
from export.recipe import Recipe
from export.run_folder import (
    WEIGHTS,
    Run,
    Settings,
    log_name,
    read_record,
    state_name,
    study_hash,
    write_record,
    write_split,
)
from export.split import Split, split_study
from export.stages import Stages
from export.statistics import Figure, auc, wilson
from export.team import Team, join_team
from export.threads import choose_threads, training_step

SETTINGS = "settings.json"
LESION_CONTEXT = 1.8
"""Side of the square cut around a lesion, in lesion sizes: room for what lies behind it."""


def check_learning_arguments(args: argparse.Namespace) -> None:
    """Refuse what no training can be done with."""
    if args.epochs < 1 or args.members < 1:
        raise UsageError(f"found --epochs {args.epochs} --members {args.members}, expected 1 or more")
    if args.init and not args.init.is_file():
        raise NoInputError(f"there is no weight file '{args.init}'")


def main(args: argparse.Namespace) -> int:
    """Split, train, choose temperature and operating points on held-out images, write the run."""
    check_learning_arguments(args)
    if args.seed < 0:
        raise UsageError(f"found --seed {args.seed}, expected 0 or more")
    require_place(args.out)
    with join_team() as team:
        return _train(args, team)


def _train(args: argparse.Namespace, team: Team) -> int:
    stages = Stages()
    with stages.stage("study and split"):
        study = read_study(args.study)
        split = split_study(study, args.seed)
        hashes = [image_hash(case.path) for case in study.cases]
    if team.first:
        for note in (*study.notes, *split.notes):
            print(f"note: {note}", file=sys.stderr)
    settings = _settings(args, study_hash(hashes, study.cases))
    plan = Plan(args.network, Recipe(epochs=args.epochs), args.seed, args.init)
    plan.check()
    with stages.stage("reading images"), bar("reading images", len(study.cases), shown=team.first) as step:
        tensors = load_tensors(study.cases, settings.preprocessing, step)
    malignant = np.array([case.malignant for case in study.cases])
    chosen, divisions = _divide(split, malignant, args.members, args.seed)

    def open_folder() -> None:
        _open_folder(args.out, settings, resume=args.resume)
        write_split(args.out / "split.csv", study.cases, hashes, split, study.root)

    team.lead(open_folder)
    if team.size == 1:
        with stages.stage("choice of threads"):
            choose_threads(training_step(args.network))
    with bar("training", args.epochs * args.members, shown=team.first) as step:

        def report(member: int, log: Sequence[Epoch]) -> None:
            _write_table(args.out / log_name(member), [asdict(epoch) for epoch in log])
            words = f"loss {log[-1].train_loss:.3f}  validation AUC {log[-1].validation_auc:.3f}"
            step(member * args.epochs + len(log), words)

        learned = learn(
            plan,
            Examples(tensors[chosen], malignant[chosen]),
            divisions,
            states=[args.out / state_name(member) for member in range(args.members)],
            team=team,
            stages=stages,
            report=report,
        )
    if not team.first:
        return 0
    first = divisions[0]
    write_familiarity(
        args.out,
        fit_familiarity(
            learned.classifier.network, tensors[chosen[first.train]], tensors[chosen[first.judged]]
        ),
    )
    images = [study.cases[index] for index in chosen[learned.held_out]]
    logits = learned.opinions.fused[learned.held_out]
    _write_table(
        args.out / "validation.csv",
        [
            {"sha256": image_hash(case.path), "label": case.label, "logit": logit, "risk": risk}
            for case, logit, risk in zip(images, logits, learned.risks, strict=True)
        ],
    )
    run = _record(settings, split, learned, float(malignant[split.members("train")].mean()))
    area = auc([case.malignant for case in images], logits)
    metrics = {
        "validation_auc": area.json(),
        "training_accuracy": _training_accuracy(learned, run, split, study, tensors),
        "epochs": [len(fitted.log) for fitted in learned.fits],
        "best_epoch": [fitted.best for fitted in learned.fits],
        "threads": torch.get_num_threads(),
        "processes": team.size,
        "seconds": {name: round(seconds, 1) for name, seconds in stages.seconds.items()},
        "temperature": round(run.temperature, 4),
        "operating_points": {point.name: round(point.threshold, 4) for point in run.operating_points},
        "performance": {
            point.name: performance([case.malignant for case in images], learned.risks, point.threshold)
            for point in run.operating_points
        },
    }
    with new_file(args.out / "metrics.json") as partial:
        partial.write_text(json.dumps(metrics, indent=2) + "\n")
    save_checkpoint(args.out / WEIGHTS, learned.classifier.state_dict(), {})
    write_record(args.out / "run.json", run)
    for member in range(args.members):
        (args.out / state_name(member)).unlink()
    _print(args.out, study, run, area, learned, stages)
    return 0


def _divide(
    split: Split, malignant: NDArray[np.bool_], members: int, seed: int
) -> tuple[NDArray[np.intp], tuple[Division, ...]]:
    """Indices of the cases to learn from, and what each network learns of them."""
    train, validation = (np.array(split.members(part), np.intp) for part in ("train", "validation"))
    chosen = np.concatenate([train, validation])
    if members == 1:
        numbers = np.arange(len(chosen))
        return chosen, (Division(numbers[: len(train)], numbers[len(train) :]),)
    return chosen, divide(malignant[chosen], [split.groups[index] for index in chosen], members, seed)


def _training_accuracy(
    learned: Learned, run: Run, split: Split, study: Study, tensors: NDArray[np.uint8]
) -> dict[str, Any]:
    """At the default operating point, of the training part: what has been learnt, not what it is worth."""
    own = split.members("train")
    (threshold,) = (point.threshold for point in run.operating_points if point.name == run.operating_point)
    called = expit(predict(learned.classifier, tensors[own]) / run.temperature) >= threshold
    right = called == np.array([study.cases[index].malignant for index in own])
    over = None
    if study.patients_known:
        over = patient_bootstrap([split.groups[i] for i in own], lambda chosen: float(right[chosen].mean()))
    return with_patients(wilson(int(right.sum()), len(right)), None if over is None else {"": over}, "")


def _record(settings: Settings, split: Split, learned: Learned, prevalence: float) -> Run:
    return Run(
        settings=settings,
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        sonocart=version("sonocart"),
        torch=str(torch.__version__),
        parameters=learned.classifier.size,
        prevalence=prevalence,
        images=split.count_images(),
        groups=split.count_groups(),
        best_epoch=learned.fits[0].best,
        temperature=learned.scaling.temperature,
        operating_points=learned.points,
        operating_point=DEFAULT,
    )


def _settings(args: argparse.Namespace, study_sha256: str) -> Settings:
    return Settings(
        study_sha256=study_sha256,
        network=args.network,
        members=args.members,
        initial_sha256=initial_hash(args.init),
        preprocessing=preprocessing_of(args.network, args.region),
        epochs=args.epochs,
        seed=args.seed,
    )


def initial_hash(path: Path | None) -> str | None:
    """SHA-256 of the weight file to start from, if there is one."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else None


def preprocessing_of(network: str, region: str) -> Preprocessing:
    """How frames become tensors for a network that looks at `region`."""
    size = NETWORKS[network].size
    return Preprocessing(
        id=PREPROCESSING_ID,
        width=size,
        height=size,
        region=region,
        context=1.0 if region == "field" else LESION_CONTEXT,
    )


def _open_folder(folder: Path, settings: Settings, *, resume: bool) -> None:
    """Make the run's folder, or check that the one to resume was begun with the same settings."""
    if resume:
        before = read_record(folder / SETTINGS, Settings)
        if (folder / "run.json").exists():
            raise UsageError(f"run '{folder}' has ended; there is nothing to resume")
        for name in Settings.__struct_fields__:
            if getattr(before, name) != getattr(settings, name):
                raise UsageError(
                    f"run '{folder}' was begun with {name} {getattr(before, name)}, found "
                    f"{getattr(settings, name)}; resume with the same study and options"
                )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "add --resume to go on with it, or " if (folder / state_name(0)).exists() else ""
        raise CannotCreateError(f"'{folder}' exists and is not empty; {hint}choose another --out")
    write_record(folder / SETTINGS, settings)


def _write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    with new_file(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _print(folder: Path, study: Study, run: Run, area: Figure, learned: Learned, stages: Stages) -> None:
    kind = "patients" if study.patients_known else "groups"
    for part, images in run.images.items():
        print(f"{part:<11} {images:>5} images of {run.groups[part]:>4} {kind}")
    for fitted in learned.fits:
        print(f"network     epoch {fitted.best + 1} of {len(fitted.log)} kept")
    print(f"held out    {len(learned.held_out)} images, AUC {area}")
    points = ", ".join(f"{point.name} {point.threshold:.3f}" for point in run.operating_points)
    print(f"thresholds  {points}; temperature {run.temperature:.2f}")
    print(f"\nTime, with {torch.get_num_threads()} threads:\n{stages.table()}")
    print(f"\nNext: sonocart export {folder} --out BUNDLE")
