"""Results made of chosen samples, and a bundle whose engine is a stand-in."""

import numpy as np
import pytest

from edge.bench.conditions import Conditions
from edge.bench.environment import read_environment
from edge.bench.result import SCHEMA, Result, Track, summarise
from edge.contract.bundle import NewFile, create_bundle
from edge.contract.spec import encode_spec
from edge.engines.golden import golden_inputs, golden_outputs, golden_tensors, run_golden
from tests.fakes import FakeEngine, spec


def make_track(name, wall, cpu=None, rounds=50):
    cpu = wall if cpu is None else cpu
    return Track(
        name=name,
        rounds=[k * rounds // len(wall) for k in range(len(wall))],
        at_s=[k * 0.01 for k in range(len(wall))],
        wall_ms=[float(value) for value in wall],
        cpu_ms=[float(value) for value in cpu],
    )


@pytest.fixture
def make_result(tmp_path):
    environment = read_environment(tmp_path / "no-machine")

    def make(*tracks, reference=None, others=0.01, **changes):
        conditions = Conditions(
            seconds=10.0,
            own_cpu_seconds=5.0,
            own_share=0.5,
            others_share=others,
            steal_share=0.0,
            celsius={},
            throttled={},
            khz={},
            joules={},
            memory_mb=100.0,
            memory_peak_mb=110.0,
        )
        values = {
            "schema": SCHEMA,
            "bench": "engine",
            "created": "2026-01-01T00:00:00+00:00",
            "sonocart": "0.1.0",
            "command": ["sonocart", "bench"],
            "subject": {"model": "fake"},
            "settings": {"threads": 2},
            "environment": environment,
            "conditions": conditions,
            "reference": reference,
            "comparisons": [],
            "figures": {},
            "series": {},
            "notes": [],
            "summary": {track.name: summarise(track) for track in tracks},
            "tracks": list(tracks),
        }
        return Result(**{**values, **changes})

    return make


@pytest.fixture
def samples():
    def draw(milliseconds, seed, count=1000, noise=0.05):
        return milliseconds * np.exp(noise * np.random.default_rng(seed).normal(size=count))

    return draw


@pytest.fixture
def bundle(tmp_path):
    model = spec()
    frames = np.random.default_rng(0).integers(0, 256, (3, 60, 80)).astype(np.uint8)
    tensors = golden_tensors(frames, model)
    files = {"model.json": NewFile(encode_spec(model)), **golden_inputs(frames, tensors)}
    for precision in ("fp32", "int8"):
        name = "model.onnx" if precision == "fp32" else f"model.{precision}.onnx"
        files[name] = NewFile(b"graph")
        files |= golden_outputs(precision, run_golden(FakeEngine(), tensors))
    return create_bundle(tmp_path / "bundle", files)
