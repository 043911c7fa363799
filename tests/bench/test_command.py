"""`sonocart bench` as typed."""

import json

import msgspec
import pytest

from edge.bench.report import html_report
from edge.bench.result import read_result, write_result
from edge.cli import run
from edge.errors import CannotCreateError, DataError, NoInputError, UsageError
from tests.bench.conftest import make_track
from tests.fakes import FakeEngine


@pytest.fixture
def written(make_result, samples, tmp_path):
    def write(name, milliseconds, seed):
        result = make_result(make_track("int8", samples(milliseconds, seed)))
        write_result(result, html_report(result), tmp_path / name)
        return str(tmp_path / name / "result.json")

    return write


def test_engine_writes_json_and_report(bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("edge.engines.onnx.onnx_engine", lambda *args, **options: FakeEngine())
    out = tmp_path / "out"
    argv = ["bench", "engine", str(bundle.path), "--precision", "int8", "--min-queries", "20"]
    assert run([*argv, "--min-seconds", "0.01", "--json", "--out", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["summary"]["int8"]["samples"] >= 20
    assert printed["environment"]["packages"]["numpy"]
    assert read_result(out).subject["bundle"] == bundle.id
    assert "<svg" in (out / "report.html").read_text()
    with pytest.raises(CannotCreateError, match="not empty"):
        run([*argv, "--min-seconds", "0.01", "--out", str(out)])


def test_result_reads_back_as_written(make_result, samples, tmp_path):
    result = make_result(make_track("int8", samples(10.0, 1)))
    write_result(result, "", tmp_path / "a")
    assert read_result(tmp_path / "a") == result


def test_compare_tells_a_regression_by_its_exit_code(written, capsys):
    before, after = written("before", 10.0, 1), written("after", 12.0, 2)
    assert run(["bench", "compare", before, after]) == 1
    assert capsys.readouterr().out.endswith("\nregression\n")
    assert run(["bench", "compare", after, before, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["regressed"] is False
    assert run(["bench", "compare", before, after, "--tolerance", "0.5"]) == 0


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema": 1', b"[1, 2]"])
def test_file_that_is_no_result_is_refused(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a result"):
        read_result(path)


def test_result_of_another_schema_is_refused(make_result, samples, tmp_path):
    result = msgspec.structs.replace(make_result(make_track("int8", samples(10.0, 1))), schema=99)
    write_result(result, "", tmp_path / "a")
    with pytest.raises(DataError, match="schema 99"):
        read_result(tmp_path / "a")
    with pytest.raises(NoInputError, match="bench engine"):
        read_result(tmp_path / "missing.json")


@pytest.mark.parametrize(
    "argv",
    [
        ["bench"],
        ["bench", "engine", "x"],
        ["bench", "engine", "x", "--interleave", "fp32,int7"],
        ["bench", "engine", "x", "--interleave", "fp32,fp32"],
    ],
)
def test_wrong_command_line_is_a_usage_error(argv):
    with pytest.raises(UsageError):
        run(argv)
