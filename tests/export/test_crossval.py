"""Cross-validation keeps folds apart, goes on after a kill, and reports chosen against got."""

import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace as replace_fields

from edge import cli
from edge.errors import CannotCreateError, DataError, UsageError
from export import ablate
from export.ablate import CELLS, compare
from export.crossval_report import Pooled, summarise, table
from export.examples import Examples
from export.fold import FoldResult, FoldTask, Transfer, run_fold
from export.learn import Plan
from export.recipe import Recipe
from export.run_folder import read_record
from export.statistics import Figure


def results(seeds=1, folds=4, better=1.0, number=60):
    """Folds whose network tells the classes apart by `better` deviations."""
    out = []
    for seed in range(seeds):
        for fold in range(folds):
            rng = np.random.default_rng([seed, fold])
            truth = np.arange(number) < number // 3
            shared = rng.normal(size=number)
            risks = 1 / (1 + np.exp(-(shared + better * truth)))
            weak = 1 / (1 + np.exp(-shared))
            point = Transfer(name="balanced", threshold=0.5, sensitivity=0.9, specificity=0.8)
            out.append(
                FoldResult(
                    seed=seed,
                    fold=str(fold),
                    images=tuple(range(fold * number, (fold + 1) * number)),
                    malignant=tuple(map(bool, truth)),
                    groups=tuple(f"g{fold}-{i // 2}" for i in range(number)),
                    risks={
                        name: tuple(map(float, values))
                        for name, values in (
                            ("all", risks),
                            ("network", weak),
                            ("measures", weak),
                            ("brightness", weak),
                        )
                    },
                    points=(point,),
                    temperature=1.0,
                    choice=((3.0, 0.6),),
                    learnt=(folds - 1) * number,
                    seconds=1.0,
                )
            )
    return out


def test_predictions_of_all_folds_are_pooled_by_image():
    pooled = Pooled(results(seeds=2))
    assert pooled.risks["all"].shape == (2, 240)
    assert not np.isnan(pooled.risks["all"]).any()
    assert pooled.malignant.sum() == 80
    assert pooled.groups[61] == "g1-0"


def test_the_table_shows_every_fold_and_what_a_threshold_promised_and_gave():
    report = summarise(results(better=3.0))
    text = table(report)
    assert text.count("seed 0 fold") == 4
    transfer = report["transfer"][0]
    assert transfer["sensitivity"]["chosen"]["mean"] == 0.9
    truth = np.tile(np.arange(60) < 20, 4)
    risks = np.concatenate([result.risks["all"] for result in results(better=3.0)])
    assert transfer["sensitivity"]["pooled"] == pytest.approx((risks[truth] >= 0.5).mean(), abs=1e-4)
    assert transfer["specificity"]["pooled"] == pytest.approx((risks[~truth] < 0.5).mean(), abs=1e-4)
    assert "ECE" in text


def test_a_real_difference_is_beyond_noise_and_none_is_not():
    strong, weak = results(seeds=2, better=3.0), results(seeds=2, better=0.0)
    answers = {row["question"]: row for row in compare({"fused": strong, "measured": weak})["answers"]}
    assert answers["do they help beside measures?"]["beyond_noise"]
    assert answers["do they help beside measures?"]["difference"]["value"] > 0.2
    same = answers["do feature images help the network?"]
    assert not same["beyond_noise"]
    assert same["difference"]["value"] == 0.0
    assert len(CELLS) == 5


def test_a_p_value_that_is_not_defined_is_said_to_be_none(monkeypatch):
    monkeypatch.setattr(ablate, "compare_auc", lambda *given: (Figure(0.1, math.nan, math.nan), math.nan))
    report = compare({"fused": results(better=2.0), "measured": results(better=0.5)})
    assert {p for row in report["answers"] for p in row["p_delong_by_seed"]} == {None}
    assert "DeLong p not defined" in ablate._table(report)


def test_cross_validations_of_other_folds_are_not_compared_in_pairs():
    first, *others = results()
    moved = [replace_fields(first, images=tuple(image + 1000 for image in first.images)), *others]
    with pytest.raises(DataError, match="cannot be compared in pairs"):
        compare({"fused": results(), "measured": moved})


@pytest.fixture(scope="module")
def crossed(learnable, tmp_path_factory):
    out = tmp_path_factory.mktemp("crossed") / "cv"
    assert cli.run(["crossval", *arguments(learnable, out)]) == 0
    return out


def arguments(study, out):
    small = ["--network", "compact", "--folds", "2", "--members", "2", "--epochs", "1", "--jobs", "1"]
    return [str(study), "--out", str(out), *small]


def test_every_image_is_judged_once_by_what_did_not_learn_its_patient(crossed):
    found = [read_record(path, FoldResult) for path in sorted(crossed.glob("seed-*.json"))]
    assert sorted(image for result in found for image in result.images) == list(range(80))
    assert not set(found[0].groups) & set(found[1].groups)
    assert not list(crossed.glob("*.safetensors"))


def test_a_fold_that_is_done_is_not_done_again_and_a_missing_one_is(crossed, learnable, capsys):
    kept, lost = sorted(crossed.glob("seed-*.json"))
    before, content = kept.stat().st_mtime_ns, json.loads(lost.read_text())
    lost.unlink()
    assert cli.run(["crossval", *arguments(learnable, crossed), "--resume", "--json"]) == 0
    assert kept.stat().st_mtime_ns == before
    again = json.loads(lost.read_text())
    assert again["risks"] == content["risks"]
    assert json.loads(capsys.readouterr().out)["seeds"] == 1


class KilledError(Exception):
    pass


def test_a_fold_that_was_killed_goes_on_as_if_nothing_had_happened(tmp_path):
    rng = np.random.default_rng(0)
    truth = np.arange(40) % 2 == 0
    images = np.clip(rng.normal(np.where(truth, 80, 130)[:, None, None, None], 40, (40, 1, 128, 128)), 1, 255)
    task = FoldTask(
        path=tmp_path / "whole.json",
        plan=Plan("light", Recipe(epochs=2), 0, None),
        members=2,
        seed=0,
        fold="1",
        examples=Examples(images.astype(np.uint8), truth),
        groups=tuple(f"g{i}" for i in range(40)),
        learnt=np.arange(30),
        judged=np.arange(30, 40),
    )
    run_fold(task, lambda: None)
    epochs = iter(range(3))

    def kill():
        if next(epochs) == 2:
            raise KilledError

    cut = replace(task, path=tmp_path / "cut.json")
    with pytest.raises(KilledError):
        run_fold(cut, kill)
    assert not cut.path.exists()
    run_fold(cut, lambda: None)
    whole, resumed = (read_record(path, FoldResult) for path in (task.path, cut.path))
    assert resumed.risks == whole.risks
    assert set(whole.risks) == {"all", "network", "measures", "brightness"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.json", "whole.json"]


def test_a_begun_folder_wants_resume_and_the_same_options(crossed, learnable):
    with pytest.raises(CannotCreateError, match="add --resume"):
        cli.run(["crossval", *arguments(learnable, crossed)])
    with pytest.raises(UsageError, match="epochs 1, found 3"):
        cli.run(["crossval", *arguments(learnable, crossed), "--epochs", "3", "--resume"])


@pytest.mark.parametrize("wrong", [["--folds", "1"], ["--seeds", "0"], ["--jobs", "0"], ["--epochs", "0"]])
def test_wrong_options_write_nothing(learnable, tmp_path, wrong):
    with pytest.raises(UsageError):
        cli.run(["crossval", *arguments(learnable, tmp_path / "cv"), *wrong])
    assert list(tmp_path.iterdir()) == []


def test_the_folds_of_a_manifest_are_used(learnable, tmp_path):
    manifest = learnable / "folds.csv"
    try:
        assert cli.run(["study", "split", str(learnable), "--out", str(manifest), "--folds", "2"]) == 0
        fold_of = {row["path"]: row["fold"] for row in csv.DictReader(manifest.read_text().splitlines())}
        assert cli.run(["crossval", *arguments(manifest, tmp_path / "cv")]) == 0
    finally:
        manifest.unlink()
    order = list(fold_of)
    for path in (tmp_path / "cv").glob("seed-*.json"):
        result = read_record(path, FoldResult)
        assert {fold_of[order[image]] for image in result.images} == {result.fold}


@pytest.mark.parametrize("edit", ["moved", "removed"])
def test_folds_that_were_edited_since_are_refused_by_name(learnable, tmp_path, edit):
    study = Path(shutil.copytree(learnable, tmp_path / "study"))
    manifest, out = study / "folds.csv", tmp_path / "cv"
    cli.run(["study", "split", str(study), "--out", str(manifest), "--folds", "2"])
    assert cli.run(["crossval", *arguments(manifest, out)]) == 0
    rows = list(csv.DictReader(manifest.read_text().splitlines()))
    for row in rows:
        if edit == "removed":
            del row["fold"]
        elif row["patient"] == "p3":
            row["fold"] = "1" if row["fold"] == "2" else "2"
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(UsageError, match="3-0.png" if edit == "moved" else "fold ''"):
        cli.run(["crossval", *arguments(manifest, out), "--resume"])


def test_a_box_that_was_edited_since_is_another_study(crossed, learnable, tmp_path):
    study = Path(shutil.copytree(learnable, tmp_path / "study"))
    manifest = study / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("20,20,56,56", "20,20,56,50", 1))
    with pytest.raises(UsageError, match="study_sha256"):
        cli.run(["crossval", *arguments(study, crossed), "--resume"])


def test_too_few_patients_for_the_folds_are_named(learnable, tmp_path):
    with pytest.raises(DataError, match="cannot be divided by 15"):
        cli.run(["crossval", str(learnable), "--out", str(tmp_path / "cv"), "--folds", "15"])
    assert list(tmp_path.iterdir()) == []
