"""The configuration file: every fault with its line, the command line in front of the file."""

import argparse
import json
import re
from pathlib import Path

import pytest

from edge.cli import run
from edge.errors import ConfigError, NoInputError, UsageError
from edge.service.config import Fault, examine, read_settings
from edge.service.config_command import example
from edge.service.fields import add_options, fields, overrides
from edge.settings import Settings
from edge.sources.base import Pace


def write(folder, text):
    path = folder / "cart.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[sorce]\naddress = 'x'\n", 1, "unknown section [sorce]; did you mean 'source'?"),
        ("[source]\n\nadress = 'x'\n", 3, "[source] adress: unknown key; did you mean 'address'?"),
        ("# c\n[source]\nloop = 'yes'\n", 3, "found 'yes': expected bool, got str"),
        ("[source]\npace = 'liv'\n", 2, "found 'liv', expected one of live, max; did you mean 'live'?"),
        ("[model]\nprecision = 8\n", 2, "expected one of fp16, fp32, int8"),
        ("[model]\nroi = [1,\n 2]\n", 2, "[model] roi: found [1, 2]: expected array of length 4, got 2"),
        ("[model]\nroi = [1, 2, 3, -4]\n", 2, "expected int >= 0"),
        ("[model]\nbundle = 3\n", 2, "[model] bundle: found 3: expected a path"),
        ("[limits]\nseconds = 0\n", 2, "found 0: expected float > 0.0"),
        ("[limits]\n'seconds' = nan\n", 2, "found nan"),
        ("a = 1\n", 1, "'a' stands outside a section"),
        ("source = 1\n", 1, "'source' stands outside a section"),
        ("[source]\naddress = 'x\n", 2, "not TOML"),
        ("[source]\naddress = 'x'\naddress = 'y'\n", 3, "not TOML"),
        ("[source]\naddress = [1,\n", 2, "not TOML"),
        ("\n\nsource.lop = true\n", 3, "unknown key; did you mean 'loop'?"),
        ("[page]\nx = 1\n[source]\nx = 1\n", 2, "[page] x: unknown key"),
        (
            '[model]\nbundle = "b"\n[service]\nlock = "a\\u0000b"\n',
            4,
            "[service] lock: found 'a\\x00b': expected a path",
        ),
        (f"[model]\nroi = {'[' * 3000}{']' * 3000}\n[page]\n", 2, "values lie too deep in one another"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path, text, line, words):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_settings(path, {})
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)
    assert caught.value.exit_code == 78


CLASHES = [
    ("[dicom]\npacs = 'A@10.0.0.5:104'\n", 2, "give --dicom FOLDER too"),
    ("[dicom]\nqueue = 'q'\npacs = 'ARCHIVE@10.0.0.5'\n", 3, "expected AET@HOST:PORT"),
    ("[dicom]\nidentified = true\n", 2, "needs dicom.worklist or dicom.patient_id"),
    ("[dicom]\npatient_id = 'P1'\n", 2, "needs dicom.identified"),
    ("[page]\naddress = '127.0.0.1:99999'\n", 2, "no address for the page"),
    ("[page]\nviewers = 2\naddress = '0.0.0.0:8765'\n", 3, "without tokens it is served on loopback only"),
    ("[recording]\nalways = true\n", 2, "give --recordings FOLDER too"),
    ("[recording]\nbefore_s = 5.0\n", 2, "give --recordings FOLDER too"),
]


@pytest.mark.parametrize(("text", "line", "words"), CLASHES)
def test_settings_that_cannot_start_anywhere_are_faults_of_the_file(tmp_path, capsys, text, line, words):
    path = write(tmp_path, text)
    assert run(["config", "check", str(path)]) == 78
    out = capsys.readouterr().out
    assert out.startswith(f"{path}:{line}: ")
    assert words in out
    with pytest.raises(ConfigError, match=f":{line}: "):
        run(["run", "--config", str(path)])


def test_what_the_command_line_gives_mends_a_file_and_is_no_fault_of_it(tmp_path):
    path = write(tmp_path, "[page]\naddress = '0.0.0.0:80'\n[dicom]\npacs = 'A@10.0.0.5:104'\n")
    mended = {"page.address": "127.0.0.1:80", "dicom.queue": tmp_path}
    assert read_settings(path, mended).dicom.pacs == "A@10.0.0.5:104"
    with pytest.raises(UsageError, match=r"--pacs: .*give --dicom FOLDER too"):
        read_settings(None, {"dicom.pacs": "A@10.0.0.5:104"})
    with pytest.raises(UsageError, match=r"--page: .*loopback only"):
        read_settings(None, {"page.address": "0.0.0.0:80"})
    everywhere = {"page.address": "0.0.0.0:80", "page.tokens": tmp_path / "tokens"}
    with pytest.raises(UsageError, match="no name that a browser can ask for"):
        read_settings(None, everywhere)
    assert read_settings(None, {**everywhere, "page.hosts": ("cart.test",)}).page.hosts == ("cart.test",)


def test_further_names_of_the_page_are_given_on_the_command_line():
    parser = argparse.ArgumentParser()
    add_options(parser)
    given = overrides(parser.parse_args(["--page-hosts", "cart.test,10.0.0.5"]))
    assert read_settings(None, given).page.hosts == ("cart.test", "10.0.0.5")


def test_all_faults_are_found_at_once_in_the_order_of_lines(tmp_path):
    _, faults = examine(write(tmp_path, "[limits]\nseconds = 0\nminutes = 1\n[nothing]\n"))
    assert [fault.line for fault in faults] == [2, 3, 4]


def test_a_file_that_is_not_text_is_one_fault(tmp_path):
    path = tmp_path / "cart.toml"
    path.write_bytes(b"[source]\n\xff")
    assert examine(path) == ({}, [Fault(1, "not UTF-8: invalid start byte at byte 9")])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(NoInputError, match=r"No such file.* Run: sonocart config example > "):
        read_settings(tmp_path / "none.toml", {})


def test_the_command_line_stands_before_the_file_and_the_file_before_the_default(tmp_path):
    path = write(tmp_path, "[source]\naddress = 'a.mp4'\npace = 'max'\n[model]\nroi = [1, 2, 3, 4]\n")
    settings = read_settings(path, {"source.address": "b.mp4"})
    assert settings.source.address == "b.mp4"
    assert settings.source.pace is Pace.MAX
    assert settings.model.roi == (1, 2, 3, 4)
    assert settings.model.precision == Settings().model.precision


def test_relative_paths_start_from_the_file(tmp_path):
    settings = read_settings(write(tmp_path, "[model]\nbundle = 'b'\ntrust = '/keys'\n"), {})
    assert settings.model.bundle == tmp_path / "b"
    assert settings.model.trust == Path("/keys")


def test_every_setting_says_what_it_means_and_has_a_sound_default():
    assert next(fields()).path == "source.address"
    for field in fields():
        assert field.text, field.path
        if field.default is not None:
            assert field.check(field.default, Path()) == field.default
    options = [field.option for field in fields() if field.option]
    assert len(options) == len(set(options))


def test_the_example_is_a_good_file(tmp_path):
    assert examine(write(tmp_path, example())) == ({}, [])
    sections = [line for line in example().splitlines() if line.startswith("[")]
    assert len(sections) == len(Settings.__struct_fields__)
    assert '# pace = "live"' in example().splitlines()


def test_the_example_is_a_good_file_also_with_every_comment_mark_taken_away(tmp_path, capsys):
    path = write(tmp_path, re.sub("(?m)^# ?", "", example()))
    values, faults = examine(path)
    assert faults == []
    assert sorted(values) == sorted(field.path for field in fields())
    assert run(["config", "check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: good, {len(values)} settings\n"


def test_check_prints_every_fault_and_exits_78(tmp_path, capsys):
    path = write(tmp_path, "[source]\nlop = 1\n[modl]\n")
    assert run(["config", "check", str(path)]) == 78
    assert capsys.readouterr().out.splitlines() == [
        f"{path}:2: [source] lop: unknown key; did you mean 'loop'?",
        f"{path}:3: unknown section [modl]; did you mean 'model'?",
    ]


def test_what_check_prints_is_a_file_with_the_same_settings(tmp_path, capsys):
    path = write(tmp_path, "[source]\naddress = 'Ä \"x\"'\nloop = true\n[model]\nroi = [1, 2, 3, 4]\n")
    assert run(["config", "check", str(path), "--print"]) == 0
    again = write(tmp_path, capsys.readouterr().out)
    assert read_settings(again, {}) == read_settings(path, {})
    assert read_settings(again, {}).source.address == 'Ä "x"'


def test_check_as_json(tmp_path, capsys):
    assert run(["config", "check", str(write(tmp_path, "[source]\nlop = 1\n")), "--json"]) == 78
    report = json.loads(capsys.readouterr().out)
    assert [fault["line"] for fault in report["faults"]] == [2]
    assert report["settings"]["source"]["pace"] == "live"


def test_run_without_bundle_or_file_says_what_is_missing(tmp_path):
    with pytest.raises(UsageError, match="no BUNDLE"):
        run(["run", "--config", str(write(tmp_path, "[source]\naddress = 'x'\n"))])
    with pytest.raises(UsageError, match="no --source"):
        run(["run", "bundle"])
