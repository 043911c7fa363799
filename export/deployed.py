"""The graph that travels: a grey frame in, risk, heat map and ood out, all arithmetic inside."""

from __future__ import annotations

import logging
import warnings

import onnx
import torch
from onnxscript.optimizer import optimize_ir
from torch import Tensor, nn

from edge.contract.spec import METADATA_KEY, ModelSpec, encode_spec
from export.classifier import Classifier
from export.familiarity import Distance

OPSET = 18  # TensorRT 10's parser reads 9 to 20

FOLDED = 1024
"""Elements up to which a constant is stored; larger ones are stored as their arithmetic, done on loading."""


class Deployed(nn.Module):
    """A classifier with its temperature, as probabilities, and the distance from its training images."""

    def __init__(self, classifier: Classifier, temperature: float, distance: Distance):
        super().__init__()
        self.classifier = classifier
        self.temperature = temperature
        self.distance = distance
        self.eval()

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Risk (1,), heat map (1, h, w) and distance (1,), float32, of a frame uint8 (1, 1, H, W).

        The heat map is the sigmoid of the local logit over the temperature: 0.5 speaks for neither class, and
        the same value means the same in every frame.
        """
        # TensorRT takes uint8 only where the first node is this Cast.
        image = frame.to(torch.float32)
        features = self.classifier.features(image)
        logit, local = self.classifier.classify(image, features)
        ood = self.distance(features.mean((2, 3)))
        return torch.sigmoid(logit / self.temperature), torch.sigmoid(local / self.temperature), ood


def to_onnx(model: Deployed, spec: ModelSpec) -> bytes:
    """The ONNX file with the contract's metadata and no trace of this machine's paths."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own exporter uses what torch deprecates
        logger = logging.getLogger("torch.onnx")
        level = logger.level
        logger.setLevel(logging.ERROR)  # it misses torchvision, which we do not use
        try:
            program = torch.onnx.export(
                model,
                (torch.zeros(spec.input.shape, dtype=torch.uint8),),
                dynamo=True,
                opset_version=OPSET,
                input_names=[spec.input.name],
                output_names=[output.name for output in spec.outputs],
                verbose=False,
                optimize=False,
            )
        finally:
            logger.setLevel(level)
    assert program is not None
    optimize_ir(program.model, output_size_limit=FOLDED)
    return with_metadata(program.model_proto, spec)


def with_metadata(model: onnx.ModelProto, spec: ModelSpec) -> bytes:
    """Strip what tools left behind, write the specification last, check the graph, and serialise it."""
    for item in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del item.metadata_props[:]
        item.doc_string = ""
    for initializer in model.graph.initializer:
        del initializer.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, encode_spec(spec).decode()
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
