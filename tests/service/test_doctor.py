"""The doctor finds everything at once and says what to do."""

import json
import os
import socket

import pytest

from edge.cli import run
from edge.service import checks
from edge.service.doctor import examine_all
from tests.clips import tissue, write_clip
from tests.networks import write_bundle, write_study


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    return write_bundle(folder / "bundle", write_study(folder / "study")).path


def write(folder, **tables):
    path = folder / "cart.toml"
    path.write_text("\n".join(f"[{name}]\n{body}" for name, body in tables.items()))
    return path


@pytest.fixture
def good(tmp_path, bundle):
    clip = write_clip(tmp_path / "clip.mp4", [tissue(i, 96, 128) for i in range(3)])
    return {
        "source": f"address = '{clip}'\n",
        "model": f"bundle = '{bundle}'\n",
        "page": "address = '127.0.0.1:0'\n",
        "recording": f"folder = '{tmp_path / 'kept'}'\n",
    }


def failures(config):
    return {finding.what: finding for finding in examine_all(config) if not finding.good}


def test_nothing_is_missing(tmp_path, good, capsys, monkeypatch):
    monkeypatch.setattr(checks, "ROOM", 0)
    assert run(["doctor", "--config", str(write(tmp_path, **good))]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing is missing"


def test_everything_that_is_wrong_is_found_at_once_with_its_fix(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(checks.time, "time", lambda: 0.0)
    monkeypatch.setattr(checks, "ROOM", 1 << 62)
    monkeypatch.setattr(checks, "LIBRARIES", ("numpy", "no_such_library"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = write(
            tmp_path,
            source="address = 'v4l2:/dev/none'\n",
            model=f"bundle = 'none'\ntrust = '{tmp_path / 'keys'}'\n",
            page=f"address = '127.0.0.1:{taken.getsockname()[1]}'\ncertificate = 'none.pem'\n",
            recording="folder = '/tmp/kept'\n",
            typo="",
        )
        assert run(["doctor", "--config", str(config), "--json"]) == 69
    report = json.loads(capsys.readouterr().out)
    bad = {finding["what"]: finding for finding in report["findings"] if not finding["good"]}
    assert set(bad) == {
        "configuration",
        "libraries",
        "keys",
        "model",
        "source",
        "disk",
        "page",
        "page's file",
        "clock",
    }
    assert all(finding["fix"] for finding in bad.values())
    assert not report["good"]


def test_a_missing_file_is_a_finding_and_the_rest_is_looked_at(tmp_path):
    found = failures(tmp_path / "none.toml")
    assert "sonocart config example" in found["configuration"].fix
    assert "set [model] bundle" in found["model"].fix


def test_a_card_without_a_right_names_the_group(tmp_path, good, monkeypatch):
    node = tmp_path / "video0"
    node.touch()
    monkeypatch.setattr(checks.os, "access", lambda path, mode: str(path) != str(node))
    good["source"] = f"address = 'v4l2:{node}'\n"
    assert "usermod -a -G video" in failures(write(tmp_path, **good))["source"].fix


def test_a_port_held_by_the_running_service_is_no_fault(tmp_path, good):
    from edge.service.lock import only_instance

    with socket.socket() as taken, only_instance(tmp_path / "lock"):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        good["page"] = f"address = '127.0.0.1:{taken.getsockname()[1]}'\n"
        good["service"] = f"lock = '{tmp_path / 'lock'}'\n"
        assert "page" not in failures(write(tmp_path, **good))
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
