"""The networks. All end in global average pooling and one linear unit, so the heat map costs nothing.

With features f (C, h, w), weights w and bias b the logit is mean_xy(w.f) + b. The local logit w.f(x, y) + b
is the class activation map (Zhou et al. 2016); its mean is the logit itself, so it has an absolute scale.
"""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from edge.errors import DataError, NoInputError, RefusedError
from export.architecture import Architecture
from export.feature_images import NAMES, FeatureImages


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016), with torchvision's names."""

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) to (N, width, h/stride, w/stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A residual network for grey images and one logit, with torchvision's parameter names."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, architecture: Architecture):
        super().__init__()
        width = architecture.widths[0]
        self.shrink = architecture.shrink
        self.pooled = architecture.pooled
        self.features = FeatureImages() if architecture.feature_images else None
        seen = len(NAMES) if architecture.feature_images else 1
        self.conv1 = nn.Conv2d(seen, width, architecture.stem, 2, architecture.stem // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for number, (out, blocks, stride) in enumerate(
            zip(architecture.widths, architecture.blocks, architecture.strides, strict=True), start=1
        ):
            layers = [
                BasicBlock(channels if i == 0 else out, out, stride if i == 0 else 1) for i in range(blocks)
            ]
            self.add_module(f"layer{number}", nn.Sequential(*layers))
            channels = out
        self.dropout = nn.Dropout(architecture.dropout)
        self.fc = nn.Linear(channels, 1)
        # Grey level and spread of the training images: part of the network, so nothing repeats them later.
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("deviation", torch.tensor(1.0))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                nn.init.zeros_(module.bn2.weight)  # each block starts as the identity (Goyal et al. 2017)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logit and class activation map.

        Args:
            image: float (N, 1, H, W), grey levels 0 to 255.

        Returns:
            Logits (N,) and local logits (N, h, w) whose mean over h and w is the logit (but for dropout).
        """
        return self.classify(self.prepare(image))

    def prepare(self, image: Tensor) -> Tensor:
        """What the first layer reads, of a float image as `forward` takes it."""
        return self.describe(self.reduce(image))

    def reduce(self, image: Tensor) -> Tensor:
        """The picture as small as the network sees it; training does this once and not in every epoch."""
        return F.avg_pool2d(image, self.shrink) if self.shrink > 1 else image

    def describe(self, reduced: Tensor) -> Tensor:
        """What the first layer reads; in full precision, so keep it out of `torch.autocast`."""
        if self.features is not None:
            described: Tensor = self.features(reduced)
            return described
        return (reduced - self.mean) / self.deviation

    def embed(self, image: Tensor) -> Tensor:
        """Pooled features of the last stage, (N, C), of a float image as `forward` takes it."""
        return self.see(self.prepare(image)).mean((2, 3))

    def classify(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logit and class activation map of what `prepare` gave."""
        return self.judge(self.see(x))

    def judge(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logit and class activation map of the last stage's features."""
        logit = self.fc(self.dropout(x.mean((2, 3))))
        local = F.conv2d(x, self.fc.weight[:, :, None, None], self.fc.bias)
        return logit[:, 0], local[:, 0]

    def see(self, x: Tensor) -> Tensor:
        """Features of the last stage, (N, C, h, w), of what `prepare` gave."""
        x = F.relu(self.bn1(self.conv1(x)))
        if self.pooled:
            x = F.max_pool2d(x, 3, 2, 1)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return x


def load_initial(network: ResNet, path: Path) -> None:
    """Start from a weight file: safetensors, or a torch file without code (`torch.save` of a state dict).

    The last layer is kept as it is where its shape differs (another task). A stem for RGB is summed over its
    channels, which gives the same features on a grey image that was copied into three.

    Raises:
        NoInputError: there is no such file.
        RefusedError: it holds code or other objects than tensors.
        DataError: it is damaged, or its tensors are another architecture's, or not finite.
    """
    weights = _read_weights(path)
    stem = weights.get("conv1.weight")
    if stem is not None and stem.ndim == 4 and stem.shape[1] == 3:
        weights["conv1.weight"] = stem.sum(1, keepdim=True)
    own = network.state_dict()
    for name in ("fc.weight", "fc.bias"):
        if name in weights and weights[name].shape != own[name].shape:
            del weights[name]
    optional = {"fc.weight", "fc.bias", "mean", "deviation"}
    missing = sorted(set(own) - set(weights) - optional)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    unknown = sorted(set(weights) - set(own))
    wrong = [n for n in sorted(set(own) & set(weights)) if own[n].shape != weights[n].shape]
    if missing or unknown or wrong:
        example = (
            f"'{missing[0]}' is missing" if missing
            else f"'{unknown[0]}' is unknown" if unknown
            else f"'{wrong[0]}' is {tuple(weights[wrong[0]].shape)}, expected {tuple(own[wrong[0]].shape)}"
        )  # fmt: skip
        raise DataError(f"weights '{path}' are another architecture's: {example}; choose --network to match")
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise DataError(f"weights '{path}': '{name}' holds values that are no finite numbers")
    network.load_state_dict(weights, strict=False)


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise NoInputError(f"there is no weight file '{path}'")
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise DataError(f"weights '{path}' are not safetensors: {error}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of plain pickles; they are refused below anyway
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RefusedError(
            f"weights '{path}' hold something else than tensors, maybe code, and were not loaded; save them "
            "with safetensors"
        ) from error
    except (RuntimeError, EOFError, ValueError, LookupError, AssertionError, OSError) as error:
        raise DataError(f"weights '{path}' cannot be read: {error}") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise DataError(f"weights '{path}' are no table of tensors (a state dict)")
    return weights
