"""The three generic package names belong to this distribution, and the cart's part stands alone."""

import json
import subprocess
import sys
import venv
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def index():
    probe = [sys.executable, "-m", "pip", "index", "versions", "msgspec"]
    if subprocess.run(probe, capture_output=True, timeout=600).returncode != 0:
        pytest.skip("no package index can be reached from here")


@pytest.mark.network
@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("python", ["3.10", "3.12"])
def test_every_cart_dependency_has_an_aarch64_or_pure_wheel(python, tmp_path):
    """JetPack 6 has Python 3.10 and glibc 2.35, JetPack 7 has 3.12 and 2.39; 2.35 fits both."""
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in range(35, 16, -1)] + ["manylinux2014_aarch64"]
    needed = [line for line in requires("sonocart") or [] if "extra ==" not in line]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--report", str(tmp_path / "report.json"), "--target", str(tmp_path / "target")]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    command += [f"--platform={platform}" for platform in platforms]
    result = subprocess.run([*command, *needed], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    found = {
        item["metadata"]["name"] for item in json.loads((tmp_path / "report.json").read_text())["install"]
    }
    assert {"numpy", "onnxruntime", "opencv-python", "av"} <= found
    assert not found & {"torch", "onnx", "scikit-learn"}


IMPORT_ALL = """
import importlib, importlib.metadata, pkgutil, sys
import edge
owners = importlib.metadata.packages_distributions()
for name in ("edge", "export", "calibration"):
    assert set(owners[name]) == {"sonocart"}, owners[name]
for module in pkgutil.walk_packages(edge.__path__, "edge."):
    if module.name == "edge.__main__":
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        # The extras 'dicom' and 'screen' are for carts that have an archive or a display; nothing else may
        # need them.
        if module.name == "edge.outputs.screen_process":
            assert error.name == "sdl2", error
            continue
        assert module.name.startswith("edge.outputs.dicom."), module.name
        assert error.name.split(".")[0] in ("pydicom", "highdicom", "pynetdicom"), error
for name in ("torch", "onnx", "sklearn", "matplotlib", "export", "calibration"):
    assert name not in sys.modules, name
"""


@pytest.mark.network
@pytest.mark.usefixtures("index")
def test_the_cart_works_with_its_own_dependencies_only(tmp_path):
    """Install the distribution without extras into an empty environment and use it."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin/python"

    def run(*args, ok=0):
        result = subprocess.run(
            [str(a) for a in args], capture_output=True, text=True, timeout=900, cwd=tmp_path
        )
        assert result.returncode == ok, result.stdout + result.stderr
        return result

    run(python, "-m", "pip", "install", "--quiet", ROOT)
    installed = {
        item["name"] for item in json.loads(run(python, "-m", "pip", "list", "--format=json").stdout)
    }
    assert not installed & {"torch", "onnx", "scikit-learn", "matplotlib"}
    run(python, "-W", "error", "-c", IMPORT_ALL)
    run(home / "bin/sonocart", "--help")
    refused = run(home / "bin/sonocart", "train", "nowhere", "--out", "run", ok=69)
    assert "pip install 'sonocart[train]'" in refused.stderr
    run(home / "bin/sonocart", "phantom", "--video", "clip.mp4", "--seconds", "1", "--size", "640x480")
    assert (tmp_path / "clip.mp4").stat().st_size > 10_000
