"""The command answers with one line on stderr and a sysexits code, and never with a traceback."""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from edge import cli
from edge.errors import UnavailableError

ROOT = Path(__file__).parents[2]


def sonocart(*args):
    return subprocess.run(
        [sys.executable, "-m", "edge", *args], capture_output=True, text=True, timeout=600, cwd=ROOT
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
    assert "Examples:\n" in result.stdout


@pytest.mark.parametrize("verb", cli.VERBS)
def test_unknown_option_exits_64_with_one_line(verb):
    result = sonocart(verb, "--no-such-option")
    assert result.returncode == 64
    assert result.stderr.count("\n") == 1
    assert "--help" in result.stderr


def test_a_missing_system_library_is_one_line_and_a_fault_of_our_own_is_not(monkeypatch):
    def fail(name):
        raise ImportError("libgthread-2.0.so.0: cannot open shared object file", name=name)

    monkeypatch.setattr(importlib, "import_module", lambda _: fail("cv2"))
    with pytest.raises(UnavailableError, match=r"libgthread.*apt-get install"):
        cli.run(["run"])
    monkeypatch.setattr(importlib, "import_module", lambda _: fail("edge.daemon"))
    with pytest.raises(ImportError):
        cli.run(["run"])


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


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_verb_whose_output_is_closed_ends_with_its_own_code(closed):
    command = f"'{sys.executable}' -m edge --version {closed}"
    result = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")


SUBVERBS = [
    *(("study", name) for name in ("check", "split", "figures")),
    *(("config", name) for name in ("check", "example")),
    *(("dicom", name) for name in ("write", "send", "echo", "queue")),
    *(
        ("bench", name)
        for name in (
            "engine",
            "threads",
            "pipeline",
            "start",
            "glass",
            "soak",
            "viewers",
            "overlay",
            "compare",
        )
    ),
    ("audit", "verify"),
]


@pytest.mark.parametrize(("verb", "name"), SUBVERBS)
def test_every_verb_of_a_verb_explains_itself_with_its_own_examples(verb, name, capsys):
    with pytest.raises(SystemExit) as end:
        cli.run([verb, name, "--help"])
    assert end.value.code == 0
    usage, description, *_, examples = capsys.readouterr().out.strip().split("\n\n")
    assert usage.startswith(f"usage: sonocart {verb} {name}")
    assert not description.startswith(("positional", "options")), "says what it does"
    head, *lines = examples.split("\n")
    assert head == "Examples:"
    assert lines
    assert all(line.startswith((f"  sonocart {verb} {name}", "    ")) for line in lines)


def test_help_and_slips_of_the_keys_load_nothing_heavy():
    script = (
        "import argparse, sys\n"
        "from edge import cli\n"
        "for verb in cli.VERBS:\n"
        "    cli.arguments_of(verb).add_arguments(argparse.ArgumentParser())\n"
        "    heavy = {'torch', 'onnxruntime', 'onnx', 'cv2', 'scipy', 'av', 'rich'} & set(sys.modules)\n"
        "    assert not heavy, f'{verb} loads {heavy}'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_verb_of_a_verb_is_forgotten_above():
    parsers = {}
    for verb in cli.VERBS:
        parser = argparse.ArgumentParser()
        cli.arguments_of(verb).add_arguments(parser)
        parsers[verb] = [
            name
            for action in parser._actions
            if isinstance(action, argparse._SubParsersAction)
            for name in action.choices
        ]
    assert sorted(SUBVERBS) == sorted((verb, name) for verb, own in parsers.items() for name in own)


def test_question_in_an_error_has_no_full_stop_behind_it():
    err = sonocart("run", "bundle", "--precision", "int9").stderr
    assert "did you mean 'int8'? Run: sonocart run --help" in err
