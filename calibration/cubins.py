"""Compile edge/engines/kernels.cu to cubins, so that carts need no compiler; no GPU is needed for it.

    python -m calibration.cubins            both toolkits, into edge/engines/cubins/

The compilers are NVRTC's wheels: 12.6 is JetPack 6's CUDA, 13 is JetPack 7's.
"""

from __future__ import annotations

import ctypes
import sys
from importlib import metadata, resources
from pathlib import Path

from edge.errors import InternalError, UnavailableError

ARCHITECTURES = {12: (87, 90), 13: (87, 90, 110)}
"""By CUDA major version: Orin, H200 for the bench, and Thor, which CUDA 12 does not know."""

WHEELS = {12: "nvidia-cuda-nvrtc-cu12", 13: "nvidia-cuda-nvrtc"}

FLAGS = ("-fmad=false",)  # a fused multiply-add rounds otherwise than the CPU that the kernels are held to


def source() -> str:
    """The kernels' source text."""
    return (resources.files("edge.engines") / "kernels.cu").read_text()


def find_nvrtc(major: int) -> Path:
    """The library of NVRTC's wheel for a CUDA major version.

    Raises:
        UnavailableError: it is not installed.
    """
    wheel = WHEELS[major]
    try:
        files = metadata.files(wheel) or []
    except metadata.PackageNotFoundError as error:
        raise UnavailableError(
            f"no NVRTC of CUDA {major} here. Run: pip install 'sonocart[kernels]'"
        ) from error
    for file in files:
        if file.name == f"libnvrtc.so.{major}":
            return Path(str(file.locate()))
    raise UnavailableError(f"the wheel {wheel} holds no libnvrtc.so.{major}")


def compile_kernels(library: Path, text: str, sm: int) -> bytes:
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


def compile_all(folder: Path) -> list[Path]:
    """Write a cubin for each toolkit and each of its architectures."""
    text = source()
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for major, architectures in ARCHITECTURES.items():
        library = find_nvrtc(major)
        for sm in architectures:
            path = folder / f"kernels.sm_{sm}.cuda{major}.cubin"
            path.write_bytes(compile_kernels(library, text, sm))
            made.append(path)
    return made


def _check(nvrtc: ctypes.CDLL, code: int) -> None:
    if code != 0:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise InternalError(f"NVRTC failed: {nvrtc.nvrtcGetErrorString(code).decode()}")


if __name__ == "__main__":
    for path in compile_all(Path(__file__).parent.parent / "edge/engines/cubins"):
        print(f"{path}: {path.stat().st_size} bytes", file=sys.stdout)
