"""From FP32 to a lower precision, with everything that must hold before a bundle carries it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from calibration.agreement import Agreement, compare, run_frames
from calibration.audit import require_clean
from calibration.frames import MAX_FRAMES, CalibrationSet, calibration_set, thin
from calibration.gate import Gate, fit_temperature, judge, stricter
from calibration.graph import Graph, finish, parse
from calibration.half import halve
from calibration.int8 import Choice, Int8, quantise
from calibration.layers import choose_layers
from calibration.remainder import share_time, weigh
from calibration.report import CalibrationReport, encode_report, gate_lines
from calibration.request import Keep, Request
from calibration.track import Track
from edge.contract.bundle import Bundle, NewFile, amend_bundle, cpu_file, model_file
from edge.contract.qualification import Verdict, report_file
from edge.engines.golden import Outputs, golden_outputs, read_golden_tensors, require_equal, run_golden
from edge.engines.onnx import OnnxEngine, reference_engine
from edge.errors import InternalError
from edge.study.cases import Case, Study
from edge.study.images import image_hash
from edge.study.parts import held_out, pseudonym, read_members, used_in_making
from edge.study.tensors import load_tensors

_NAMED_LAYERS = 3  # of the ranking, in a refusal


def lower(bundle: Bundle, study: Study, request: Request, track: Track) -> CalibrationReport:
    """Add a precision to `bundle`: graphs, golden outputs and the report, in one swap.

    Args:
        bundle: with FP32; replaced on disk.
        study: that the model was made with.
        request: what to make.
        track: for progress bars.

    Raises:
        DataError: the study is not the model's own, or nothing in it is left to judge on.
        InternalError: a rule of the audit, a golden frame or the clinical gate does not hold. The bundle is
            as it was.
    """
    threads = len(os.sched_getaffinity(0))
    spec = bundle.spec
    making, unseen = used_in_making(bundle, study), held_out(bundle, study)
    source = bundle.model("fp32")
    frames: CalibrationSet | None = None
    int8: Int8 | None = None
    if request.precision == "fp16":
        engine_file = cpu = _half(source, _named(request.keep))
    else:
        cases = thin(making, MAX_FRAMES)
        frames = calibration_set(_tensors(bundle, cases, "frames", track))
        choice = Choice(
            methods=request.methods,
            keep=request.keep,
            min_sqnr_db=request.min_sqnr_db,
            rank_layers=request.rank_layers,
            half=request.precision.endswith("+fp16"),
        )
        int8 = quantise(parse(source), spec, frames, choice, threads, track)
        engine_file, cpu = int8.engine, int8.cpu
    judged = OnnxEngine(engine_file, spec, request.precision, threads=threads, optimise=False)
    # On a CPU another arrangement runs, with ranges of its own: it is held to the gate too.
    arranged = OnnxEngine(cpu, spec, request.precision, threads=threads, optimise=False) if int8 else None
    fused = OnnxEngine(cpu, spec, request.precision, threads=threads)
    outputs = _golden(bundle, judged, fused)

    agreement, agreement_cpu, gate = _judge(bundle, making, unseen, judged, arranged, fused, track)
    if gate.verdict is Verdict.FAILS:
        raise InternalError(
            f"{request.precision} is refused, the bundle was not changed; {_advice(int8)}\n"
            + "\n".join(gate_lines(gate))
        )
    layers = int8.layers if int8 else choose_layers(Graph(parse(source)), _named(request.keep))
    report = CalibrationReport(
        precision=request.precision,
        model_sha256=hashlib.sha256(engine_file).hexdigest(),
        fp32_sha256=bundle.sha256(model_file("fp32")),
        bytes=len(engine_file),
        bytes_by_type=weigh(parse(engine_file)),
        time_shares=share_time(parse(source), cpu, frames.tensors) if frames else {},
        fp32_bytes=len(source),
        calibration_sha256=frames.sha256 if frames else None,
        calibration_images=len(frames.tensors) if frames else 0,
        method=int8.method if int8 else None,
        trials_db=dict(int8.trials_db) if int8 else {},
        sqnr_db=int8.sqnr_db if int8 else None,
        min_sqnr_db=request.min_sqnr_db if int8 else None,
        lowered_layers=list(layers.quantised),
        kept_layers=dict(layers.kept),
        ranking_db=dict(int8.ranking_db) if int8 else {},
        offers=int8.offers if int8 else (),
        gate=gate,
        agreement=agreement,
        agreement_cpu=agreement_cpu,
    )
    name = model_file(request.precision)
    files = {
        name: NewFile(engine_file, model_file("fp32")),
        report_file(request.precision): NewFile(encode_report(report), name),
        **golden_outputs(request.precision, outputs),
    }
    if int8:
        files[cpu_file(request.precision)] = NewFile(cpu, name)
    amend_bundle(bundle, files)
    return report


def _advice(int8: Int8 | None) -> str:
    if int8 is None:
        return "use fp32"
    left = [name for name in int8.ranking_db if name in int8.layers.quantised]
    if not left:
        return "find its most sensitive layers with --rank-layers and leave them out with --keep"
    return f"keep its most sensitive layers: --keep {','.join(left[:_NAMED_LAYERS])}"


def _named(keep: Keep) -> tuple[str, ...]:
    assert isinstance(keep, tuple), "a ranking is INT8's"
    return keep


def _half(source: bytes, keep: Sequence[str]) -> bytes:
    model = parse(source)
    half = halve(model, keep)
    data = finish(half, model)
    require_clean(half)
    return data


def _golden(bundle: Bundle, judged: OnnxEngine, fused: OnnxEngine) -> Outputs:
    """Outputs for the golden frames, once this machine's own kernels have been held to them."""
    tensors = read_golden_tensors(bundle)
    outputs = run_golden(judged, tensors)
    require_equal(
        run_golden(fused, tensors),
        outputs,
        judged.precision,
        "between this machine's kernels and the graph's own meaning; the bundle was not changed",
    )
    return outputs


def _judge(
    bundle: Bundle,
    making: Sequence[Case],
    unseen: Sequence[Case],
    judged: OnnxEngine,
    arranged: OnnxEngine | None,
    fused: OnnxEngine,
    track: Track,
) -> tuple[Agreement, Agreement, Gate]:
    spec = bundle.spec
    members = {member.sha256: member for member in read_members(bundle)}
    salt = spec.provenance.study_sha256
    hashes = [image_hash(case.path) for case in unseen]
    names = [
        sha256 if case.patient is None else pseudonym(case.patient, salt)
        for case, sha256 in zip(unseen, hashes, strict=True)
    ]  # as the split's, also of a patient's new image
    groups = [
        members[sha256].group if sha256 in members else name
        for sha256, name in zip(hashes, names, strict=True)
    ]
    fitted = [case for case in making if members[image_hash(case.path)].part == "validation"]
    validation = _tensors(bundle, fitted, "validation frames", track)
    test = _tensors(bundle, unseen, "held-out frames", track)
    written = [judged] if arranged is None else [judged, arranged]
    frames = (1 + len(written)) * len(validation) + (2 + len(written)) * len(test)
    step = track("agreement", frames)
    plain = reference_engine(bundle, "fp32", threads=len(os.sched_getaffinity(0)))
    reference, kernels = (run_frames(engine, test, step) for engine in (plain, fused))
    lowered = [run_frames(engine, test, step) for engine in written]
    truth = _malignant(unseen)
    temperature_fp32, *temperatures = [
        fit_temperature(run_frames(engine, validation, step).risk, _malignant(fitted))
        for engine in (plain, *written)
    ]
    gates = [
        judge(
            reference.risk,
            outputs.risk,
            truth,
            groups,
            spec.operating_points,
            -spec.sensitivity_margin,
            (temperature, temperature_fp32),
        )
        for outputs, temperature in zip(lowered, temperatures, strict=True)
    ]
    return (
        compare(reference, lowered[0], truth, spec, "graph as written"),
        compare(reference, kernels, truth, spec, f"fused, {fused.name}"),
        reduce(stricter, gates),
    )


def _tensors(bundle: Bundle, cases: Sequence[Case], title: str, track: Track) -> NDArray[np.uint8]:
    step = track(title, len(cases))
    return load_tensors(cases, bundle.spec.preprocessing, lambda _: step())


def _malignant(cases: Sequence[Case]) -> NDArray[np.bool_]:
    return np.array([case.malignant for case in cases])
