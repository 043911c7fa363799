"""What a model is: the one description that travels with it and that nothing at run time overrides."""

from __future__ import annotations

import msgspec

from edge.contract.roi import Roi
from edge.errors import DataError, RefusedError

SCHEMA = 2
METADATA_KEY = "sonocart.spec"
"""Where the same JSON stands in the ONNX file's metadata_props."""

LABELS = ("benign", "malignant")
"""Negative and positive class."""

PREPROCESSING_ID = "luma-letterbox-area-1"
"""Names what `edge.contract.preprocess.prepare` does. A bundle made for another id is refused; change it with
the arithmetic."""

PRECISIONS = ("fp32", "fp16", "int8", "int8+fp16")


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input or output of the graph, in words and numbers."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    meaning: str


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a frame becomes the input tensor; see `edge.contract.preprocess.prepare`.

    Attributes:
        id: `PREPROCESSING_ID` of the code that made the training tensors.
        width: of the tensor, pixels.
        height: of the tensor, pixels.
        region: what the network was trained to look at: "field" is the scanner's whole ultrasound field,
            "lesion" the lesion's box with its surroundings.
        context: side of the square that is cut out, in lesion sizes (the longer side of its box);
            1 where `region` is "field".
    """

    id: str
    width: int
    height: int
    region: str
    context: float

    def crop(self, box: Roi, bounds: Roi) -> Roi:
        """The region to hand to `prepare` for a field or lesion `box` in a picture of `bounds`.

        A lesion's square with its context is cut at the picture's border.
        """
        if self.region == "field":
            return box
        side = max(1, round(max(box.width, box.height) * self.context))
        left = max(bounds.x, box.x + (box.width - side) // 2)
        top = max(bounds.y, box.y + (box.height - side) // 2)
        right = min(bounds.right, box.x + (box.width - side) // 2 + side)
        bottom = min(bounds.bottom, box.y + (box.height - side) // 2 + side)
        if right <= left or bottom <= top:
            raise DataError(f"region {box} leaves the picture of {bounds.width}x{bounds.height} pixels")
        return Roi(left, top, right - left, bottom - top)


class OperatingPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A named decision threshold on the calibrated risk: malignant if risk >= threshold."""

    name: str
    threshold: float


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the model comes from. `images` and `groups` count train, validation and test parts.

    A group is a patient, or a cluster of near-duplicate images where patients are not known.
    """

    created: str  # ISO 8601, UTC
    sonocart: str
    torch: str
    network: str
    parameters: int
    seed: int
    study_sha256: str
    images: dict[str, int]
    groups: dict[str, int]


class _Version(msgspec.Struct, frozen=True):
    """What can be read of a specification of any schema."""

    schema: int


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The contract between training and cart. No field has a default; unknown fields are errors.

    Attributes:
        labels: negative and positive class, in this order.
        temperature: the scaling of the logit that is already inside the graph (Guo et al. 2017).
        operating_points: at least one; chosen on validation data only.
        operating_point: name of the one that is used unless the operator switches.
        ood_threshold: a frame whose output `ood` is above this is unlike the training images and gets no
            risk; chosen on validation data only.
        sensitivity_margin: what another precision may lose in sensitivity at the operating point: the lower
            bound of the paired 95 % interval of its difference from FP32 must stay above minus this.
    """

    schema: int
    name: str
    labels: tuple[str, str]
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing
    temperature: float
    operating_points: tuple[OperatingPoint, ...]
    operating_point: str
    ood_threshold: float
    sensitivity_margin: float
    intended_use: str
    limits: str
    provenance: Provenance

    def point(self, name: str | None = None) -> OperatingPoint:
        """The operating point called `name`, or the model's own choice."""
        wanted = self.operating_point if name is None else name
        for point in self.operating_points:
            if point.name == wanted:
                return point
        known = ", ".join(point.name for point in self.operating_points)
        raise DataError(f"the model has no operating point '{wanted}'; it has: {known}")

    def output(self, name: str) -> TensorSpec:
        """The output tensor called `name`."""
        for tensor in self.outputs:
            if tensor.name == name:
                return tensor
        raise DataError(
            f"the model has no output '{name}'; it has: {', '.join(t.name for t in self.outputs)}"
        )


def encode_spec(spec: ModelSpec) -> bytes:
    """Canonical JSON: the same specification gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(spec, order="sorted"), indent=2) + b"\n"


def decode_spec(data: bytes) -> ModelSpec:
    """Read and check a specification.

    Raises:
        DataError: not JSON, a missing or unknown field, a wrong type, or figures that make no sense.
        RefusedError: made for another preprocessing or schema than this version of the kit has.
    """
    try:
        schema = msgspec.json.decode(data, type=_Version).schema  # first: other schemas have other fields
        if schema != SCHEMA:
            raise RefusedError(
                f"the model's specification has schema {schema}, this version reads {SCHEMA}; train and "
                "export it again. Run: sonocart export RUN --out BUNDLE"
            )
        spec = msgspec.json.decode(data, type=ModelSpec)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"the model's specification is not valid: {error}") from error
    if spec.preprocessing.id != PREPROCESSING_ID:
        raise RefusedError(
            f"the model was trained with preprocessing '{spec.preprocessing.id}', this version does "
            f"'{PREPROCESSING_ID}'; export it again with this version or install the one that made it"
        )
    if spec.preprocessing.region not in ("field", "lesion"):
        raise DataError(f"region is '{spec.preprocessing.region}', expected 'field' or 'lesion'")
    shape = (1, 1, spec.preprocessing.height, spec.preprocessing.width)
    if spec.input.dtype != "uint8" or spec.input.shape != shape:
        raise DataError(f"input is {spec.input.dtype} {spec.input.shape}, expected uint8 {shape}")
    if not spec.preprocessing.context > 0.0:
        raise DataError(f"context is {spec.preprocessing.context}, expected more than 0")
    if spec.labels != LABELS:  # a risk is of malignancy wherever it is shown
        raise DataError(f"labels are {spec.labels}, expected {LABELS}")
    if not spec.temperature > 0.0:
        raise DataError(f"temperature is {spec.temperature}, expected more than 0")
    names = [point.name for point in spec.operating_points]
    if len(set(names)) < len(names):
        raise DataError(f"two operating points have the same name: {', '.join(names)}")
    for point in spec.operating_points:
        if not 0.0 < point.threshold < 1.0:
            raise DataError(f"threshold of '{point.name}' is {point.threshold}, expected between 0 and 1")
    if not 0.0 < spec.sensitivity_margin < 1.0:
        raise DataError(f"sensitivity margin is {spec.sensitivity_margin}, expected between 0 and 1")
    if not 0.0 < spec.ood_threshold < float("inf"):
        raise DataError(f"ood_threshold is {spec.ood_threshold}, expected a distance above 0")
    spec.point()
    for name in ("risk", "heatmap", "ood"):
        if spec.output(name).dtype != "float32":
            raise DataError(f"output '{name}' is {spec.output(name).dtype}, expected float32")
    return spec
