"""Refined ranges follow the output and never get worse than the method's."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from calibration.graph import Graph, parse
from calibration.layers import Layers, input_ranges
from calibration.quantize import for_cpu
from calibration.refine import refine
from tests.networks import residual_network

SHIFT = 0.3671


def test_each_range_moves_where_the_score_rises_and_only_there():
    target = {"a": 0.8, "b": 1.0, "c": 2.0}

    def score(limits):
        return -sum(abs(limits[name] - target[name]) for name in target)

    found = refine({"a": 1.0, "b": 1.0, "c": 1.9}, ["a", "b", "c"], {"a": 1, "b": 1, "c": 2}, score)
    assert found == pytest.approx({"a": 0.8, "b": 1.0, "c": 2.0})  # c: no further than what occurs


def test_scaled_pictures_take_the_range_of_their_grey_levels():
    ranges = input_ranges(Graph(residual_network()))
    assert ranges["unit"] == pytest.approx((0.0, 1.0))
    assert "gradients" not in ranges


def shifted_network():
    """`residual_network` whose feature images read grey levels with a fraction taken off."""
    model = residual_network()
    model.graph.initializer.append(numpy_helper.from_array(np.array(SHIFT, np.float32), "shift"))
    nodes = list(model.graph.node)
    unit = next(node for node in nodes if node.output[0] == "unit")
    moved = helper.make_node("Sub", ["unit", "shift"], ["moved"], name="moved_Sub")
    next(node for node in nodes if node.output[0] == "gradients").input[0] = "moved"
    nodes.insert(nodes.index(unit) + 1, moved)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def test_scaled_pictures_lose_nothing_on_cpu_kernels():
    """Every grey level comes back, but for the part of a level that the biases take over."""
    plain = Graph(shifted_network())
    layers = Layers(("gradients_Conv",), ())
    ranges = dict.fromkeys((name for node in plain.nodes for name in node.output), (-9.0, 9.0))
    made = Graph(for_cpu(plain.model, layers, ranges))
    stored, before = (
        {name: numpy_helper.to_array(t) for name, t in graph.initializers.items()} for graph in (made, plain)
    )
    step, zero = float(stored["moved_scale"]), int(stored["moved_zero_point"])
    levels = np.arange(256) / 255 - SHIFT
    lost = levels - (np.clip(np.rint(levels / step + zero), 0, 255) - zero) * step
    assert np.ptp(lost) < 1e-6
    assert 0.01 / 255 < abs(lost[0]) < 0.5 / 255
    added = stored["gradients.bias"] - before["gradients.bias"]
    assert added == pytest.approx(lost[0] * before["gradients.weight"].sum(axis=(1, 2, 3)), abs=1e-6)


def test_the_engines_arrangement_leaves_biases_alone(made):
    plain, engine = Graph(residual_network()), Graph(parse(made.engine))
    for name in ("stem.bias", "a1.bias"):
        assert engine.initializers[name].raw_data == plain.initializers[name].raw_data
