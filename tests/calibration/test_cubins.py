"""The kernels compile to cubins for every GPU that the kit names, without a GPU."""

import struct

import pytest

from calibration.cubins import ARCHITECTURES, compile_all, compile_kernels, find_nvrtc, source
from edge.engines.device_frame import read_cubin
from edge.errors import InternalError, UnavailableError

EM_CUDA = 190  # ELF's number for NVIDIA CUDA


def check(cubin):
    assert cubin[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", cubin, 18)[0] == EM_CUDA
    assert b"prepare_tensor" in cubin
    assert b"blend_plane" in cubin


def nvrtc(major):
    try:
        return find_nvrtc(major)
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("major", "sm"), [(major, sm) for major, architectures in ARCHITECTURES.items() for sm in architectures]
)
def test_every_toolkit_compiles_for_its_gpus(major, sm):
    check(compile_kernels(nvrtc(major), source(), sm))


def test_all_are_written_where_the_cart_looks_for_them(tmp_path, monkeypatch):
    for major in ARCHITECTURES:
        nvrtc(major)
    made = compile_all(tmp_path / "cubins")
    assert len(made) == 5
    monkeypatch.setattr("edge.engines.device_frame.resources.files", lambda package: tmp_path)
    for sm, cuda, name in (
        (87, "12.6", "sm_87.cuda12"),
        (87, "13.2", "sm_87.cuda13"),
        (110, "13.2", "sm_110.cuda13"),
    ):
        assert read_cubin(sm, cuda) == (tmp_path / f"cubins/kernels.{name}.cubin").read_bytes()
    with pytest.raises(UnavailableError, match="sm_110 with CUDA 12"):
        read_cubin(110, "12.6")  # CUDA 12 does not know Thor


@pytest.mark.parametrize("major", ARCHITECTURES)
def test_what_does_not_compile_is_told_with_the_compilers_words(major):
    with pytest.raises(InternalError, match=r"(?s)sm_87.*undefined_name"):
        compile_kernels(nvrtc(major), "__global__ void f() { undefined_name(); }", 87)


def test_missing_cubin_says_how_to_make_it():
    with pytest.raises(UnavailableError, match=r"sm_61.*make kernels"):
        read_cubin(61, "12.6")
