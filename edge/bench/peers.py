"""Loops that others write, by what `--against` calls them: the usual loop with one runtime or another.

Runtimes are found where the user has installed them; none but ONNX Runtime is a dependency of the kit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import cv2

from edge.bench.naive import Infer, NaiveLoop
from edge.contract.bundle import Bundle, cpu_file, model_file
from edge.contract.preprocess import Tensor
from edge.errors import UnavailableError

PACKAGES = {"naive": "onnxruntime", "openvino": "openvino", "ultralytics": "ultralytics"}
"""What to install for each."""

_RESNET18 = """nc: 2
backbone:
  - [-1, 1, TorchVision, [512, resnet18, None, True, 2]]
head:
  - [-1, 1, Classify, [nc]]
"""


class Peer(Protocol):
    """A loop over a file, for ever."""

    def step(self) -> bytes:
        """One frame from the file to a JPEG with the risk in it."""

    def close(self) -> None:
        """Close the file."""


def open_peers(kind: str, bundle: Bundle, precision: str, clip: Path, quality: int) -> dict[str, Peer]:
    """The loops of one kind by name: in FP32 and, where the runtime takes the bundle's graph, in `precision`.

    Raises:
        UnavailableError: the runtime is not installed here.
    """
    module = _installed(kind)
    if kind == "ultralytics":
        return {kind: UltralyticsLoop(module, clip, quality)}
    made = {"naive": _onnx, "openvino": _openvino}[kind]
    return {
        f"{kind} {name}": NaiveLoop(made(module, bundle, name), bundle.spec.preprocessing, clip, quality)
        for name in dict.fromkeys(("fp32", precision))
    }


class UltralyticsLoop:
    """A ResNet-18 of that package with weights by chance: it reads, prepares and draws its own way."""

    def __init__(self, module: ModuleType, path: Path, quality: int):
        """Build the network; nothing is fetched for it."""
        with tempfile.TemporaryDirectory(prefix="sonocart-bench-") as folder:
            recipe = Path(folder) / "resnet18-cls.yaml"
            recipe.write_text(_RESNET18)
            self._model = module.YOLO(str(recipe), task="classify")
        self._path = path
        self._quality = quality
        self._results = self._play()

    def step(self) -> bytes:
        """One frame from the file to a JPEG with the result in it."""
        drawn = next(self._results).plot()
        return cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, self._quality])[1].tobytes()

    def close(self) -> None:
        """The package closes the file itself."""

    def _play(self) -> Iterator[Any]:
        while True:
            yield from self._model.predict(str(self._path), imgsz=224, stream=True, verbose=False)


def _installed(kind: str) -> ModuleType:
    try:
        return import_module(PACKAGES[kind])
    except ImportError as error:
        raise UnavailableError(
            f"--against {kind}: {PACKAGES[kind]} is not installed here ({error}). "
            f"Install it yourself: pip install {PACKAGES[kind]}"
        ) from error


def _graph(bundle: Bundle, precision: str) -> bytes:
    """The graph that the cart would run on this CPU."""
    name = cpu_file(precision)
    return bundle.read(name if bundle.has(name) else model_file(precision))


def _onnx(module: ModuleType, bundle: Bundle, precision: str) -> Infer:
    """ONNX Runtime with its defaults: all cores, workers that spin."""
    session = module.InferenceSession(_graph(bundle, precision), providers=["CPUExecutionProvider"])
    source = bundle.spec.input.name

    def infer(tensor: Tensor) -> float:
        return float(session.run(["risk", "heatmap"], {source: tensor})[0].reshape(-1)[0])

    return infer


def _openvino(module: ModuleType, bundle: Bundle, precision: str) -> Infer:
    """OpenVINO on the CPU with its hint for latency."""
    core = module.Core()
    model = core.read_model(_graph(bundle, precision), b"")
    request = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"}).create_infer_request()

    def infer(tensor: Tensor) -> float:
        return float(request.infer({0: tensor})[0].reshape(-1)[0])

    return infer
