"""Reads TensorRT's inspector: which layer really runs in which precision."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from edge.engines.base import EngineError
from edge.engines.tensorrt_key import LayerRow

_TYPES = (
    ("int8", re.compile(r"\bint8\b", re.IGNORECASE)),
    ("fp16", re.compile(r"\b(fp16|half|float16)\b", re.IGNORECASE)),
    ("fp32", re.compile(r"\b(fp32|float|float32)\b", re.IGNORECASE)),
    ("uint8", re.compile(r"\buint8\b", re.IGNORECASE)),
)
OTHER = "other"  # reshapes, shape arithmetic, and whatever a newer inspector calls its types


def read_layers(inspector: str) -> list[LayerRow]:
    """Rows from the inspector's JSON of TensorRT 10 or 11.

    A layer's precision is the type of its first input: that is what its kernel computes with. Version 11
    replaced `Bindings` by `I/O Tensors` and split a tensor's `Format/Datatype` into `Format` and `Datatype`
    (NVIDIA's migration guide from 10 to 11, page on IEngineInspector, and its samples); both are understood.

    Raises:
        EngineError: not an inspector's JSON, or built without detailed verbosity.
    """
    try:
        layers = json.loads(inspector)["Layers"]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"the inspector's answer is not understood: {error!r}") from error
    if not all(isinstance(layer, dict) for layer in layers):
        raise EngineError("the engine was built without detailed profiling verbosity; build it again")
    return [
        LayerRow(name=str(layer.get("Name", "")), kind=_kind(layer), precision=_precision(layer))
        for layer in layers
    ]


def count_precisions(rows: Iterable[LayerRow]) -> dict[str, int]:
    """Number of layers by precision, most frequent first."""
    return dict(Counter(row.precision for row in rows).most_common())


def table(rows: Sequence[LayerRow]) -> str:
    """The layers in columns for a terminal."""
    width = max((len(row.precision) for row in rows), default=0)
    kind = max((len(row.kind) for row in rows), default=0)
    return "\n".join(f"{row.precision:<{width}}  {row.kind:<{kind}}  {row.name}" for row in rows)


def _kind(layer: dict[str, Any]) -> str:
    return str(layer.get("ParameterType") or layer.get("LayerType") or "")


def _precision(layer: dict[str, Any]) -> str:
    for side in ("Inputs", "Outputs"):
        for tensor in layer.get(side) or ():
            text = " ".join(
                str(tensor.get(field, "")) for field in ("Format/Datatype", "Datatype", "DataType")
            )
            for name, pattern in _TYPES:
                if pattern.search(text):
                    return name
    return OTHER
