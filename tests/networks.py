"""A small residual network as ONNX, a bundle around it and the study it was "made" with."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge.contract.bundle import Bundle, NewFile, create_bundle
from edge.contract.spec import METADATA_KEY, ModelSpec, TensorSpec, encode_spec
from edge.engines.golden import golden_inputs, golden_outputs, golden_tensors, run_golden
from edge.engines.onnx import OnnxEngine
from edge.study.images import image_hash, pixel_hash, read_image
from edge.study.parts import SPLIT, Member, encode_members
from edge.study.read import read_study
from tests.fakes import spec

SIZE = 32
WIDTH = 8


def residual_spec() -> ModelSpec:
    """The specification of `residual_network`."""
    return msgspec.structs.replace(
        spec(SIZE, SIZE),
        ood_threshold=1e6,  # nothing that tests show is strange to weights drawn by chance
        outputs=(
            TensorSpec(name="risk", dtype="float32", shape=(1,), meaning="probability"),
            TensorSpec(name="heatmap", dtype="float32", shape=(1, 8, 8), meaning="class activation"),
            TensorSpec(name="ood", dtype="float32", shape=(1,), meaning="distance"),
        ),
    )


def residual_network(seed: int = 0) -> onnx.ModelProto:
    """uint8 -> Cast -> feature images -> stem, pool, two residual blocks -> risk, heatmap, ood."""
    rng = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    constants: list[TensorProto] = []

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(values, name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=f"{output}_{kind}", **attributes))
        return output

    def conv(source: str, output: str, inside: int, outside: int, side: int = 3, stride: int = 1) -> str:
        values = rng.normal(0, (2 / (inside * side * side)) ** 0.5, (outside, inside, side, side))
        weight = constant(f"{output}.weight", values.astype(np.float32))
        bias = constant(f"{output}.bias", rng.normal(0, 0.1, outside).astype(np.float32))
        pad = side // 2
        return node("Conv", [source, weight, bias], output, strides=[stride] * 2, pads=[pad] * 4)

    x = node("Cast", ["frame"], "float", to=TensorProto.FLOAT)
    x = node("Mul", [x, constant("scale", np.float32(1 / 255))], "unit")
    x = node("Concat", [x, conv(x, "gradients", 1, 3)], "features", axis=1)
    x = node("Relu", [conv(x, "stem", 4, WIDTH)], "stem.relu")
    x = node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    y = node("Relu", [conv(x, "a1", WIDTH, WIDTH)], "a1.relu")
    x = node("Relu", [node("Add", [conv(y, "a2", WIDTH, WIDTH), x], "a.add")], "a.relu")
    y = node("Relu", [conv(x, "b1", WIDTH, 2 * WIDTH, stride=2)], "b1.relu")
    y = conv(y, "b2", 2 * WIDTH, 2 * WIDTH)
    x = node("Relu", [node("Add", [y, conv(x, "down", WIDTH, 2 * WIDTH, 1, 2)], "b.add")], "b.relu")
    head = rng.normal(0, 0.5, (1, 2 * WIDTH)).astype(np.float32)
    pooled = node("ReduceMean", [x, constant("axes", np.array([2, 3]))], "embedding", keepdims=0)
    bias = constant("fc.bias", np.array([0.1], np.float32))
    logit = node("Gemm", [pooled, constant("fc.weight", head), bias], "logit", transB=1)
    node("Reshape", [node("Sigmoid", [logit], "p"), constant("one", np.array([1]))], "risk")
    cam = node("Conv", [x, constant("cam.weight", head[:, :, None, None])], "cam")
    node("Sigmoid", [node("Squeeze", [cam, constant("axis", np.array([1]))], "map")], "heatmap")
    whitening = constant("whitening", rng.normal(0, 0.5, (2 * WIDTH, 2 * WIDTH)).astype(np.float32))
    far = node("MatMul", [node("Sub", [pooled, constant("centre", np.float32(0.4))], "off"), whitening], "z")
    square = node(
        "ReduceMean", [node("Mul", [far, far], "zz"), constant("row", np.array([1]))], "s", keepdims=0
    )
    node("Sqrt", [square], "ood")
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, 1, SIZE, SIZE])],
        [
            helper.make_tensor_value_info("risk", TensorProto.FLOAT, [1]),
            helper.make_tensor_value_info("heatmap", TensorProto.FLOAT, [1, 8, 8]),
            helper.make_tensor_value_info("ood", TensorProto.FLOAT, [1]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: encode_spec(residual_spec()).decode()})
    onnx.checker.check_model(model, full_check=True)
    return model


def speckle(rng: np.random.Generator, size: int = 40) -> np.ndarray:
    """A grey picture with blurred Rayleigh speckle and a slow gradient: uint8 (size, size)."""
    field = cv2.GaussianBlur(rng.rayleigh(1.0, (size, size)), (0, 0), rng.uniform(0.7, 2.0))
    slope = np.linspace(*rng.uniform(0.3, 1.5, 2), size)[:, None]
    return np.clip(field * slope * 110, 0, 255).astype(np.uint8)


def write_study(root: Path, per_class: int = 12, seed: int = 0) -> Path:
    """Class folders with `per_class` speckle pictures each."""
    rng = np.random.default_rng(seed)
    for label in ("benign", "malignant"):
        (root / label).mkdir(parents=True)
        for index in range(per_class):
            cv2.imwrite(str(root / label / f"{index:03}.png"), speckle(rng))
    return root


def write_bundle(path: Path, study: Path, model: onnx.ModelProto | None = None) -> Bundle:
    """A complete FP32 bundle whose split puts every third image of `study` into the test part."""
    description = residual_spec()
    graph = (model or residual_network()).SerializeToString()
    members = [
        Member(
            image_hash(case.path),
            f"g{index}",
            case.label,
            ("train", "validation", "test")[index % 3],
            pixel_hash(read_image(case.path)),
        )
        for index, case in enumerate(read_study(study).cases)
    ]
    rng = np.random.default_rng(9)
    frames = np.stack([speckle(rng, 48) for _ in range(4)])
    tensors = golden_tensors(frames, description)
    outputs = run_golden(OnnxEngine(graph, description, "fp32", threads=1), tensors)
    return create_bundle(
        path,
        {
            "model.json": NewFile(encode_spec(description)),
            "model.onnx": NewFile(graph),
            SPLIT: NewFile(encode_members(members)),
            **golden_inputs(frames, tensors),
            **golden_outputs("fp32", outputs),
        },
    )
