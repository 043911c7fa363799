"""A passport is known by its own hash, and speaks of one bundle on one machine."""

import hashlib
import json
from dataclasses import replace

import pytest

from edge.contract.passport import Running, read_passport_id
from edge.errors import DataError, NoInputError

HERE = Running("abcdef012345", "int8", "TensorRT 10.3.0, Orin", "Jetson AGX Orin", "Cortex-A78AE")
PASSPORT = {
    "bundle": HERE.bundle,
    "measured": {"fp32": "ONNX Runtime 1.20, CPU, 2 threads", "int8": HERE.engine},
    "environment": {"board": HERE.board, "cpu": HERE.cpu, "kernel": "5.15"},
    "latency": {},
}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "passport.json").write_text(json.dumps(PASSPORT))
    return tmp_path / "passport.json"


def test_id_is_of_the_file_as_it_is(path):
    wanted = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert read_passport_id(path, HERE) == wanted
    assert read_passport_id(path, replace(HERE, engine="TensorRT 10.4.0, Orin")) == wanted
    other = replace(HERE, precision="fp32", engine="ONNX Runtime 1.21, CPU, 1 thread")
    assert read_passport_id(path, other) == wanted


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bundle": "other"}, "bundle abcdef012345, and other runs"),
        ({"precision": "fp16"}, "precision fp32, int8, and fp16 runs"),
        ({"board": "Jetson Orin Nano"}, "board Jetson AGX Orin, and Jetson Orin Nano runs"),
        ({"board": None}, "board Jetson AGX Orin, and unknown runs"),
        ({"cpu": "another"}, "CPU Cortex-A78AE, and another runs"),
        ({"engine": "TensorRT 10.3.0, H200"}, "device Orin, and H200 runs"),
        ({"engine": "ONNX Runtime 1.20, CPU, 2 threads"}, "device Orin, and CPU runs"),
    ],
)
def test_passport_of_another_bundle_precision_or_machine_is_refused_with_both(path, change, words):
    with pytest.raises(DataError, match=words):
        read_passport_id(path, replace(HERE, **change))


@pytest.mark.parametrize("data", [b"[", b"{}", b'{"bundle": "abcdef012345"}'])
def test_what_is_no_passport_is_named(path, data):
    path.write_bytes(data)
    with pytest.raises(DataError, match="no passport"):
        read_passport_id(path, HERE)
    with pytest.raises(NoInputError):
        read_passport_id(path.with_name("none.json"), HERE)
