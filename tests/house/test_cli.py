"""The command answers with one line on stderr and a sysexits code, and never with a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge import cli

ROOT = Path(__file__).parents[2]


def sonocart(*args):
    return subprocess.run(
        [sys.executable, "-m", "edge", *args], capture_output=True, text=True, timeout=120, cwd=ROOT
    )


def test_help_names_every_verb():
    result = sonocart("--help")
    assert result.returncode == 0
    assert all(f"  {name} " in result.stdout for name in cli.VERBS)


def test_no_verb_is_a_usage_error_that_shows_the_verbs():
    result = sonocart()
    assert result.returncode == 64
    assert "verbs:" in result.stderr


def test_unknown_verb_suggests_the_nearest_and_exits_64():
    result = sonocart("evalute")
    assert result.returncode == 64
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "Did you mean 'evaluate'?" in result.stderr


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself_with_an_example(verb):
    result = sonocart(verb, "--help")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(f"sonocart {verb}") >= 2, "usage and at least one example"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_unknown_option_exits_64_with_one_line(verb):
    result = sonocart(verb, "--no-such-option")
    assert result.returncode == 64
    assert result.stderr.count("\n") == 1
    assert "--help" in result.stderr


def test_the_table_of_verbs_loads_nothing_heavy():
    heavy = {
        "torch",
        "onnx",
        "onnxruntime",
        "tensorrt",
        "pycuda",
        "cv2",
        "av",
        "matplotlib",
        "sklearn",
        "numpy",
    }
    code = "import sys, edge.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert heavy & set(loaded.stdout.split()) == set()


def test_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        command = [sys.executable, "-m", "edge", "--help"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert result.returncode == 74
    assert result.stderr.count("\n") == 1


def test_verb_of_a_verb_points_to_the_examples():
    assert sonocart("study", "figures", "--help").stdout.endswith("Examples: sonocart study --help\n")


def test_question_in_an_error_has_no_full_stop_behind_it():
    err = sonocart("run", "bundle", "--precision", "int9").stderr
    assert "did you mean 'int8'? Run: sonocart run --help" in err
