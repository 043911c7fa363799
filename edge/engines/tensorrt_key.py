"""What a TensorRT plan is bound to. It stands in a sidecar beside the plan and is compared before loading.

A plan is native code for one GPU, one TensorRT and one driver: on any other it fails at best. So the key is
read from JSON that the bundle's hash chain covers, and never from the plan.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from edge.contract.bundle import Bundle, model_file
from edge.engines.cuda import Driver
from edge.errors import DataError, NoInputError, RefusedError, UnavailableError

OLDEST = (10, 3)
"""TensorRT of JetPack 6.1. Older ones take no types from a strongly typed network, or read them otherwise."""


class EngineKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Two equal keys: the plan fits.

    Attributes:
        onnx_sha256: of the graph that was compiled.
        precision: of that graph.
        tensorrt: version of the library.
        cuda: newest version that the driver knows.
        gpu: name of the device.
        sm: its compute capability, 87 for Orin.
        l4t: Jetson Linux release, empty elsewhere.
        dla: number of the deep learning accelerator that it was built for; null for the GPU alone.
    """

    onnx_sha256: str
    precision: str
    tensorrt: str
    cuda: str
    gpu: str
    sm: int
    l4t: str
    dla: int | None = None

    @property
    def id(self) -> str:
        """Name of the plan in the bundle: 16 hexadecimal digits."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:16]

    def __str__(self) -> str:
        """For messages."""
        dla = "" if self.dla is None else f", DLA {self.dla}"
        where = f"{self.gpu} (sm_{self.sm}){dla}, TensorRT {self.tensorrt}, CUDA {self.cuda}"
        return f"{where}{f', L4T {self.l4t}' if self.l4t else ''}, {self.precision} {self.onnx_sha256[:12]}"


class LayerRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One layer of a built engine, as TensorRT's inspector reports it."""

    name: str
    kind: str
    precision: str


class Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`engines/<id>.json`.

    Attributes:
        key: what the plan is bound to.
        calibration_sha256: content hash of the calibration set behind the graph; null where it needed none.
        golden_difference: largest difference in risk of the golden frames from their references.
        device_memory: bytes that an execution needs on the device, weights apart.
        layers: what really runs, in order.
    """

    key: EngineKey
    calibration_sha256: str | None
    golden_difference: float
    device_memory: int
    layers: list[LayerRow]


def plan_file(key: EngineKey) -> str:
    """Name of the plan in a bundle."""
    return f"engines/{key.id}.plan"


def sidecar_file(key: EngineKey) -> str:
    """Name of the plan's sidecar in a bundle."""
    return f"engines/{key.id}.json"


def machine_key(
    bundle: Bundle, precision: str, driver: Driver, dla: int | None = None, root: Path = Path("/")
) -> EngineKey:
    """The key that a plan must have to run `precision` of `bundle` here.

    Args:
        bundle: verified.
        precision: that the bundle has a graph for.
        driver: of this machine.
        dla: number of the deep learning accelerator; None for the GPU alone.
        root: where the files of this machine's system begin.

    Raises:
        UnavailableError: TensorRT is missing or too old.
        NoInputError: the bundle has no such graph.
    """
    device = driver.device()
    if precision not in bundle.precisions():
        bundle.model(precision)  # says how to make it
    return EngineKey(
        onnx_sha256=bundle.sha256(model_file(precision)),
        precision=precision,
        tensorrt=tensorrt_version(),
        cuda=device.cuda,
        gpu=device.name,
        sm=device.sm,
        l4t=_l4t(root),
        dla=dla,
    )


def tensorrt_version() -> str:
    """Version of the TensorRT bindings.

    Raises:
        UnavailableError: they are missing, or older than `OLDEST`.
    """
    try:
        import tensorrt as trt
    except ImportError as error:
        raise UnavailableError(
            f"TensorRT's Python bindings are not here ({error}). On a Jetson: sudo apt install "
            "python3-libnvinfer, and make the environment with --system-site-packages"
        ) from error
    numbers = tuple(int(part) for part in re.findall(r"\d+", trt.__version__)[:2])
    if numbers < OLDEST:
        raise UnavailableError(
            f"TensorRT {trt.__version__} is too old: {OLDEST[0]}.{OLDEST[1]} (JetPack 6.1) is the first "
            "that takes every type from the graph itself; update JetPack"
        )
    return trt.__version__


def require_pycuda() -> None:
    """Raises UnavailableError where the bindings of CUDA are missing, which run a plan."""
    try:
        import pycuda.driver  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            f"pycuda is not here ({error}). Run: pip install 'sonocart[tensorrt]'"
        ) from error


def find_plan(bundle: Bundle, expected: EngineKey) -> tuple[EngineKey, bytes]:
    """The plan for `expected`, and its key.

    Where `expected` is the GPU's alone and no such plan was built, that of one of its accelerators.

    Raises:
        NoInputError: no plan of that precision has been built.
        RefusedError: there are plans, but for other machines, libraries or graphs.
    """
    others = [key for key in built_keys(bundle) if key.precision == expected.precision]
    accelerated = [key for key in others if msgspec.structs.replace(key, dla=None) == expected]
    for key in (expected, *accelerated):
        if bundle.has(plan_file(key)) and bundle.has(sidecar_file(key)):
            return key, bundle.read(plan_file(key))
    build = f"Run here: sonocart build {bundle.path} --precision {expected.precision}"
    if not others:
        raise NoInputError(f"bundle {bundle.path} has no {expected.precision} engine. {build}")
    raise RefusedError(
        f"the {expected.precision} engine of bundle {bundle.path} was built for {others[0]}; "
        f"this machine needs {expected}. {build}"
    )


def built_keys(bundle: Bundle) -> list[EngineKey]:
    """Keys of all plans in the bundle."""
    names = [name for name in bundle.names("engines") if name.endswith(".json")]
    return [read_sidecar(bundle, name).key for name in names]


def read_sidecar(bundle: Bundle, name: str) -> Sidecar:
    """A sidecar from verified bytes."""
    try:
        return msgspec.json.decode(bundle.read(name), type=Sidecar)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"'{name}' of bundle {bundle.id} is no engine's sidecar: {error}") from error


def _l4t(root: Path) -> str:
    """Release and revision from Jetson Linux's own file, "36.4.3"."""
    try:
        text = (root / "etc/nv_tegra_release").read_text()
    except OSError:
        return ""
    found = re.search(r"R(\d+) .*REVISION: ([\d.]+)", text)
    return f"{found[1]}.{found[2]}" if found else text.strip()[:60]
