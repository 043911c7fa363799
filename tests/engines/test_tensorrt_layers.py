"""Both dialects of TensorRT's inspector give the same table."""

import json

import pytest

from edge.engines.base import EngineError
from edge.engines.tensorrt_layers import count_precisions, read_layers, table


def layer(name, kind, text, field="Format/Datatype"):
    return {"Name": name, "LayerType": kind, "Inputs": [{"Name": "x", field: text}], "Outputs": []}


TEN = json.dumps(
    {
        "Layers": [
            layer("a", "Reformat", "Row major linear UInt8 format"),
            layer("b", "CaskConvolution", "Thirty-two wide channel vectorized row major Int8 format"),
            layer("c", "CaskConvolution", "Channel major FP16 format where channel % 8 == 0"),
            layer("d", "CaskGemm", "Row major linear FP32"),
            {"Name": "e", "LayerType": "NoOp", "Inputs": [], "Outputs": []},
        ],
        "Bindings": ["frame", "risk", "heatmap"],
    }
)
ELEVEN = json.dumps(
    {
        "Layers": [
            layer("a", "Reformat", "UInt8", "Datatype"),
            layer("b", "CaskConvolution", "Int8", "Datatype"),
            layer("c", "CaskConvolution", "Half", "Datatype"),
            layer("d", "CaskGemm", "Float", "Datatype"),
            {"Name": "e", "LayerType": "NoOp"},
        ],
        "I/O Tensors": [
            {"Name": "frame", "IOMode": "Input", "DataType": "UInt8", "Dimensions": [1, 1, 32, 32]},
            {"Name": "risk", "IOMode": "Output", "DataType": "Float", "Dimensions": [1]},
        ],
    }
)


@pytest.mark.parametrize("dialect", [TEN, ELEVEN], ids=["10", "11"])
def test_precision_of_each_layer(dialect):
    rows = read_layers(dialect)
    assert [row.precision for row in rows] == ["uint8", "int8", "fp16", "fp32", "other"]
    assert [row.name for row in rows] == list("abcde")
    assert count_precisions(rows) == {"uint8": 1, "int8": 1, "fp16": 1, "fp32": 1, "other": 1}
    assert "int8   CaskConvolution  b" in table(rows)


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_garbage_is_told(text):
    with pytest.raises(EngineError, match="not understood"):
        read_layers(text)


def test_engine_without_details_is_told():
    with pytest.raises(EngineError, match="verbosity"):
        read_layers('{"Layers": ["conv1", "conv2"]}')
