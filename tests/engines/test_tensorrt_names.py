"""Every name of the kit's stub exists in NVIDIA's own bindings, oldest to newest.

The bindings come from the package index and are imported over libraries that the test compiles: they hold
nothing but the entry points that the bindings ask for, so no GPU and no TensorRT is needed.
"""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STUB = Path(__file__).parents[1] / "typings/tensorrt.pyi"
VERSIONS = {"10.3.0": 10, "10.13.3.9": 10, "11.4.0.106": 11}
LIBRARIES = ("nvinfer", "nvonnxparser", "nvinfer_plugin")

CALLED_BACK = (
    *("log", "get_num_errors", "get_error_code", "get_error_desc", "has_overflowed", "clear", "report_error"),
    *("phase_start", "step_complete", "phase_finish"),
)
"""Methods of the kit's own classes that the bindings look up by name; the stub holds what Python may call."""

PROBE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import tensorrt_bindings as trt
missing = []
for name in json.load(open(sys.argv[2])):
    found = trt
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        missing.append(name)
print(json.dumps([trt.__version__, missing]))
"""


def names():
    """Dotted names of the stub: classes, their methods, attributes and enum members."""
    found = []

    def walk(body, prefix):
        for node in body:
            if isinstance(node, ast.ClassDef):
                found.append(prefix + node.name)
                walk(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef) and node.name != "__buffer__":  # seen as memoryview(x)
                found.append(prefix + node.name)
            elif isinstance(node, ast.AnnAssign):
                found.append(prefix + node.target.id)
            elif isinstance(node, ast.Assign):
                found.append(prefix + node.targets[0].id)

    walk(ast.parse(STUB.read_text()).body, "")
    return found


def fake_libraries(bindings, folder, major):
    """Shared libraries with the entry points that the bindings leave undefined."""
    undefined = subprocess.run(
        ["nm", "-D", "--undefined-only", bindings], check=True, capture_output=True, text=True
    ).stdout.split()
    wanted = [n for n in undefined if n.endswith("_INTERNAL") or "Plugin" in n or n.startswith("getNv")]
    assert len(wanted) == 9
    source = folder / "fake.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in wanted))
    for library in LIBRARIES:
        soname = f"lib{library}.so.{major}"
        command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{soname}", "-o", folder / soname, source]
        subprocess.run(command, check=True)


def test_the_stub_is_read_whole():
    found = names()
    assert len(found) > 90
    assert {"Builder.create_network", "ILogger.Severity.VERBOSE", "Runtime.deserialize_cuda_engine"} <= set(
        found
    )


@pytest.mark.network
@pytest.mark.skipif(shutil.which("gcc") is None or shutil.which("nm") is None, reason="no gcc or nm")
@pytest.mark.parametrize("version", VERSIONS)
def test_every_name_is_in_nvidias_bindings(tmp_path, version):
    target = tmp_path / "bindings"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*install, "--target", target, f"tensorrt-cu12-bindings=={version}"], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"the package index does not give the bindings: {done.stderr.strip()[-200:]}")
    bindings = (target / "tensorrt_bindings/tensorrt.so").read_bytes()
    assert [name for name in CALLED_BACK if name.encode() + b"\0" not in bindings] == []
    fake_libraries(target / "tensorrt_bindings/tensorrt.so", tmp_path, VERSIONS[version])
    (tmp_path / "names.json").write_text(json.dumps(names()))
    found = subprocess.run(
        [sys.executable, "-c", PROBE, target, tmp_path / "names.json"],
        check=True,
        capture_output=True,
        text=True,
        env={"LD_LIBRARY_PATH": str(tmp_path), "PATH": ""},
    ).stdout
    assert json.loads(found) == [version, []]
