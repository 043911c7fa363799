"""What a lower precision leaves is counted in full: all bytes of the file, all time of an inference."""

import numpy as np
import onnx
import pytest

from calibration.graph import parse
from calibration.remainder import KEPT, LOWERED, REST, share_time, weigh
from tests.networks import SIZE, residual_network, speckle


def test_bytes_are_counted_by_type_and_add_up_to_the_file(made):
    plain, lowered = residual_network(), parse(made.engine)
    for model in (plain, lowered):
        assert sum(weigh(model).values()) == len(model.SerializeToString())
    assert "INT8" not in weigh(plain)
    stored = sum(t.ByteSize() for t in lowered.graph.initializer if t.data_type == onnx.TensorProto.INT8)
    assert weigh(lowered)["INT8"] == stored > 4000


def test_time_is_shared_between_what_was_lowered_and_what_was_not(made):
    frames = np.stack([speckle(np.random.default_rng(0), SIZE)[None]])
    shares = share_time(residual_network(), made.cpu, frames)
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares[part] for part in (LOWERED, KEPT, REST)) > 0
    plain = share_time(residual_network(), residual_network().SerializeToString(), frames)
    assert plain[LOWERED] == 0
    assert plain[KEPT] > 0
