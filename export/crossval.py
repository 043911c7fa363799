"""Judge a way of training by cross-validation: `sonocart crossval STUDY --out FOLDER`."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import sys
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from queue import Empty, Queue
from threading import Event

import msgspec
import numpy as np

from edge.contract.spec import Preprocessing
from edge.errors import CannotCreateError, UnavailableError, UsageError
from edge.study.cases import Study
from edge.study.images import image_hash
from edge.study.parts import EXCLUDED
from edge.study.read import read_study
from edge.study.tensors import load_tensors
from export.crossval_report import summarise, table
from export.examples import Examples
from export.fold import FoldResult, FoldTask, run_fold
from export.grouping import group_study
from export.learn import Plan
from export.progress import bar
from export.recipe import Recipe
from export.run_folder import read_record, study_hash, write_record
from export.split import assign_folds
from export.train import check_learning_arguments, initial_hash, preprocessing_of

SETTINGS = "settings.json"
FOLDS = "folds.json"


class CrossSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every fold depends on; a resumed cross-validation must have the same."""

    study_sha256: str
    network: str
    members: int
    initial_sha256: str | None
    preprocessing: Preprocessing
    epochs: int
    folds: int


class Folds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of each image of the study, in its order: hash of its file, group, and fold by seed.

    `named` is true where the folds are those of the manifest's own column.
    """

    images: tuple[str, ...]
    groups: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]
    named: bool = False


def main(args: argparse.Namespace) -> int:
    """Run what is missing and print the table."""
    report = summarise(cross_validate(args, args.network, args.out))
    print(json.dumps(report, indent=2) if args.json else table(report))
    return 0


def cross_validate(args: argparse.Namespace, network: str, out: Path) -> list[FoldResult]:
    """Results of all seeds and folds, in order; those that are not there yet are made.

    Raises:
        CannotCreateError: `out` holds something else.
        UsageError: options that make no sense, or that differ from those that `out` was begun with.
    """
    check_learning_arguments(args)
    if args.folds < 2 or args.seeds < 1 or args.jobs < 1:
        found = f"--folds {args.folds} --seeds {args.seeds} --jobs {args.jobs}"
        raise UsageError(f"found {found}, expected 2, 1 and 1 or more")
    Plan(network, Recipe(), 0, args.init).check()
    study = read_study(args.study)
    hashes = [image_hash(case.path) for case in study.cases]
    settings = CrossSettings(
        study_sha256=study_hash(hashes, study.cases),
        network=network,
        members=args.members,
        initial_sha256=initial_hash(args.init),
        preprocessing=preprocessing_of(network, args.region),
        epochs=args.epochs,
        folds=args.folds,
    )
    _check_folder(out, settings, resume=args.resume)
    folds = _folds(study, hashes, args.folds, args.seeds, out / FOLDS)
    write_record(out / SETTINGS, settings)
    write_record(out / FOLDS, folds)
    with bar("reading images", len(study.cases)) as step:
        tensors = load_tensors(study.cases, settings.preprocessing, step)
    examples = Examples(tensors, np.array([case.malignant for case in study.cases]))
    tasks = [
        FoldTask(
            path=out / f"seed-{seed}-fold-{fold}.json",
            plan=Plan(network, Recipe(epochs=args.epochs), seed, args.init),
            members=args.members,
            seed=seed,
            fold=fold,
            examples=examples,
            groups=folds.groups,
            learnt=np.flatnonzero([own not in (fold, EXCLUDED) for own in folds.folds[seed]]),
            judged=np.flatnonzero([own == fold for own in folds.folds[seed]]),
        )
        for seed in range(args.seeds)
        for fold in sorted(set(folds.folds[seed]) - {EXCLUDED})
    ]
    _run([task for task in tasks if not task.path.exists()], args.epochs * args.members, args.jobs)
    return [read_record(task.path, FoldResult) for task in tasks]


def _check_folder(out: Path, settings: CrossSettings, *, resume: bool) -> None:
    """It must be new, or one that was begun with the same settings if it is to be resumed."""
    if resume and (out / SETTINGS).exists():
        before = read_record(out / SETTINGS, CrossSettings)
        for name in CrossSettings.__struct_fields__:
            if getattr(before, name) != getattr(settings, name):
                raise UsageError(
                    f"'{out}' was begun with {name} {getattr(before, name)}, found "
                    f"{getattr(settings, name)}; resume with the same study and options"
                )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        hint = "add --resume to go on with it, or " if (out / SETTINGS).exists() else ""
        raise CannotCreateError(f"'{out}' exists and is not empty; {hint}choose another --out")


def _folds(study: Study, hashes: list[str], number: int, seeds: int, path: Path) -> Folds:
    """Folds of every seed; groups are looked for once, since the table at `path` is kept."""
    images = tuple(f"{sha}#{case.frame}" for sha, case in zip(hashes, study.cases, strict=True))
    known = read_record(path, Folds) if path.exists() else None
    if known and known.images != images:
        raise UsageError(f"the images of study '{study.root}' are no longer those of '{path}'; begin anew")
    if known:
        _check_named(study, known, path)
    if known and len(known.folds) >= seeds:
        return known
    grouping = group_study(study)
    for note in (*study.notes, *grouping.notes):
        print(f"note: {note}", file=sys.stderr)
    folds = Folds(
        images=images,
        groups=grouping.groups,
        folds=tuple(assign_folds(study, grouping, number, seed) for seed in range(seeds)),
        named=any(case.fold is not None for case in study.cases),
    )
    if known and known.folds != folds.folds[: len(known.folds)]:
        raise UsageError(f"the folds of study '{study.root}' are no longer those of '{path}'; begin anew")
    return folds


def _check_named(study: Study, known: Folds, path: Path) -> None:
    """Where the manifest names folds, they must still be those that `known` was made from."""
    if not known.named and all(case.fold is None for case in study.cases):
        return
    for case, *before in zip(study.cases, *known.folds, strict=True):
        for fold in before:
            if fold not in (EXCLUDED, case.fold):
                raise UsageError(
                    f"'{case.path}' has fold '{case.fold or ''}' in the manifest, but fold '{fold}' in "
                    f"'{path}'; resume with the same manifest, or begin anew"
                )


def _run(tasks: list[FoldTask], epochs: int, jobs: int) -> None:
    """Each task in a process of its own, `jobs` at a time; if this one is stopped, so are they."""
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    done = 0
    with (
        context.Manager() as manager,
        bar("folds", len(tasks) * epochs) as step,
        ProcessPoolExecutor(jobs, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool,
    ):
        queue, stop = manager.Queue(), manager.Event()
        waiting = {pool.submit(_work, task, queue, stop) for task in tasks}
        try:
            while waiting:
                ended, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in ended:
                    future.result()
                done += _drain(queue)
                step(done)
        except BrokenProcessPool as error:
            raise UnavailableError(
                "a process was killed, maybe for want of memory; go on with --resume --jobs 1"
            ) from error
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


class StoppedError(Exception):
    """The cross-validation was stopped; what this process had learnt is in its state files."""


def _work(task: FoldTask, queue: Queue[None], stop: Event) -> None:
    def tick() -> None:
        queue.put(None)
        if stop.is_set():
            raise StoppedError

    if not stop.is_set():
        run_fold(task, tick)


def _drain(queue: Queue[None]) -> int:
    count = 0
    while True:
        try:
            queue.get_nowait()
        except Empty:
            return count
        count += 1
