"""Compile edge/engines/kernels.cu to cubins, so that carts need no compiler; no GPU is needed for it.

    python -m calibration.cubins            every toolkit that is found, into edge/engines/cubins/

CUDA 12 comes from the wheel nvidia-cuda-nvrtc-cu12 (12.6 is JetPack 6's), CUDA 13 from an installed nvcc.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata, resources
from pathlib import Path

from edge.errors import InternalError, UnavailableError

ARCHITECTURES = {12: (87, 90), 13: (87, 90, 110)}
"""By CUDA major version: Orin, H200 for the bench, and Thor, which CUDA 12 does not know."""

FLAGS = ("-fmad=false",)  # a fused multiply-add rounds otherwise than the CPU that the kernels are held to


def source() -> str:
    """The kernels' source text."""
    return (resources.files("edge.engines") / "kernels.cu").read_text()


def find_nvrtc() -> Path:
    """The library of the wheel nvidia-cuda-nvrtc-cu12.

    Raises:
        UnavailableError: it is not installed.
    """
    try:
        files = metadata.files("nvidia-cuda-nvrtc-cu12") or []
    except metadata.PackageNotFoundError as error:
        raise UnavailableError("no NVRTC here. Run: pip install 'sonocart[kernels]'") from error
    for file in files:
        if re.fullmatch(r"libnvrtc\.so\.12", file.name):
            return Path(str(file.locate()))
    raise UnavailableError("the wheel nvidia-cuda-nvrtc-cu12 holds no libnvrtc.so.12")


def compile_nvrtc(library: Path, text: str, sm: int) -> bytes:
    """Compile for one architecture with NVRTC.

    Raises:
        InternalError: the source does not compile; the compiler's log.
    """
    nvrtc = ctypes.CDLL(str(library))
    program = ctypes.c_void_p()
    name = b"kernels.cu"
    _check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name, 0, None, None))
    try:
        options = [f"--gpu-architecture=sm_{sm}".encode(), *(flag.encode() for flag in FLAGS)]
        code = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        if code != 0:
            size = ctypes.c_size_t()
            nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
            log = ctypes.create_string_buffer(size.value)
            nvrtc.nvrtcGetProgramLog(program, log)
            raise InternalError(f"kernels.cu does not compile for sm_{sm}:\n{log.value.decode()}")
        size = ctypes.c_size_t()
        _check(nvrtc, nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        cubin = ctypes.create_string_buffer(size.value)
        _check(nvrtc, nvrtc.nvrtcGetCUBIN(program, cubin))
        return cubin.raw
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def compile_nvcc(nvcc: Path, text: str, sm: int) -> bytes:
    """Compile for one architecture with nvcc.

    Raises:
        InternalError: the source does not compile; the compiler's messages.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, cubin = Path(folder) / "kernels.cu", Path(folder) / "kernels.cubin"
        file.write_text(text)
        command = [str(nvcc), "-cubin", f"-arch=sm_{sm}", *FLAGS, "-o", str(cubin), str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise InternalError(f"kernels.cu does not compile for sm_{sm}:\n{done.stderr.strip()}")
        return cubin.read_bytes()


def find_nvcc() -> Path | None:
    """Nvcc of CUDA 13 on the path or in its usual place; None if there is none."""
    for candidate in (shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc"):
        if candidate is not None and Path(candidate).exists():
            version = subprocess.run([candidate, "--version"], capture_output=True, text=True).stdout
            if re.search(r"release 13\.", version):
                return Path(candidate)
    return None


def compile_all(folder: Path) -> list[Path]:
    """Write a cubin for each toolkit that is here and each of its architectures."""
    text = source()
    folder.mkdir(parents=True, exist_ok=True)
    nvrtc, nvcc = find_nvrtc(), find_nvcc()
    made = []
    for major, architectures in ARCHITECTURES.items():
        for sm in architectures:
            if major == 12:
                cubin = compile_nvrtc(nvrtc, text, sm)
            elif nvcc is not None:
                cubin = compile_nvcc(nvcc, text, sm)
            else:
                continue
            path = folder / f"kernels.sm_{sm}.cuda{major}.cubin"
            path.write_bytes(cubin)
            made.append(path)
    return made


def _check(nvrtc: ctypes.CDLL, code: int) -> None:
    if code != 0:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise InternalError(f"NVRTC failed: {nvrtc.nvrtcGetErrorString(code).decode()}")


if __name__ == "__main__":
    for path in compile_all(Path(__file__).parent.parent / "edge/engines/cubins"):
        print(f"{path}: {path.stat().st_size} bytes", file=sys.stdout)
