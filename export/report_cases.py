"""The cases of a report: subgroups, and the most confident errors."""

from __future__ import annotations

import base64
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.html import table
from export.judged import Judged

ERRORS = 12  # pictures in the sheet


def subgroups(judged: Judged) -> str:
    """AUC, sensitivity and specificity by site, scanner and width of the lesion, as HTML."""
    widths = [
        case.lesion.width / case.px_per_mm if case.lesion and case.px_per_mm else None
        for case in judged.cases
    ]
    known = [width for width in widths if width is not None]
    middle = float(np.median(known)) if known else 0.0
    columns = {
        "site": [case.site for case in judged.cases],
        "scanner": [case.scanner for case in judged.cases],
        "width": [
            None if width is None else f"{'under' if width < middle else 'from'} {middle:.0f} mm"
            for width in widths
        ],
    }
    rows = []
    for name, values in columns.items():
        for value in sorted({value for value in values if value is not None}):
            chosen = np.flatnonzero([own == value for own in values])
            figures = judged.figures(chosen)
            rows.append(
                [name, value, len(chosen), figures["auc"], figures["sensitivity"], figures["specificity"]]
            )
    if not rows:
        return "<p>The study names no sites, scanners or sizes.</p>"
    return table(["", "", "n", "AUC", "sensitivity", "specificity"], rows)


def errors(judged: Judged) -> str:
    """The most confident errors as a sheet of pictures with heat maps, as HTML."""
    called = judged.risks >= judged.point.threshold
    wrong = np.flatnonzero(called != judged.truth)
    wrong = wrong[np.argsort(-np.abs(judged.risks[wrong] - judged.point.threshold), kind="stable")][:ERRORS]
    if len(wrong) == 0:
        return "<p>None.</p>"
    tiles = []
    for index in wrong:
        case = judged.cases[index]
        data = base64.b64encode(overlaid(judged.tensors[index, 0], judged.heatmaps[index])).decode()
        words = f"{case.label}{f' ({case.pathology})' * bool(case.pathology)}, risk {judged.risks[index]:.2f}"
        image = f'<img alt="" src="data:image/jpeg;base64,{data}">'
        tiles.append(f"<figure>{image}<figcaption>{escape(words)}</figcaption></figure>")
    title = (
        "<p>What the network saw, with its heat map where it spoke for malignancy. Each is named by its "
        f"pathology and was called the opposite: malignant from a risk of {judged.point.threshold:.3f}.</p>"
    )
    return f"{title}<div class=sheet>{''.join(tiles)}</div>"


def overlaid(tensor: NDArray[np.uint8], heatmap: NDArray[np.float32]) -> bytes:
    """JPEG of a tensor (H, W) with the heat map above one half in orange."""
    heat = cv2.resize(heatmap, tensor.shape[::-1], interpolation=cv2.INTER_LINEAR)
    weight = np.clip((heat - 0.5) * 1.2, 0, 0.6)[..., None]
    picture = tensor[..., None] * (1 - weight) + weight * np.array([20.0, 120.0, 255.0])
    return cv2.imencode(".jpg", picture.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
