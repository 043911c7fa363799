"""The package installs, upgrades and purges, in a small tree of its own."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "packaging"

pytestmark = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None or os.geteuid() != 0, reason="needs dpkg and root, for a tree of its own"
)


@pytest.fixture
def tree(tmp_path):
    """An empty root with a package data base; maintainer scripts run with stubs of systemd's tools."""
    root = tmp_path / "root"
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log", "usr/bin", "etc"):
        (root / folder).mkdir(parents=True)
    for name in ("status", "available"):
        (root / "var/lib/dpkg" / name).touch()
    return root


def package(folder, version, setting="a = 1\n"):
    """The real control files and maintainer scripts around a few small files."""
    tree = folder / f"tree-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "etc/sonocart").mkdir(parents=True)
    (tree / "opt/sonocart").mkdir(parents=True)
    (tree / "etc/sonocart/sonocart.toml").write_text(setting)
    (tree / "opt/sonocart/version").write_text(version)
    (tree / "DEBIAN/control").write_text(
        f"Package: sonocart\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@y>\nDescription: x\n"
    )
    (tree / "DEBIAN/conffiles").write_text("/etc/sonocart/sonocart.toml\n")
    for name in ("postinst", "prerm", "postrm"):
        shutil.copy(SCRIPTS / name, tree / "DEBIAN" / name)
    path = folder / f"sonocart_{version}.deb"
    subprocess.run(["dpkg-deb", "-b", str(tree), str(path)], check=True, capture_output=True)
    return path


def dpkg(root, *args):
    """dpkg in `root`; its scripts run outside of it, with DPKG_ROOT, and with stubs first in PATH."""
    stubs = root.parent / "stubs"
    stubs.mkdir(exist_ok=True)
    for name in ("systemd-sysusers", "systemd-tmpfiles", "systemctl", "udevadm"):
        stub = stubs / name
        stub.write_text(f'#!/bin/sh\necho {name} "$@" >> {root.parent}/called\n')
        stub.chmod(0o755)
    command = ["dpkg", f"--root={root}", "--force-script-chrootless", "--force-confold", "--force-not-root"]
    environment = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"}
    result = subprocess.run([*command, *map(str, args)], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_install_upgrade_and_purge(tree, tmp_path):
    config = tree / "etc/sonocart/sonocart.toml"
    dpkg(tree, "-i", package(tmp_path, "1"))
    assert (tree / "opt/sonocart/version").read_text() == "1"
    called = (tmp_path / "called").read_text()
    assert "systemd-sysusers sonocart.conf" in called
    assert "systemd-tmpfiles --create sonocart.conf" in called
    config.write_text("mine = 1\n")
    dpkg(tree, "-i", package(tmp_path, "2", "a = 2\n"))
    assert (tree / "opt/sonocart/version").read_text() == "2"
    assert config.read_text() == "mine = 1\n", "an upgrade keeps what the site has set"
    dpkg(tree, "-r", "sonocart")
    assert config.exists()
    dpkg(tree, "-P", "sonocart")
    assert not config.parent.exists()
    assert not (tree / "opt/sonocart").exists()


def test_purge_keeps_recordings_and_says_so(tree, tmp_path):
    dpkg(tree, "-i", package(tmp_path, "1"))
    kept = tree / "var/lib/sonocart/recordings/a.mp4"
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert "recordings stay in" in dpkg(tree, "-P", "sonocart")
    assert kept.exists()


def test_every_file_of_the_package_is_there():
    text = (SCRIPTS / "build_deb.py").read_text()
    for name in re.findall(r'^    "([\w.-]+)": "', text, flags=re.M):
        if "." in name:
            assert (ROOT / "systemd" / name).is_file(), name


def test_the_packaged_configuration_is_good():
    from edge.service.config import examine

    values, faults = examine(SCRIPTS / "sonocart.toml")
    assert faults == []
    assert {"source.address", "model.bundle", "service.lock"} <= set(values)
