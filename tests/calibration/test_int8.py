"""The INT8 graphs mean what the FP32 graph means, in the arrangement that each kind of kernel wants."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from calibration import half, ranges
from calibration.frames import calibration_set
from calibration.graph import Graph, parse
from calibration.half import store_half
from calibration.int8 import Choice, quantise
from calibration.layers import choose_layers, layer_inputs, multiplications
from calibration.quantize import for_engine
from edge.contract.spec import METADATA_KEY, encode_spec
from edge.engines.onnx import OnnxEngine
from edge.errors import DataError, InternalError, UsageError
from tests.networks import SIZE, residual_network, residual_spec, speckle

BRANCHES = ("a1_Conv", "a2_Conv", "b1_Conv", "b2_Conv")


@pytest.fixture(scope="module")
def tensors():
    rng = np.random.default_rng(5)
    return np.stack([speckle(rng, SIZE)[None] for _ in range(6)])


def test_branches_are_quantised_and_all_else_is_kept_for_a_reason():
    layers = choose_layers(Graph(residual_network()))
    assert layers.quantised == BRANCHES
    assert layers.kept == {
        "gradients_Conv": "reads fewer than 4 channels",
        "stem_Conv": "first layer",
        "down_Conv": "shortcut",
        "logit_Gemm": "head",
        "cam_Conv": "head",
        "z_MatMul": "head",
    }


def test_layers_are_kept_by_name_and_a_wrong_name_is_told():
    graph = Graph(residual_network())
    assert choose_layers(graph, ["b1_Conv"]).kept["b1_Conv"] == "on request"
    with pytest.raises(UsageError, match=r"no layer 'b9'.*b1_Conv"):
        choose_layers(graph, ["b9"])


def test_shortcuts_and_kept_layers_read_tensors_that_were_never_rounded():
    plain = Graph(residual_network())
    assert layer_inputs(plain, choose_layers(plain)) == ("pool", "a1.relu", "a.relu", "b1.relu")
    layers = choose_layers(plain)
    engine = Graph(for_engine(plain.model, layers, dict.fromkeys(layer_inputs(plain, layers), 3.0)))
    reads = {node.name: list(node.input) for node in engine.nodes}
    assert reads["a1_Conv"][0] == "pool_dequantized"
    assert reads["a.add_Add"] == ["a2", "pool"]
    assert reads["down_Conv"][:2] == ["a.relu", "down.weight"]
    assert reads["b.add_Add"] == ["b2", "down"]
    fewer = choose_layers(plain, ["b1_Conv"])
    kept = Graph(for_engine(plain.model, fewer, dict.fromkeys(layer_inputs(plain, fewer), 3.0)))
    assert next(node for node in kept.nodes if node.name == "b1_Conv").input[0] == "a.relu"


def test_weights_are_int8_by_channel_and_within_half_a_step(made):
    plain = Graph(residual_network())
    graph = Graph(parse(made.engine))
    for name in BRANCHES:
        weight = name.replace("_Conv", ".weight")
        original = numpy_helper.to_array(plain.initializers[weight])
        stored = numpy_helper.to_array(graph.initializers[f"{weight}_quantized"])
        scale = numpy_helper.to_array(graph.initializers[f"{weight}_scale"])
        assert stored.dtype == np.int8
        assert scale.shape == (original.shape[0],)
        assert stored.min() >= -127
        assert np.all(np.abs(stored).max(axis=(1, 2, 3)) == 127)
        error = np.abs(stored * scale[:, None, None, None] - original)
        assert np.all(error <= 0.501 * scale[:, None, None, None])
        assert weight not in graph.initializers


def test_metadata_is_the_contract_bit_for_bit(made):
    for data in (made.engine, made.cpu):
        properties = {entry.key: entry.value for entry in parse(data).metadata_props}
        assert properties == {METADATA_KEY: encode_spec(residual_spec()).decode()}


@pytest.mark.parametrize("which", ["engine", "cpu"])
def test_risk_and_heatmap_stay_close_to_fp32(made, tensors, which):
    spec = residual_spec()
    plain = OnnxEngine(residual_network().SerializeToString(), spec, "fp32", threads=1)
    engine = OnnxEngine(getattr(made, which), spec, "int8", threads=1, optimise=which == "cpu")
    for tensor in tensors:
        expected, found = plain.infer(tensor[None]), engine.infer(tensor[None])
        assert abs(expected.risk - found.risk) < 0.02
        assert np.abs(expected.heatmap - found.heatmap).max() < 0.15


def test_cpu_arrangement_runs_wholly_in_integer_kernels(made, tmp_path):
    """Which is why it exists: in TensorRT's arrangement ONNX Runtime computes most layers in FP32."""
    kinds = {}
    for which in ("engine", "cpu"):
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(tmp_path / which)
        ort.InferenceSession(getattr(made, which), options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(tmp_path / which).graph.node
        kinds[which] = sum(node.op_type == "QLinearConv" for node in nodes)
    assert kinds["cpu"] == len(BRANCHES)
    assert kinds["engine"] < len(BRANCHES)


def test_best_method_is_taken_and_all_are_reported(made, tensors):
    steps = {}

    def track(title, count):
        steps[title] = [0, count]

        def step():
            steps[title][0] += 1

        return step

    found = quantise(
        residual_network(),
        residual_spec(),
        calibration_set(tensors),
        Choice(("max", "percentile", "mse", "entropy"), (), 0.0, rank_layers=False, half=False),
        1,
        track,
    )
    assert set(found.trials_db) == {"max", "percentile", "mse", "entropy"}
    assert found.trials_db[found.method] == max(found.trials_db.values())
    assert all(done == count for done, count in steps.values())


def test_network_without_a_fit_layer_is_refused(tensors):
    with pytest.raises(DataError, match="fp16"):
        quantise(
            residual_network(),
            residual_spec(),
            calibration_set(tensors),
            Choice(("max",), BRANCHES, 0.0, rank_layers=False, half=False),
            1,
            lambda title, count: lambda: None,
        )


def test_broken_or_external_model_is_told():
    with pytest.raises(DataError, match="not an ONNX file"):
        parse(b"\xff" * 50)
    model = residual_network()
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    with pytest.raises(DataError, match="outside the ONNX file"):
        parse(model.SerializeToString())


@pytest.fixture(scope="module")
def kept(tensors):
    def made(keep, min_sqnr_db, rank=False):
        return quantise(
            residual_network(),
            residual_spec(),
            calibration_set(tensors),
            Choice(("max",), keep, min_sqnr_db, rank_layers=rank, half=False),
            1,
            lambda title, count: lambda: None,
        )

    return made


def test_nothing_is_kept_unasked_and_what_it_would_give_and_cost_is_told(kept):
    loose = kept((), 0.0)
    assert loose.layers.quantised == BRANCHES
    assert not loose.ranking_db
    assert not loose.offers
    missed = kept((), 500.0)
    assert missed.layers == loose.layers
    assert missed.engine == loose.engine
    assert set(missed.ranking_db) == set(BRANCHES)
    ranked = list(missed.ranking_db)
    assert [offer.layers for offer in missed.offers] == [tuple(ranked[:count]) for count in (1, 2, 3)]
    assert missed.offers[-1].sqnr_db > missed.sqnr_db
    sizes = [len(missed.engine), *(offer.bytes for offer in missed.offers)]
    assert sizes == sorted(sizes)


def test_what_an_offer_says_is_what_one_gets(kept):
    offer = kept((), 500.0).offers[1]
    for keep in (offer.layers, 2):
        found = kept(keep, 0.0)
        assert found.sqnr_db == pytest.approx(offer.sqnr_db)
        assert len(found.engine) == offer.bytes
        assert {name for name, why in found.layers.kept.items() if why == "on request"} == set(offer.layers)


def test_auto_keeps_no_more_than_the_aim_takes(kept):
    missed = kept((), 500.0)
    aim = max(missed.offers[0].sqnr_db, missed.sqnr_db + 1e-6)
    enough = next(offer for offer in missed.offers if offer.sqnr_db >= aim)
    found = kept("auto", aim)
    assert set(enough.layers) == set(BRANCHES) - set(found.layers.quantised)
    assert found.sqnr_db >= aim
    assert kept("auto", missed.sqnr_db - 1).layers.quantised == BRANCHES


def test_auto_leaves_at_least_half_of_the_multiplications_in_int8_and_offers_the_rest(kept):
    cost = multiplications(Graph(residual_network()))
    found = kept("auto", 500.0)
    assert sum(map(cost.get, found.layers.quantised)) >= sum(map(cost.get, BRANCHES)) / 2
    assert 0 < len(found.offers) < 3
    assert len(found.offers[0].layers) == len(BRANCHES) - len(found.layers.quantised) + 1


def test_multiplications_are_weights_times_places():
    graph = Graph(residual_network())
    cost = multiplications(graph)
    a1, b2 = (next(node for node in graph.nodes if node.name == f"{name}_Conv") for name in ("a1", "b2"))
    side = residual_spec().input.shape[-1] // 2
    assert cost["a1_Conv"] == graph.weight(a1).size * side**2
    assert cost["b2_Conv"] == graph.weight(b2).size * (side // 2) ** 2


def test_a_number_of_layers_that_leaves_none_is_refused(kept):
    assert len(kept(len(BRANCHES) - 1, 0.0).layers.quantised) == 1
    for keep in (len(BRANCHES), 99):
        with pytest.raises(UsageError, match="leaves nothing in INT8: 4 layers"):
            kept(keep, 0.0)


def test_large_constants_are_stored_in_half_and_computed_with_in_full_precision(made, monkeypatch):
    monkeypatch.setattr(half, "TABLE", 256)
    model = residual_network()
    store_half(model)
    graph = Graph(model)
    stored = [t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert {"whitening_half", "stem.weight_half", "a1.weight_half"} <= set(stored)
    assert graph.producer["whitening"].op_type == graph.producer["stem.weight"].op_type == "Cast"
    onnx.checker.check_model(model, full_check=True)
    plain, found = (
        OnnxEngine(m.SerializeToString(), residual_spec(), "fp32", threads=1)
        for m in (residual_network(), model)
    )
    tensor = speckle(np.random.default_rng(1), SIZE)[None, None]
    expected, got = plain.infer(tensor), found.infer(tensor)
    assert got.risk == pytest.approx(expected.risk, abs=1e-3)
    assert got.ood == pytest.approx(expected.ood, rel=1e-3)


def test_ranges_that_leave_no_network_are_refused_at_once_and_the_clipped_tensor_is_named(
    tensors, monkeypatch
):
    monkeypatch.setitem(ranges._METHODS, "entropy", lambda histogram: histogram.largest / 50)
    titles = []

    def track(title, steps):
        titles.append(title)
        return lambda: None

    with pytest.raises(InternalError, match=r"entropy leave .* dB .* clipped at 0.02 .* --method auto"):
        quantise(
            residual_network(),
            residual_spec(),
            calibration_set(tensors),
            Choice(("entropy",), (), 36.0, rank_layers=True, half=False),
            1,
            track,
        )
    assert titles == ["ranges", "methods"]  # no layer is ranked, no image judged
