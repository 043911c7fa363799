"""`sonocart train` writes a whole run, or says what is wrong and writes nothing."""

import csv
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from edge import cli
from edge.errors import CannotCreateError, DataError, NoInputError, RefusedError, UsageError
from edge.study.cases import PARTS
from edge.study.images import pixel_hash, read_image
from export.run_folder import read_run
from tests.export.conftest import QUICK


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_run_has_all_that_export_needs(run):
    record, network, members = read_run(run)
    assert not network.training
    assert {member.part for member in members} == set(PARTS)
    assert sum(record.images.values()) == len(members) == 80
    assert [point.name for point in record.operating_points] == [
        "high-sensitivity",
        "balanced",
        "high-specificity",
    ]
    assert not (run / "state.safetensors").exists()


def test_the_log_can_be_plotted(run):
    rows = table(run / "log.csv")
    assert len(rows) == 6
    assert all(float(row["train_loss"]) > 0 for row in rows)
    assert json.loads((run / "metrics.json").read_text())["validation_auc"]["value"] is not None


def test_the_split_of_the_run_keeps_patients_apart_and_their_names_at_home(run):
    rows = table(run / "split.csv")
    parts = {}
    for row in rows:
        parts.setdefault(row["group"], set()).add(row["part"])
    assert all(len(found) == 1 for found in parts.values())
    assert not any(member.group in parts for member in read_run(run)[2])


def test_the_split_knows_each_picture_by_its_pixels_also_in_the_bundle(run, learnable):
    rows = {row["path"]: row for row in table(run / "split.csv")}
    for name, row in rows.items():
        assert row["pixels"] == pixel_hash(read_image(learnable / name))
    assert {member.pixels for member in read_run(run)[2]} == {row["pixels"] for row in rows.values()}


def test_a_run_of_before_pictures_were_recorded_is_read(copied):
    rows = table(copied / "split.csv")
    names = [name for name in rows[0] if name != "pixels"]
    lines = [",".join(row[name] for name in names) for row in rows]
    (copied / "split.csv").write_text("\n".join([",".join(names), *lines]) + "\n")
    assert {member.pixels for member in read_run(copied)[2]} == {""}


def test_the_progress_is_on_stderr_and_the_summary_on_stdout(learnable, tmp_path, capsys):
    cli.run(["train", str(learnable), "--out", str(tmp_path / "run"), *QUICK, "--epochs", "1"])
    captured = capsys.readouterr()
    assert "training" in captured.err
    assert "held out    " in captured.out
    assert all(stage in captured.out for stage in ("feature images", "forward", "backward", "validation"))
    assert "sonocart export" in captured.out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--epochs", "0"], UsageError),
        (["--seed", "-1"], UsageError),
        (["--members", "0"], UsageError),
        (["--members", "15"], DataError),
        (["--network", "vgg"], UsageError),
        (["--init", "nothing.safetensors"], NoInputError),
        (["--resume"], NoInputError),
    ],
)
def test_wrong_options_write_nothing(learnable, tmp_path, arguments, error):
    with pytest.raises(error):
        cli.run(["train", str(learnable), "--out", str(tmp_path / "run"), *arguments])
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_architecture_or_with_code_are_refused_and_nothing_written(learnable, tmp_path):
    other = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(8, 1, 3, 3)}, other)
    code = tmp_path / "code.pt"
    code.write_bytes(pickle.dumps(print))
    for file, error, message in ((other, DataError, "architecture"), (code, RefusedError, "code")):
        arguments = ["train", str(learnable), "--out", str(tmp_path / "run"), "--init", str(file)]
        with pytest.raises(error, match=message):
            cli.run(arguments)
        with pytest.raises(error, match=message):
            cli.run(["crossval", *arguments[1:]])
    assert not (tmp_path / "run").exists()


def test_a_damaged_image_is_named_and_nothing_written(learnable, tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    for path in learnable.iterdir():
        (study / path.name).write_bytes(path.read_bytes())
    (study / "7-1.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"7-1\.png"):
        cli.run(["train", str(study), "--out", str(tmp_path / "run"), "--epochs", "1"])
    assert not (tmp_path / "run").exists()


def test_a_taken_folder_is_refused_and_left_alone(learnable, tmp_path):
    (tmp_path / "notes.txt").write_text("keep")
    with pytest.raises(CannotCreateError, match="not empty"):
        cli.run(["train", str(learnable), "--out", str(tmp_path), "--epochs", "1"])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_unwritable_folder_is_named(learnable):
    with pytest.raises(CannotCreateError, match="/proc/run"):
        cli.run(["train", str(learnable), "--out", "/proc/run", "--epochs", "1"])


def test_a_finished_run_is_not_resumed(run, learnable):
    with pytest.raises(UsageError, match="has ended"):
        cli.run(["train", str(learnable), "--out", str(run), *QUICK, "--epochs", "6", "--resume"])


def test_a_run_is_resumed_with_its_own_settings_only(run, learnable, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "settings.json").write_bytes((run / "settings.json").read_bytes())
    with pytest.raises(UsageError, match="seed 0, found 5"):
        cli.run(
            ["train", str(learnable), "--out", str(begun), *QUICK, "--epochs", "6", "--seed", "5", "--resume"]
        )


def test_a_run_is_not_resumed_with_another_split(run, learnable, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "settings.json").write_bytes((run / "settings.json").read_bytes())
    text = (run / "split.csv").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("4-0.png")]
    before = line.rpartition(",")[2]
    other = "validation" if before == "train" else "train"
    (begun / "split.csv").write_text(text.replace(line, line.replace(before, other)))
    with pytest.raises(UsageError, match=f"'4-0.png' of p4 in {other}, found '4-0.png' of p4 in {before}"):
        cli.run(["train", str(learnable), "--out", str(begun), *QUICK, "--epochs", "6", "--resume"])


def test_lesion_region_needs_boxes(learnable, tmp_path):
    lines = (learnable / "manifest.csv").read_text().splitlines()
    for path in learnable.glob("*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    bare = [",".join(line.split(",")[:3]) for line in lines]
    (tmp_path / "manifest.csv").write_text("\n".join(bare) + "\n")
    with pytest.raises(DataError, match="no lesion box"):
        cli.run(["train", str(tmp_path), "--out", str(tmp_path / "run"), "--region", "lesion"])


@pytest.fixture
def copied(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "copied"))


def test_a_split_that_lost_images_is_refused_since_they_would_count_as_never_met(copied):
    split = copied / "split.csv"
    lines = split.read_text().splitlines(keepends=True)
    split.write_text("".join(lines[:-1]))
    with pytest.raises(DataError, match="other images than"):
        read_run(copied)


def test_records_that_are_cut_or_no_text_are_named_and_nothing_is_exported(copied, tmp_path):
    for name, change in (
        ("run.json", lambda data: data[:-20]),
        ("run.json", lambda data: data.replace(b"compact", b"comp\xffct")),
        ("metrics.json", lambda data: data[:-20]),
        ("metrics.json", None),
    ):
        whole = (copied / name).read_bytes()
        (copied / name).unlink() if change is None else (copied / name).write_bytes(change(whole))
        with pytest.raises(DataError, match=name):
            cli.run(["export", str(copied), "--out", str(tmp_path / "bundle")])
        (copied / name).write_bytes(whole)
    assert not (tmp_path / "bundle").exists()


def test_a_run_that_was_killed_while_it_cleared_up_has_ended(copied):
    (copied / "state.safetensors").write_bytes(b"left over")
    assert read_run(copied)[0].settings.network == "compact"
