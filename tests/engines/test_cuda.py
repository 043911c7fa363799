"""The driver's C interface, called for real in a library that the test compiles."""

import ctypes
import shutil
import subprocess

import pytest

from edge.engines.base import EngineError
from edge.engines.cuda import Driver, load_driver
from edge.errors import UnavailableError

SOURCE = r"""
#include <stdio.h>
#include <string.h>
static int fail_at = 0, calls = 0, live = 0, instantiated = 0, launched = 0, capturing = 0;
static int step(void) { calls++; return calls == fail_at ? 700 : 0; }
void test_fail_at(int n) { fail_at = n; calls = 0; }
int test_live(void) { return live; }
int test_launched(void) { return launched; }
int test_capturing(void) { return capturing; }
int cuInit(unsigned f) { return f == 0 ? INIT : 1; }
int cuGetErrorName(int code, const char **s) {
  *s = code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : 0; return 0;
}
int cuDeviceGet(int *d, int n) { *d = n; return step(); }
int cuDeviceGetName(char *s, int n, int d) { snprintf(s, n, "Test GPU %d", d); return step(); }
int cuDeviceGetAttribute(int *v, int a, int d) {
  *v = a == 75 ? 8 : a == 76 ? 7 : a == 18 ? 1 : -1; return step();
}
int cuDriverGetVersion(int *v) { *v = 12060; return step(); }
int cuStreamBeginCapture_v2(void *s, int mode) {
  if (s != (void *)0x123456789abc || mode != 1) return 1;
  capturing = 1; return step();
}
int cuStreamEndCapture(void *s, void **g) {
  capturing = 0; live++; *g = (void *)0xaaaa00001111; return step();
}
int cuGraphInstantiateWithFlags(void **e, void *g, unsigned long long f) {
  if (g != (void *)0xaaaa00001111 || f) return 1;
  instantiated++; *e = (void *)0xbbbb00002222; return step();
}
int cuGraphDestroy(void *g) { live--; return step(); }
int cuGraphLaunch(void *e, void *s) {
  if (e != (void *)0xbbbb00002222 || s != (void *)0x123456789abc) return 1;
  launched++; return step();
}
int cuGraphExecDestroy(void *e) { instantiated--; return step(); }
int test_instantiated(void) { return instantiated; }
"""
STREAM = 0x123456789ABC  # wider than 32 bits: a handle that is cut is noticed

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the test's library")


def compile_library(folder, init):
    (folder / "cuda.c").write_text(SOURCE)
    library = folder / f"libcuda{init}.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", f"-DINIT={init}", "-o", library, folder / "cuda.c"], check=True
    )
    return str(library)


@pytest.fixture
def library(tmp_path):
    return ctypes.CDLL(compile_library(tmp_path, 0))


@pytest.fixture
def driver(library):
    library.test_fail_at(0)
    return Driver(library)


def test_missing_driver_and_missing_gpu_are_told_before_anything_else(tmp_path):
    with pytest.raises(UnavailableError, match="no NVIDIA driver"):
        load_driver(str(tmp_path / "none.so"))
    with pytest.raises(UnavailableError, match="cuInit: 100"):
        load_driver(compile_library(tmp_path, 100))
    assert load_driver(compile_library(tmp_path, 0)).device().sm == 87


def test_device_facts(driver):
    device = driver.device()
    assert (device.name, device.sm, device.integrated, device.cuda) == ("Test GPU 0", 87, True, "12.6")


def test_graph_is_captured_replayed_and_freed(driver, library):
    seen = []
    graph = driver.capture(STREAM, lambda: seen.append(library.test_capturing()))
    assert seen == [1]
    graph.launch()
    graph.launch()
    graph.close()
    graph.close()
    assert (library.test_launched(), library.test_live(), library.test_instantiated()) == (2, 0, 0)


def test_failure_names_the_call_and_the_error(driver, library):
    graph = driver.capture(STREAM, lambda: None)
    library.test_fail_at(1)
    with pytest.raises(EngineError, match=r"cuGraphLaunch failed: CUDA_ERROR_ILLEGAL_ADDRESS \(700\)"):
        graph.launch()


@pytest.mark.parametrize("error", [EngineError, RuntimeError, KeyboardInterrupt])
def test_what_cannot_be_captured_leaves_nothing_behind(driver, library, error):
    def spoil():
        raise error("not in a graph")

    with pytest.raises(error, match="not in a graph"):
        driver.capture(STREAM, spoil)
    assert library.test_capturing() == 0
    assert library.test_live() == 0


def test_failed_instantiation_frees_the_recording(driver, library):
    library.test_fail_at(3)
    with pytest.raises(EngineError, match="cuGraphInstantiateWithFlags"):
        driver.capture(STREAM, lambda: None)
    assert library.test_live() == 0
