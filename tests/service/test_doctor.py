"""The doctor finds everything at once and says what to do."""

import errno
import json
import os
import shutil
import socket
import sys

import pytest

from edge.cli import run
from edge.contract.bundle import open_bundle
from edge.errors import UnavailableError
from edge.service import checks
from edge.service.doctor import examine_all
from tests.clips import tissue, write_clip
from tests.engines.fake_gpu import Gpu, with_plan
from tests.networks import residual_spec, write_bundle, write_study
from tests.sources.card import fake_card


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


@pytest.mark.parametrize(
    ("signal", "right", "words"),
    [
        (fake_card.PROGRESSIVE, True, "a signal arrives"),
        (errno.ENOLINK, True, "no signal at present"),
        (errno.EIO, False, "Unplug it and plug it in again"),
    ],
)
def test_a_card_is_there_whether_or_not_the_scanner_is_on(tmp_path, good, monkeypatch, signal, right, words):
    node = tmp_path / "video0"
    node.touch()
    monkeypatch.setattr(fake_card, "NODE", str(node))
    monkeypatch.setattr("edge.sources.card.kernel.Linux", lambda: fake_card.FakeCard(timings=signal))
    good["source"] = f"address = 'v4l2:{node}'\n"
    found = next(one for one in examine_all(write(tmp_path, **good)) if one.what == "source")
    assert (found.good, words in found.found) == (right, True)


def test_a_port_held_by_the_running_service_is_no_fault(tmp_path, good):
    from edge.service.lock import only_instance

    with socket.socket() as taken, only_instance(tmp_path / "lock"):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        good["page"] = f"address = '127.0.0.1:{taken.getsockname()[1]}'\n"
        good["service"] = f"lock = '{tmp_path / 'lock'}'\n"
        assert "page" not in failures(write(tmp_path, **good))
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_what_the_bundle_does_not_have_is_named_with_the_setting(tmp_path, good):
    (tmp_path / "passport.json").write_text("{}")
    good["model"] += "precision = 'int8'\noperating_point = 'none'\nbaseline = 'passport.json'\n"
    found = [finding for finding in examine_all(write(tmp_path, **good)) if not finding.good]
    fixes = {finding.found.partition(";")[0]: finding.fix for finding in found if finding.what == "model"}
    assert "[model] precision to one of: fp32" in fixes["the bundle has no int8 model"]
    assert "[model] operating_point to one of: " in fixes["the model has no operating point 'none'"]
    assert any("sonocart accept" in finding.fix for finding in found if finding.what == "baseline")


@pytest.fixture
def engine(tmp_path, good, bundle, monkeypatch):
    """A GPU with libraries and kernels, and a configured bundle with an engine for it, or for `changes`."""

    def make(**changes):
        gpu = Gpu(residual_spec(), lambda frame: 0.5)
        gpu.kernels = object()
        gpu.install(monkeypatch)
        shutil.copytree(bundle, tmp_path / "cart")
        with_plan(open_bundle(tmp_path / "cart"), gpu, **changes)
        good["model"] = f"bundle = '{tmp_path / 'cart'}'\n"
        return gpu

    return make


def test_an_engine_that_runs_here_is_told_with_its_kernels(tmp_path, good, engine):
    engine()
    found = {one.what: one.found for one in examine_all(write(tmp_path, **good)) if one.good}
    assert "Fake Orin (sm_87)" in found["engine"]
    assert found["kernels"] == "for sm_87"


@pytest.mark.parametrize(
    ("lacking", "what", "found", "fix"),
    [
        ("edge.engines.cuda.load_driver", "engine", "fp32 runs on the CPU: no NVIDIA driver", "driver"),
        ("tensorrt", "engine", "fp32 runs on the CPU: TensorRT's Python bindings", "TensorRT"),
        ("pycuda.driver", "engine", "fp32 runs on the CPU: pycuda is not here", "sonocart[tensorrt]"),
        ("edge.engines.device_frame.read_cubin", "kernels", "no kernels for sm_87", "make kernels"),
    ],
)
def test_what_an_engine_lacks_is_found(tmp_path, good, engine, monkeypatch, lacking, what, found, fix):
    def absent(*arguments):
        raise UnavailableError(
            {"engine": "no NVIDIA driver", "kernels": "no kernels for sm_87. Run: make kernels"}[what]
        )

    engine()
    if lacking.startswith("edge."):
        monkeypatch.setattr(lacking, absent)
    else:
        monkeypatch.setitem(sys.modules, lacking, None)
    failed = failures(write(tmp_path, **good))
    assert failed.keys() == {what}
    assert failed[what].found.startswith(found)
    assert fix in failed[what].fix


def test_an_engine_of_another_machine_is_found_with_what_to_run(tmp_path, good, engine):
    engine(gpu="Other GPU")
    failed = failures(write(tmp_path, **good))["engine"]
    assert "was built for Other GPU" in failed.found
    assert failed.fix.startswith("sonocart build ")


def test_a_folder_that_cannot_be_made_is_not_told_to_be_full(tmp_path, good):
    good["recording"] = "folder = '/proc/x'\n"
    found = failures(write(tmp_path, **good))["disk"]
    assert found.found.startswith("/proc/x cannot be written: ")
    assert "delete" not in found.fix


def test_what_a_user_may_not_look_at_is_a_finding_and_the_rest_is_looked_at(tmp_path, good):
    def source(settings):
        raise PermissionError(errno.EACCES, "Permission denied", "/var/lib/sonocart/bundle")
        yield

    found = list(examine_all(write(tmp_path, **good), (source, checks.clock)))
    assert [finding.what for finding in found] == ["configuration", "source", "clock"]
    assert found[1].found == "'/var/lib/sonocart/bundle': Permission denied"
    assert "sudo -u sonocart" in found[1].fix


def test_what_cannot_start_anywhere_is_a_fault_of_the_configuration(tmp_path, good):
    good["page"] = "address = '127.0.0.1:99999'\n"
    assert "no address for the page" in failures(write(tmp_path, **good))["configuration"].found


def test_what_run_would_refuse_of_the_page_and_the_archive_is_found(tmp_path, good, monkeypatch):
    (tmp_path / "tokens.json").write_text('{"operator": "short"}')
    (tmp_path / "tokens.json").chmod(0o600)
    (tmp_path / "cert.pem").write_text("no certificate")
    (tmp_path / "list.json").write_text('[{"00100020": {"vr": "LO", "Value": ["P1"]}}, {}]')
    good["page"] += f"tokens = '{tmp_path / 'tokens.json'}'\ncertificate = '{tmp_path / 'cert.pem'}'\n"
    good["dicom"] = f"queue = '{tmp_path / 'queue'}'\nworklist = '{tmp_path / 'list.json'}'\n"
    good["screen"] = "full = true\n"
    config = write(tmp_path, **good)
    found = [one for one in examine_all(config) if not one.good and one.what != "disk"]
    said = {one.what: one.found for one in found}
    assert set(said) == {"page's file", "worklist"}
    files = [one.found for one in found if one.what == "page's file"]
    assert any("must be 16 or more" in text for text in files)
    assert any("certificate" in text for text in files)
    assert "order 2 of the worklist" in said["worklist"]
    monkeypatch.setattr("edge.service.checks_asked.find_spec", lambda name: None)
    lacking = failures(config)
    assert "sonocart[screen]" in lacking["screen"].fix
    assert "sonocart[dicom]" in lacking["dicom"].fix
