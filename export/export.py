"""Write a run as a bundle: `sonocart export RUN --out BUNDLE`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edge.atomic import require_place
from edge.contract.bundle import NewFile, create_bundle, model_file
from edge.contract.spec import SCHEMA, ModelSpec, Provenance, TensorSpec, encode_spec
from edge.engines.golden import golden_inputs, golden_outputs, golden_tensors, run_golden
from edge.engines.onnx import OnnxEngine
from edge.errors import CannotCreateError, DataError
from edge.exam.fitting import measure_spread, spread_files
from edge.exam.spread import UNMEASURED
from edge.study.cases import LABELS
from edge.study.parts import SPLIT, encode_members
from export.card import INTENDED_USE, LIMITS, model_card
from export.deployed import Deployed, to_onnx
from export.familiarity import read_familiarity
from export.golden_frames import golden_frames
from export.parity import check_parity, torch_outputs
from export.run_folder import Run, read_run

REPORTS = ("log.csv", "metrics.json")
SENSITIVITY_MARGIN = 0.05
"""Sensitivity that a reduced precision may lose, with 95 % certainty."""


def main(args: argparse.Namespace) -> int:
    """Export, check against torch, write the bundle."""
    if args.out.exists():
        raise CannotCreateError(f"'{args.out}' exists already; choose another --out or remove it first")
    require_place(args.out)
    run, classifier, members = read_run(args.run)
    familiarity = read_familiarity(args.run)
    model = Deployed(classifier, run.temperature, familiarity.distance)
    frames = golden_frames()
    size = run.settings.preprocessing
    heatmap = torch_outputs(model, np.zeros((1, 1, size.height, size.width), np.uint8)).heatmap
    spec = specification(run, args.name or args.run.resolve().name, heatmap.shape, familiarity.threshold)
    graph = to_onnx(model, spec)
    tensors = golden_tensors(frames, spec)
    engine = OnnxEngine(graph, spec, "fp32", threads=1)
    outputs = run_golden(engine, tensors)
    parity = check_parity(torch_outputs(model, tensors), outputs)
    spread = measure_spread(engine, size) if args.spread else UNMEASURED
    files = {
        "model.json": NewFile(encode_spec(spec)),
        model_file("fp32"): NewFile(graph),
        "MODEL_CARD.md": NewFile(model_card(spec).encode()),
        SPLIT: NewFile(encode_members(members)),
        "reports/parity.json": NewFile(json.dumps(asdict(parity), indent=2).encode() + b"\n"),
        **_reports(args.run),
        **golden_inputs(frames, tensors),
        **golden_outputs("fp32", outputs),
        **(spread_files(spread) if args.spread else {}),
    }
    bundle = create_bundle(args.out, files)
    print(f"bundle      {bundle.path}, id {bundle.id}, {len(graph) / 1e6:.1f} MB of ONNX")
    print(
        f"parity      torch against ONNX Runtime: risk {parity.risk:.1e}, heat map {parity.heatmap:.1e}, "
        f"ood {parity.ood:.1e}"
    )
    print(f"interval    {spread.words}")
    print(f"\nNext: sonocart evaluate {bundle.path} STUDY")
    return 0


def _reports(run: Path) -> dict[str, NewFile]:
    """What training wrote of itself; a damaged table would leave the cart without the points' figures."""
    files = {}
    for name in REPORTS:
        try:
            data = (run / name).read_bytes()
            if name.endswith(".json"):
                json.loads(data)
        except (OSError, ValueError) as error:
            raise DataError(f"'{run / name}' is not readable: {error}; train again") from error
        files[f"reports/{name}"] = NewFile(data)
    return files


def specification(run: Run, name: str, heatmap: tuple[int, ...], ood_threshold: float) -> ModelSpec:
    """The contract for a run's model whose heat map has the shape `heatmap`; see `ModelSpec`."""
    size = run.settings.preprocessing
    return ModelSpec(
        schema=SCHEMA,
        name=name,
        labels=LABELS,
        input=TensorSpec(
            name="frame",
            dtype="uint8",
            shape=(1, 1, size.height, size.width),
            meaning="luma of the region, full range, 0 is black",
        ),
        outputs=(
            TensorSpec(
                name="risk",
                dtype="float32",
                shape=(1,),
                meaning="calibrated probability of malignancy, 0 to 1",
            ),
            TensorSpec(
                name="heatmap",
                dtype="float32",
                shape=heatmap,
                meaning="class activation: sigmoid of the local logit, 0.5 speaks for neither class",
            ),
            TensorSpec(
                name="ood",
                dtype="float32",
                shape=(1,),
                meaning="Mahalanobis distance from the training images; 1 is typical of them",
            ),
        ),
        preprocessing=size,
        temperature=run.temperature,
        operating_points=run.operating_points,
        operating_point=run.operating_point,
        ood_threshold=ood_threshold,
        sensitivity_margin=SENSITIVITY_MARGIN,
        intended_use=INTENDED_USE,
        limits=LIMITS,
        provenance=Provenance(
            created=run.created,
            sonocart=run.sonocart,
            torch=run.torch,
            network=run.settings.network,
            parameters=run.parameters,
            seed=run.settings.seed,
            study_sha256=run.settings.study_sha256,
            images=run.images,
            groups=run.groups,
        ),
    )
