"""The units are what systemd understands, and give the service no right that it does not need."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
UNIT = (UNITS / "sonocart.service").read_text()
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is not here: apt-get install systemd"
)


@pytest.fixture
def unit(tmp_path):
    """The unit with a command that exists here, which `verify` insists on."""
    text = (UNITS / "sonocart.service").read_text()
    path = tmp_path / "sonocart.service"
    path.write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", text, flags=re.M))
    return path


@needs_systemd
@pytest.mark.parametrize("drop_in", [None, "card-bound.conf", "jetson.conf"])
def test_systemd_understands_every_line(unit, drop_in):
    if drop_in is not None:
        folder = unit.with_name("sonocart.service.d")
        folder.mkdir()
        shutil.copy(UNITS / drop_in, folder / drop_in)
    result = subprocess.run([ANALYZE, "verify", str(unit)], capture_output=True, text=True)
    complaints = [line for line in result.stderr.splitlines() if "sonocart" in line]
    assert complaints == []


@needs_systemd
def test_a_line_that_systemd_does_not_know_would_be_found(unit):
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchdogSecs="))
    result = subprocess.run([ANALYZE, "verify", str(unit)], capture_output=True, text=True)
    assert "WatchdogSecs" in result.stderr


@needs_systemd
def test_exposure_is_one_and_a_half_at_most(unit):
    command = [ANALYZE, "security", "--offline=true", "--threshold=15", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-200:]


def test_the_screens_keys_and_display_may_be_opened():
    allowed = re.findall(r"^DeviceAllow=(\S+)", UNIT, flags=re.M)
    assert {"char-drm", "char-input"} <= set(allowed)


def test_a_wrong_configuration_is_not_tried_again_and_a_missing_card_is():
    text = (UNITS / "sonocart.service").read_text()
    (codes,) = re.findall(r"^RestartPreventExitStatus=(.*)$", text, flags=re.M)
    assert set(codes.split()) == {"64", "65", "77", "78"}
    assert "StartLimitIntervalSec=0" in text


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not here")
def test_the_user_is_made_with_the_groups_of_the_devices(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("video:x:44:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    rules = str(UNITS / "sonocart.sysusers")
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", rules], check=True, capture_output=True)
    assert "sonocart" in (tmp_path / "etc/passwd").read_text()
    for group in re.search(r"^SupplementaryGroups=(.*)$", UNIT, flags=re.M)[1].split():
        made = (tmp_path / "etc/group").read_text()
        assert re.search(rf"^{group}:x:[0-9]+:sonocart$", made, flags=re.M), group
    assert re.search(r"^video:x:44:sonocart$", (tmp_path / "etc/group").read_text(), flags=re.M)


@pytest.mark.skipif(shutil.which("udevadm") is None, reason="udevadm is not here")
def test_udev_understands_its_rule():
    version = subprocess.run(["udevadm", "--version"], capture_output=True, text=True).stdout
    if int(version.split()[0]) < 254:
        pytest.skip("this udevadm cannot verify rules")
    rules = UNITS / "60-sonocart.rules"
    result = subprocess.run(["udevadm", "verify", str(rules)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
