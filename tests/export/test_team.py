"""Two processes that `torchrun` starts train one network, and write what one process writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from edge.errors import CannotCreateError
from export.run_folder import read_run
from export.team import Team
from tests.export.conftest import QUICK

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("failure", "code"), [(CannotCreateError("taken"), 73), (OSError(28, "no space left"), 70)]
)
def test_others_end_with_the_first_process_whatever_it_fails_by(monkeypatch, failure, code):
    shared = []
    monkeypatch.setattr("export.team.dist.broadcast_object_list", lambda box, src: shared.append(box[0]))

    def fail():
        raise failure

    with pytest.raises(type(failure)):
        Team(0, 2, CPU).lead(fail)
    assert shared == [code]
    monkeypatch.setattr("export.team.dist.broadcast_object_list", lambda box, src: box.__setitem__(0, code))
    with pytest.raises(SystemExit) as end:
        Team(1, 2, CPU).lead(fail)
    assert end.value.code == code


def torchrun(arguments, folder):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--standalone", "--local_addr", "127.0.0.1", "-m", "edge", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_two_processes_under_gloo_train_write_once_and_resume(learnable, tmp_path):
    run = tmp_path / "run"
    arguments = ["train", str(learnable), "--out", str(run), *QUICK, "--epochs", "3"]
    result = torchrun(arguments, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("held out") == 1
    record, _, members = read_run(run)
    assert sum(record.images.values()) == len(members)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["processes"] == 2
    assert metrics["epochs"] == [3]
    assert metrics["validation_auc"]["value"] > 0.7


@pytest.mark.slow
def test_a_user_error_under_torchrun_is_one_line(learnable, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("keep")
    result = torchrun(["train", str(learnable), "--out", str(tmp_path / "run"), "--epochs", "1"], tmp_path)
    assert result.returncode != 0
    assert result.stderr.count("exists and is not empty") == 1
    assert "[rank" not in result.stderr  # what the process that only waited would print, were it not told
    assert "Traceback" not in result.stderr.split("exists and is not empty")[0]
