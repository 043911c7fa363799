"""What tells one network from another. Needs no torch: the command line is checked with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """What tells one network from another.

    Attributes:
        size: side of the square input tensor, pixels.
        shrink: the network sees the tensor smaller by this; the measures see all of it.
        widths: channels of the four stages.
        blocks: residual blocks in each stage.
        stem: kernel of the first convolution; it has stride 2.
        pooled: max pooling follows the first convolution.
        strides: of the four stages.
        dropout: on the pooled features, while training.
        feature_images: the network sees `FeatureImages` instead of the picture alone.
        measures: a kernel machine over `Measures` stands beside the network.
    """

    size: int
    shrink: int
    widths: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    stem: int
    pooled: bool
    strides: tuple[int, int, int, int]
    dropout: float
    feature_images: bool
    measures: bool


NETWORKS = {
    # For a few hundred images and no weights. The last stage keeps its resolution: an 8x8 heat map.
    "compact": Architecture(128, 1, (24, 48, 96, 192), (1,) * 4, 5, True, (1, 2, 2, 1), 0.2, False, False),
    # The same with the paper's feature images, and measured features of a finer picture fused in the graph.
    "fused": Architecture(256, 2, (24, 48, 96, 192), (1,) * 4, 5, True, (1, 2, 2, 1), 0.2, True, True),
    # That without feature images, for the ablation.
    "measured": Architecture(256, 2, (24, 48, 96, 192), (1,) * 4, 5, True, (1, 2, 2, 1), 0.2, False, True),
    # Fused, but the network sees half as much: trains three times as fast.
    "light": Architecture(256, 4, (24, 48, 80, 112), (1,) * 4, 5, False, (2, 2, 1, 1), 0.2, True, True),
    "resnet18": Architecture(224, 1, (64, 128, 256, 512), (2,) * 4, 7, True, (1, 2, 2, 2), 0.2, False, False),
}
