"""A cine as an H.264 file, as a capture card would record it, with the truth of every frame beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from edge.atomic import new_file
from edge.contract.roi import Roi
from edge.errors import UnavailableError
from edge.phantom.bmode import Luma
from edge.phantom.cine import Cine, CineOptions

# Full range to limited range, which is what capture cards and players expect of H.264 (ITU-R BT.709, 3.5).
_TO_LIMITED = np.rint(16 + np.arange(256) * (219 / 255)).astype(np.uint8)


def write_clip(
    path: Path,
    cine: Cine,
    options: CineOptions,
    *,
    frames: int,
    fps: int,
    counter: bool,
    progress: Callable[[int], None],
) -> Path:
    """Write `path` as MP4 (H.264, 4:2:0, limited range) and `path.json` with the truth. Returns the latter.

    Raises:
        CannotCreateError: the files cannot be written.
        UnavailableError: this build of PyAV has neither libx264 nor an MPEG-4 encoder.
    """
    with new_file(path) as partial:
        _encode(partial, cine, frames, fps, counter, progress)
    side = path.with_name(path.name + ".json")
    with new_file(side) as partial:
        partial.write_text(json.dumps(truth_of(cine, options, frames, fps, counter), indent=1) + "\n")
    return side


def truth_of(cine: Cine, options: CineOptions, frames: int, fps: int, counter: bool) -> dict[str, object]:
    """What a perfect observer would say of every frame: lesion box in pixels or null, label, scale, field."""
    return {
        "options": asdict(options),
        "label": cine.patient.label,
        "pathology": cine.patient.pathology,
        "fps": fps,
        "counter": counter,
        "field": _box(cine.field),
        "px_per_mm": round(cine.px_per_mm, 4),
        "frames": [
            {"sequence": index, "slice": shown, "lesion": _box(cine.lesions[shown])}
            for index, shown in enumerate(map(cine.slice_at, range(frames)))
        ],
    }


def _encode(
    path: Path, cine: Cine, frames: int, fps: int, counter: bool, progress: Callable[[int], None]
) -> None:
    import av

    codec = next((name for name in ("libx264", "mpeg4") if name in av.codecs_available), None)
    if codec is None:
        raise UnavailableError(
            "PyAV here has neither libx264 nor mpeg4; install a wheel of av from the package index"
        )
    height, width = cine.screen.shape
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(codec, rate=fps, options=_codec_options(codec))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for index in range(frames):
            picture = av.VideoFrame(width, height, "yuv420p")
            _fill(picture, cine.frame(index, counter=counter))
            picture.pts = index
            picture.color_range = 1  # limited
            container.mux(stream.encode(picture))
            progress(index + 1)
        container.mux(stream.encode())


def _codec_options(codec: str) -> dict[str, str]:
    return {"preset": "superfast", "crf": "20"} if codec == "libx264" else {"q": "4"}


def _fill(picture: object, luma: Luma) -> None:
    """Write the luma in limited range and neutral chroma into the frame's planes."""
    planes = picture.planes  # type: ignore[attr-defined]
    limited = cv2.LUT(luma, _TO_LIMITED)
    for plane, values in zip(planes, (limited, None, None), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[: plane.height, : plane.width] = 128 if values is None else values


def _box(roi: Roi | None) -> list[int] | None:
    return None if roi is None else [roi.x, roi.y, roi.width, roi.height]
