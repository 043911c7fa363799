"""Compile a bundle's graph with TensorRT for the GPU of this machine, and prove the result.

A plan fits one GPU, one TensorRT and one driver: build on the cart or on its twin. The golden frames run
through the new engine before it enters the bundle, and what really runs in which precision is printed. Ctrl-C
gives up at the next step and leaves the bundle as it was. An engine that enters it drops its signature: sign
again. An engine for an accelerator (--dla) stands beside the GPU's and runs where there is none for the GPU.

Examples:
  sonocart build runs/bundle --precision int8
  sonocart build runs/bundle --precision int8+fp16 --optimization-level 5 --timing-cache orin.cache
  sonocart build runs/bundle --precision fp16 --dla 0 --json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.contract.spec import PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="with a graph of the precision")
    parser.add_argument("--precision", choices=PRECISIONS, default="int8", help="default: %(default)s")
    parser.add_argument(
        "--workspace", type=int, default=1024, metavar="MIB", help="device memory for trials (default 1024)"
    )
    parser.add_argument(
        "--optimization-level",
        type=int,
        choices=range(6),
        default=3,
        help="higher tries more kernels and takes longer (default 3)",
    )
    parser.add_argument("--dla", type=int, metavar="N", help="use this deep learning accelerator core")
    parser.add_argument(
        "--timing-cache", type=Path, metavar="FILE", help="read and update: the next build is much quicker"
    )
    parser.add_argument("--json", action="store_true", help="print the engine's sidecar as JSON")
