"""Run a black box's recording again: prepare, network and evidence, compared bit by bit.

A tensor that a GPU made is allowed one grey level, as its kernel is, which adds up in another order.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.blackbox.box import packed
from edge.blackbox.recording import Entry, Recording, Sums, read_recording
from edge.contract.bundle import open_bundle
from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.engines.base import Engine, EngineError
from edge.errors import DataError
from edge.exam import evidence
from edge.exam.evidence import Evidence, RiskEstimate, shot_of


@dataclass(slots=True)
class Compared:
    """Of one step: how many were run again, how many came out the same, and where they first did not.

    `near` of the same ones were made by a GPU and differ by one grey level.
    """

    run: int = 0
    same: int = 0
    near: int = 0
    first: int | None = None
    largest: float = 0.0

    def add(self, sequence: int, same: bool, difference: float = 0.0, *, near: bool = False) -> None:
        """One more."""
        self.run += 1
        self.same += same
        self.near += near
        self.largest = max(self.largest, difference)
        if not same and self.first is None:
            self.first = sequence


def main(args: argparse.Namespace) -> int:
    """Replay; 0 if every step came out bit by bit, or within one grey level where a GPU made the tensor."""
    from edge.engines.choose import open_engine

    recording = read_recording(args.file)
    if not recording.entries:
        raise DataError(
            f"'{args.file}' holds no picture: nothing was analysed until it was written ({recording.reason})"
        )
    bundle = open_bundle(args.bundle)
    subject = recording.subject
    if bundle.id != subject.bundle:
        raise DataError(f"'{args.file}' is of bundle {subject.bundle}, '{args.bundle}' is {bundle.id}")
    size = bundle.spec.preprocessing
    if (recording.width, recording.height) != (size.width, size.height):
        raise DataError(f"'{args.file}' holds tensors of {recording.width}x{recording.height} pixels")
    engine = open_engine(bundle, subject.precision.split()[0], threads=1)
    try:
        steps = replay(recording, engine)
    finally:
        engine.close()
    point = bundle.spec.point(args.operating_point)
    figures = _figures(args.file, recording, steps, point)
    print(json.dumps(figures) if args.json else _text(figures, recording, steps, point))
    return 0 if all(step.same == step.run for step in steps.values()) else 1


def replay(recording: Recording, engine: Engine) -> dict[str, Compared]:
    """Run every entry again."""
    steps = {name: Compared() for name in ("prepare", "network", "evidence")}
    for entry in recording.entries:
        tensor = np.frombuffer(entry.tensor, np.uint8).reshape(1, 1, recording.height, recording.width)
        if entry.luma is not None and not (entry.on_device and entry.risk is None):
            again = prepare(*_frame_of(entry), recording.width, recording.height)
            levels = int(np.abs(again.astype(np.int16) - tensor).max())
            near = entry.on_device and levels == 1
            steps["prepare"].add(entry.sequence, levels == 0 or near, levels, near=near)
        if entry.risk is not None:
            try:
                risk = engine.infer(tensor).risk
            except EngineError:
                steps["network"].add(entry.sequence, False)
            else:
                steps["network"].add(entry.sequence, risk == entry.risk, abs(risk - entry.risk))
        if entry.risk is not None and entry.before is not None and entry.after is not None:
            sums = Evidence(_unpacked(entry.before))
            sums.add(entry.risk, entry.sequence, entry.captured_ns, shot_of(tensor, entry.quality))
            steps["evidence"].add(entry.sequence, packed(sums.sums) == entry.after)
    return steps


def in_force(recording: Recording, entry: Entry) -> OperatingPoint:
    """The operating point when the network was asked about this picture."""
    if entry.threshold is None:
        return OperatingPoint(name=recording.subject.point, threshold=recording.subject.threshold)
    return OperatingPoint(name=entry.point, threshold=entry.threshold)


def _frame_of(entry: Entry) -> tuple[Frame, Roi]:
    """The kept region as a frame of its own; `prepare` reads no more than that of the picture."""
    assert entry.luma is not None
    _, _, width, height = entry.region
    luma = np.frombuffer(entry.luma, np.uint8).reshape(height, width)
    frame = Frame(
        (luma,), PixelFormat.GRAY8, entry.sequence, entry.captured_ns, entry.full_range, Matrix.BT601
    )
    return frame, frame.bounds


def _unpacked(sums: Sums) -> evidence.Sums:
    key = None if sums.key is None else np.frombuffer(sums.key, np.float32).reshape(evidence.THUMB, -1)
    return evidence.Sums(
        sums.n, sums.weight, sums.total, sums.squares, sums.looks, sums.part, sums.newest, key
    )


def _figures(
    path: Path, recording: Recording, steps: dict[str, Compared], point: OperatingPoint
) -> dict[str, object]:
    shown = [(e, Evidence(_unpacked(e.after)).estimate(e.captured_ns)) for e in recording.entries if e.after]
    risks = [
        (estimate.risk, in_force(recording, entry).threshold)
        for entry, estimate in shown
        if isinstance(estimate, RiskEstimate)
    ]
    return {
        "file": str(path),
        "identical": all(step.same - step.near == step.run for step in steps.values()),
        "entries": len(recording.entries),
        "steps": {
            name: {
                "run": s.run,
                "same": s.same,
                "within_one_level": s.near,
                "first_difference": s.first,
                "largest": s.largest,
            }
            for name, s in steps.items()
        },
        "above_recorded": sum(risk >= threshold for risk, threshold in risks),
        "above_chosen": sum(risk >= point.threshold for risk, _ in risks),
        "estimates": len(risks),
    }


def _text(
    figures: dict[str, object], recording: Recording, steps: dict[str, Compared], point: OperatingPoint
) -> str:
    subject = recording.subject
    lines = [
        f"{len(recording.entries)} risks, {recording.created}, {recording.reason}; "
        f"{subject.model} {subject.precision} on {subject.engine}"
    ]
    for name, step in steps.items():
        told = "as recorded" if step.near else "identical"
        if step.same < step.run:
            told = f"DIFFERS first at picture {step.first}"
        if step.near:
            told += f", {step.near} made by the GPU within one grey level"
        by = f", by {step.largest:.2g} at most" if step.largest else ""
        lines.append(f"{name:9} {step.same} of {step.run} {told}{by}")
    points = dict.fromkeys(in_force(recording, entry) for entry in recording.entries)
    named = ", then ".join(f"{one.name} ({one.threshold:g})" for one in points)
    above = f"above the threshold: {figures['above_recorded']} of {figures['estimates']} at {named}"
    if [one.name for one in points] != [point.name]:
        above += f", {figures['above_chosen']} at {point.name} ({point.threshold:g})"
    return "\n".join([*lines, above])
