"""Golden frames hold risk and heat map to what the bundle says."""

from dataclasses import replace

import numpy as np
import pytest

from edge.engines.golden import check_golden
from edge.engines.onnx import reference_engine
from edge.errors import InternalError
from tests.networks import write_bundle, write_study


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    return write_bundle(folder / "bundle", write_study(folder / "study", 3))


class Altered:
    """The reference with something done to its outputs."""

    name, precision = "altered", "fp32"

    def __init__(self, bundle, change):
        self._engine, self._change = reference_engine(bundle, "fp32", threads=1), change

    def infer(self, tensor):
        found = self._engine.infer(tensor)
        risk, heatmap = self._change(found.risk, found.heatmap)
        return replace(found, risk=risk, heatmap=heatmap)

    def close(self):
        pass


def test_the_reference_itself_differs_by_nothing(bundle):
    assert check_golden(bundle, Altered(bundle, lambda risk, heatmap: (risk, heatmap)), "fp32") == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda risk, heatmap: (risk + 0.01, heatmap),
        lambda risk, heatmap: (risk, heatmap[::-1]),  # a map upside down has the same mean
        lambda risk, heatmap: (risk, np.full_like(heatmap, np.nan)),
        lambda risk, heatmap: (float("nan"), heatmap),
    ],
    ids=["risk", "map", "map not finite", "risk not finite"],
)
def test_what_differs_is_not_used(bundle, change):
    with pytest.raises(InternalError, match=r"golden frames: risk differs .* the model is not used"):
        check_golden(bundle, Altered(bundle, change), "fp32")
