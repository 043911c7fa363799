"""Two processes that `torchrun` starts train one network, and write what one process writes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from export.run_folder import read_run

ROOT = Path(__file__).parents[2]


def torchrun(arguments, folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--master_addr", "127.0.0.1", "--master_port", str(port), "-m", "edge", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_two_processes_under_gloo_train_write_once_and_resume(learnable, tmp_path):
    run = tmp_path / "run"
    arguments = ["train", str(learnable), "--out", str(run), "--epochs", "3"]
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
    assert "exists and is not empty" in result.stderr
    assert "Traceback" not in result.stderr.split("exists and is not empty")[0]
