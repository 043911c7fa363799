"""The INT8 graphs mean what the FP32 graph means, in the arrangement that each kind of kernel wants."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from calibration import ranges
from calibration.frames import calibration_set
from calibration.graph import Graph, parse
from calibration.int8 import KEPT_SHARE, Choice, quantise
from calibration.layers import choose_layers, engine_tensors, with_stem
from edge.contract.spec import METADATA_KEY, encode_spec
from edge.engines.onnx import OnnxEngine
from edge.errors import DataError, InternalError, UsageError
from tests.networks import SIZE, residual_network, residual_spec, speckle

TRUNK = ("stem_Conv", "a1_Conv", "a2_Conv", "b1_Conv", "b2_Conv", "down_Conv")


@pytest.fixture(scope="module")
def tensors():
    rng = np.random.default_rng(5)
    return np.stack([speckle(rng, SIZE)[None] for _ in range(6)])


def test_trunk_is_quantised_and_head_and_feature_images_are_not():
    layers = choose_layers(Graph(residual_network()))
    assert layers.quantised == TRUNK
    assert layers.kept == ("gradients_Conv", "logit_Gemm", "cam_Conv", "z_MatMul")


def test_layers_are_kept_by_name_and_a_wrong_name_is_told():
    graph = Graph(residual_network())
    assert "b1_Conv" in choose_layers(graph, ["b1_Conv"]).kept
    with pytest.raises(UsageError, match=r"no layer 'b9'.*b1_Conv"):
        choose_layers(graph, ["b9"])


def test_only_the_shortcut_of_an_addition_is_quantised():
    graph = Graph(residual_network())
    tensors = engine_tensors(graph, choose_layers(graph))
    assert "pool" in tensors  # shortcut of the identity block, shared with its first layer
    assert "down" in tensors  # shortcut of the downsampling block
    assert not {"a2", "b2", "b.relu"} & set(tensors)


def test_weights_are_int8_by_channel_and_within_half_a_step(made):
    plain = Graph(residual_network())
    graph = Graph(parse(made.engine))
    for name in TRUNK:
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
    assert kinds["cpu"] == len(TRUNK)
    assert kinds["engine"] < len(TRUNK)


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
        calibration_set(tensors, len(tensors)),
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
            calibration_set(tensors, len(tensors)),
            Choice(("max",), TRUNK, 0.0, rank_layers=False, half=False),
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


def test_sensitive_layers_are_kept_until_the_graph_is_close_enough(tensors):
    def made(min_sqnr_db):
        return quantise(
            residual_network(),
            residual_spec(),
            calibration_set(tensors, len(tensors)),
            Choice(("max",), (), min_sqnr_db, rank_layers=False, half=False),
            1,
            lambda title, count: lambda: None,
        )

    loose, strict, hopeless = made(0.0), made(34.0), made(100.0)
    assert loose.layers.quantised == TRUNK
    assert not loose.ranking_db
    assert loose.sqnr_db < 34.0 <= strict.sqnr_db
    left_out = [name for name in TRUNK if name not in strict.layers.quantised]
    assert left_out
    assert set(left_out) == set(list(strict.ranking_db)[: len(left_out)])
    assert len(hopeless.layers.quantised) == len(TRUNK) - int(len(TRUNK) * KEPT_SHARE)  # and no further


def test_learnt_stem_on_one_channel_runs_in_int8_on_a_cpu_alone():
    model = residual_network()
    stem = next(node for node in model.graph.node if node.name == "stem_Conv")
    weight = next(t for t in model.graph.initializer if t.name == "stem.weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[:, :1].copy(), "stem.weight"))
    stem.input[0] = "unit"
    graph = Graph(model)
    layers = choose_layers(graph)
    assert "stem_Conv" in layers.kept
    assert with_stem(graph, layers, ()).quantised == ("stem_Conv", *layers.quantised)
    assert with_stem(graph, layers, ("stem_Conv",)) == layers
    assert "gradients_Conv" in with_stem(graph, layers, ()).kept


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
            calibration_set(tensors, len(tensors)),
            Choice(("entropy",), (), 36.0, rank_layers=True, half=False),
            1,
            track,
        )
    assert titles == ["ranges", "methods"]  # no layer is ranked, no image judged
