"""The kernels compile to cubins for every GPU that the kit names, without a GPU."""

import struct

import pytest

from calibration.cubins import ARCHITECTURES, compile_nvcc, compile_nvrtc, find_nvcc, find_nvrtc, source
from edge.engines.device_frame import read_cubin
from edge.errors import InternalError, UnavailableError

EM_CUDA = 190  # ELF's number for NVIDIA CUDA


def check(cubin):
    assert cubin[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", cubin, 18)[0] == EM_CUDA
    assert b"prepare_tensor" in cubin
    assert b"blend_plane" in cubin


@pytest.fixture(scope="module")
def nvrtc():
    try:
        return find_nvrtc()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def nvcc():
    found = find_nvcc()
    if found is None:
        pytest.skip("no nvcc of CUDA 13")
    return found


@pytest.mark.parametrize("sm", ARCHITECTURES[12])
def test_cuda_12_by_the_wheel(nvrtc, sm):
    check(compile_nvrtc(nvrtc, source(), sm))


@pytest.mark.parametrize("sm", ARCHITECTURES[13])
def test_cuda_13_by_nvcc(nvcc, sm):
    check(compile_nvcc(nvcc, source(), sm))


def test_what_does_not_compile_is_told_with_the_compilers_words(nvrtc):
    with pytest.raises(InternalError, match=r"(?s)sm_87.*undefined_name"):
        compile_nvrtc(nvrtc, "__global__ void f() { undefined_name(); }", 87)


def test_missing_cubin_says_how_to_make_it():
    with pytest.raises(UnavailableError, match=r"sm_61.*make kernels"):
        read_cubin(61, "12.6")
