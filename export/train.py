"""Train a classifier on a study: `sonocart train STUDY --out RUN`.

STUDY is a folder with manifest.csv, or with the folders benign/ and malignant/. It is split into training,
validation and test part by patient (or by near-duplicate group where no patients are named); the test part is
not looked at before `sonocart evaluate`.

Examples:
  sonocart train study --out runs/first
  sonocart train study --out runs/resnet --network resnet18 --init resnet18.safetensors
  sonocart train study --out runs/first --resume
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from edge.atomic import new_file
from edge.contract.preprocess import PREPROCESSING_ID
from edge.contract.spec import Preprocessing
from edge.errors import CannotCreateError, NoInputError, UsageError
from edge.study.cases import Study
from edge.study.images import image_hash
from edge.study.read import read_study
from export.checkpoint import save_checkpoint
from export.classifier import Classifier, fuse
from export.fit import Epoch, Examples, Recipe, fit, predict
from export.network import NETWORKS, load_initial
from export.operating_points import DEFAULT, choose_points, performance
from export.progress import bar
from export.run_folder import (
    STATE,
    WEIGHTS,
    Run,
    Settings,
    read_record,
    study_hash,
    write_record,
    write_split,
)
from export.split import split_study
from export.statistics import Figure, auc
from export.temperature import fit_scaling
from export.tensors import load_tensors

SETTINGS = "settings.json"
RECIPE = Recipe()
LESION_CONTEXT = 1.8
"""Side of the square cut around a lesion, in lesion sizes: room for what lies behind it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="new folder for the run")
    parser.add_argument(
        "--network", choices=NETWORKS, default="compact", help="compact (default) and fused suit few images"
    )
    parser.add_argument(
        "--init", type=Path, metavar="FILE", help="weights to start from, torchvision's names"
    )
    parser.add_argument(
        "--region",
        choices=("field", "lesion"),
        default="field",
        help="look at the ultrasound field (default) or at the lesion with its surroundings",
    )
    parser.add_argument(
        "--epochs", type=int, default=RECIPE.epochs, help=f"at most (default {RECIPE.epochs})"
    )
    parser.add_argument("--seed", type=int, default=0, help="of split and training (default 0)")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")


def main(args: argparse.Namespace) -> int:
    """Split, train, choose temperature and operating points on the validation part, write the run."""
    if args.epochs < 1 or args.seed < 0:
        raise UsageError(f"found --epochs {args.epochs} --seed {args.seed}, expected 1 and 0 or more")
    study = read_study(args.study)
    split = split_study(study, args.seed)
    for note in (*study.notes, *split.notes):
        print(f"note: {note}", file=sys.stderr)
    hashes = [image_hash(case.path) for case in study.cases]
    settings = _settings(args, study_hash(hashes, study.cases))
    torch.manual_seed(args.seed)
    classifier = Classifier(settings.network)
    network = classifier.network
    if args.init:
        load_initial(network, args.init)
    with bar("reading images", len(study.cases)) as step:
        tensors = load_tensors(study.cases, settings.preprocessing, step)
    malignant = np.array([case.malignant for case in study.cases])
    train, validation = (
        Examples(tensors[chosen], malignant[chosen])
        for chosen in (split.members("train"), split.members("validation"))
    )
    _open_folder(args.out, settings, resume=args.resume)
    write_split(args.out / "split.csv", study.cases, hashes, split, study.root)

    began = time.perf_counter()
    with bar("training", args.epochs) as step:

        def report(log: Sequence[Epoch]) -> None:
            _write_table(args.out / "log.csv", [asdict(epoch) for epoch in log])
            step(len(log), f"loss {log[-1].train_loss:.3f}  validation AUC {log[-1].validation_auc:.3f}")

        network.to("cuda" if torch.cuda.is_available() else "cpu")
        recipe = Recipe(epochs=args.epochs)
        result = fit(
            network, train, validation, recipe, seed=args.seed, state=args.out / STATE, report=report
        )
    logits = predict(network.cpu(), validation.images)
    fuse(classifier, train.images, train.malignant, validation.images, validation.malignant, logits)
    logits = predict(classifier, validation.images)
    scaling = fit_scaling(validation.malignant, logits)
    classifier.offset.fill_(scaling.offset)
    risks = scaling.risk(logits)
    _write_table(
        args.out / "validation.csv",
        [
            {"sha256": hashes[index], "label": study.cases[index].label, "logit": logit, "risk": risk}
            for index, logit, risk in zip(split.members("validation"), logits, risks, strict=True)
        ],
    )
    run = Run(
        settings=settings,
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        sonocart=version("sonocart"),
        torch=str(torch.__version__),
        parameters=classifier.size,
        prevalence=float(train.malignant.mean()),
        images=split.count_images(),
        groups=split.count_groups(),
        best_epoch=result.best,
        temperature=scaling.temperature,
        operating_points=choose_points(validation.malignant, risks),
        operating_point=DEFAULT,
    )
    area = auc(validation.malignant, logits)
    metrics = {
        "validation_auc": area.json(),
        "epochs": len(result.log),
        "best_epoch": result.best,
        "seconds": round(time.perf_counter() - began, 1),
        "temperature": round(run.temperature, 4),
        "operating_points": {point.name: round(point.threshold, 4) for point in run.operating_points},
        "performance": {
            point.name: performance(validation.malignant, risks, point.threshold)
            for point in run.operating_points
        },
    }
    with new_file(args.out / "metrics.json") as partial:
        partial.write_text(json.dumps(metrics, indent=2) + "\n")
    save_checkpoint(args.out / WEIGHTS, classifier.state_dict(), {})
    write_record(args.out / "run.json", run)
    (args.out / STATE).unlink()
    _print(args.out, study, run, area, len(result.log))
    return 0


def _settings(args: argparse.Namespace, study_sha256: str) -> Settings:
    if args.init and not args.init.is_file():
        raise NoInputError(f"there is no weight file '{args.init}'")
    size = NETWORKS[args.network].size
    return Settings(
        study_sha256=study_sha256,
        network=args.network,
        initial_sha256=hashlib.sha256(args.init.read_bytes()).hexdigest() if args.init else None,
        preprocessing=Preprocessing(
            id=PREPROCESSING_ID,
            width=size,
            height=size,
            region=args.region,
            context=1.0 if args.region == "field" else LESION_CONTEXT,
        ),
        epochs=args.epochs,
        seed=args.seed,
    )


def _open_folder(folder: Path, settings: Settings, *, resume: bool) -> None:
    """Make the run's folder, or check that the one to resume was begun with the same settings."""
    if resume:
        before = read_record(folder / SETTINGS, Settings)
        if not (folder / STATE).exists() and (folder / "run.json").exists():
            raise UsageError(f"run '{folder}' has ended; there is nothing to resume")
        for name in Settings.__struct_fields__:
            if getattr(before, name) != getattr(settings, name):
                raise UsageError(
                    f"run '{folder}' was begun with {name} {getattr(before, name)}, found "
                    f"{getattr(settings, name)}; resume with the same study and options"
                )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "add --resume to go on with it, or " if (folder / STATE).exists() else ""
        raise CannotCreateError(f"'{folder}' exists and is not empty; {hint}choose another --out")
    write_record(folder / SETTINGS, settings)


def _write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    with new_file(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _print(folder: Path, study: Study, run: Run, area: Figure, epochs: int) -> None:
    kind = "patients" if study.patients_known else "groups"
    for part, images in run.images.items():
        print(f"{part:<11} {images:>5} images of {run.groups[part]:>4} {kind}")
    print(f"best epoch  {run.best_epoch + 1} of {epochs}; validation AUC {area}")
    points = ", ".join(f"{point.name} {point.threshold:.3f}" for point in run.operating_points)
    print(f"thresholds  {points}; temperature {run.temperature:.2f}")
    print(f"\nNext: sonocart export {folder} --out BUNDLE")
