"""What the demo shows for itself: `report.html`, from the files that its steps left."""

from __future__ import annotations

import base64
import csv
import itertools
import json
from collections import Counter, deque
from html import escape
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from edge.bench.chart import Chart, ticks
from edge.errors import DataError
from edge.html import table, write_page
from edge.outputs.words import without_times

REPORT = "report.html"
PICTURE = 60  # of the recording's frames, when evidence has gathered
FIGURES = ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv")


def write_report(out: Path) -> Path:
    """Write the page of the demo in folder `out`; what has not been made yet is left out."""
    evaluation, agreement = _json(out / "evaluation.json"), _json(out / "agreement.json")
    sections = [
        "<h1>sonocart demo</h1>",
        "<p class=note>Everything here is synthetic: no patient is behind the pictures, and the figures say "
        "nothing about any patient. Research use only.</p>",
        _judgement(evaluation, _json(out / "study" / "study.json")),
        _training(out / "run" / "log.csv"),
        _agreement(agreement),
    ]
    if (out / "session.json").exists():
        sections += [_session(out / "session.jsonl"), _stages(_json(out / "session.json"))]
        sections.append(_picture(out / "overlay.mp4"))
    write_page(out / REPORT, "sonocart demo", sections)
    return out / REPORT


def _json(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def _judgement(evaluation: dict[str, Any], study: dict[str, Any]) -> str:
    number, point = evaluation["n"], evaluation["operating_point"]
    rows = [
        (name.upper() if name in ("auc", "ppv", "npv") else name, *_interval(evaluation[name]))
        for name in FIGURES
    ]
    return (
        f"<h2>How good it is</h2><p>{escape(evaluation['precision'].upper())} on {number['benign']} benign "
        f"and {number['malignant']} malignant images of {evaluation['patients']} patients that "
        "training never saw, "
        f"at the operating point &ldquo;{escape(point['name'])}&rdquo; (risk {point['threshold']:.3f}). "
        f"The best that anybody could reach is an AUC of {evaluation['ceiling']['auc']:.3f} on the lesions "
        f"of these {evaluation['patients']} patients, and of {study['ceiling_auc']:.3f} on all lesions that "
        "the phantom can draw. "
        "More in <a href=evaluation.html>the evaluation</a>.</p>"
        + table(("", "value", "95 % interval"), rows)
    )


def _interval(figure: dict[str, float | None]) -> tuple[str, str]:
    if figure["value"] is None:
        return "-", "-"
    return f"{figure['value']:.3f}", f"{figure['low']:.3f} to {figure['high']:.3f}"


def _training(log: Path) -> str:
    with log.open(encoding="utf-8", newline="") as file:
        epochs = list(csv.DictReader(file))
    number = np.arange(1.0, len(epochs) + 1)
    chart = Chart("Training", "epoch", "", (0, max(2, len(epochs))), (0, 1))
    names = (("train_loss", "training loss"), ("validation_loss", "validation loss"))
    for (column, name), colour in zip(
        (*names, ("validation_auc", "validation AUC")), ("#0072b2", "#d55e00", "#009e73"), strict=True
    ):
        chart.line(number, np.clip([float(row[column]) for row in epochs], 0, 1), colour, name)
    return f"<h2>How it was trained</h2>{chart.svg(ticks(0, len(epochs)), ticks(0, 1))}"


def _agreement(report: dict[str, Any]) -> str:
    told = report["agreement"]
    rows = [
        ("images compared", told["images"]),
        ("decisions flipped", told["flips"]),
        ("largest difference of risk", f"{told['max_difference']:.4f}"),
        ("mean difference of risk", f"{told['mean_difference']:.4f}"),
        ("clinical gate", report["gate"]["verdict"]),
        ("calibration images", report["calibration_images"]),
        ("method", report["method"]),
        ("ONNX file, INT8 to FP32", f"{report['bytes'] / report['fp32_bytes']:.2f}"),
    ]
    return f"<h2>What INT8 costs</h2>{table(('', ''), rows)}"


def _session(log: Path) -> str:
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    if not records:
        return "<h2>On air</h2><p>It ended before the first frame was presented.</p>"
    seconds = (np.array([r["captured_ns"] for r in records], float) - records[0]["captured_ns"]) / 1e9
    said = np.array([r["risk"] is not None for r in records])
    chart = Chart("Risk on air", "seconds", "risk", (0, max(1.0, float(seconds[-1]))), (0, 1))
    if said.any():
        risk, low, high = (
            np.array([r[name] for r in records if r["risk"] is not None], float)
            for name in ("risk", "low", "high")
        )
        chart.area(seconds[said], low, high, "#0072b2")
        chart.line(seconds[said], risk, "#0072b2", "risk with its interval")
    withheld = Counter(without_times(r["reason"]) for r in records if r["reason"] is not None)
    rows = [("frames presented", len(records)), ("with a risk", int(said.sum()))]
    rows += [(f"withheld: {reason}", count) for reason, count in withheld.most_common()]
    return f"<h2>On air</h2>{chart.svg(ticks(0, chart.x_range[1]), ticks(0, 1))}{table(('frames', ''), rows)}"


def _stages(session: dict[str, Any]) -> str:
    rows = [
        (
            name,
            stage["count"],
            *(
                "-" if stage[key] is None else f"{stage[key]:.2f}"
                for key in ("p50_ms", "p99_ms", "max_ms", "cpu_ms")
            ),
        )
        for name, stage in session["stages"].items()
    ]
    return (
        f"<h2>Where the time goes</h2><p>{escape(session['engine'])}; {session['captured']} frames captured, "
        f"{session['presented']} presented, {session['dropped']} dropped, {session['risks']} risks. "
        "Milliseconds; the CPU time is the stage's own thread's, on average.</p>"
        + table(("stage", "times", "p50", "p99", "max", "CPU"), rows)
    )


def _picture(recording: Path) -> str:
    """The frame two seconds into the recording, or its last."""
    if recording.stat().st_size == 0:
        return ""
    with av.open(str(recording)) as container:
        pictures = deque(itertools.islice(container.decode(video=0), PICTURE + 1), maxlen=1)
    if not pictures:
        return ""
    done, jpeg = cv2.imencode(".jpg", pictures[0].to_ndarray(format="bgr24"))
    if not done:
        raise DataError(f"no picture can be taken from '{recording}'")
    data = base64.b64encode(jpeg.tobytes()).decode()
    image = f'<img style="width:100%" alt="overlay" src="data:image/jpeg;base64,{data}">'
    return f"<h2>What it looks like</h2>{image}"
