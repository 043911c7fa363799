"""The CUDA kernels, compiled for the CPU from the same source."""

import ctypes
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def kernels(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the kernels for the CPU")
    source_file = resources.files("edge.engines") / "kernels.cu"
    library = tmp_path_factory.mktemp("kernels") / "kernels.so"
    shim = Path(__file__).parent / "kernels_on_cpu.cpp"
    flags = ["-O2", "-std=c++17", "-shared", "-fPIC", "-pthread", "-ffp-contract=off", "-Wall", "-Werror"]
    quiet = ["-Wno-unused-function"]
    subprocess.run(["g++", *flags, *quiet, f'-DKERNELS="{source_file}"', "-o", library, shim], check=True)
    return ctypes.CDLL(str(library))
