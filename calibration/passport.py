"""Write the passport of a bundle on this machine: what an engineer files when an engine is qualified."""

from __future__ import annotations

import argparse

import msgspec

from calibration.latency import measure
from calibration.passport_page import passport_page
from calibration.report import CalibrationReport, read_report
from calibration.track import progress_bars
from edge.atomic import new_folder, require_new_folder
from edge.bench.conditions import Conditions
from edge.bench.environment import Environment
from edge.bench.result import Result, Summary
from edge.bench.rule import Rule
from edge.contract.bundle import Bundle, open_bundle
from edge.contract.signing import claimed_signature, load_trust, signature_words
from edge.contract.spec import ModelSpec
from edge.engines.tensorrt_key import Sidecar, read_sidecar
from edge.errors import UsageError

SCHEMA = 1
_SECONDS_PER_QUERY = 0.01


class Passport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was qualified, by what figures, on what machine.

    Attributes:
        created: ISO 8601, UTC.
        sonocart: version of the kit.
        bundle: its id, the first digits of the manifest's hash.
        signed_by: fingerprint of the trusted key; null where no trust store was asked.
        version: of the bundle as signed.
        spec: the contract.
        files: SHA-256 of every file.
        precisions: gate and agreement of each precision but FP32.
        engines: of any machine; the one that was measured is named in `measured`.
        measured: engine by precision, in words.
        latency: by precision, milliseconds, interleaved single stream.
        conditions: of the machine while it was measured.
        environment: the machine, its clocks and its power mode.
    """

    schema: int
    created: str
    sonocart: str
    bundle: str
    signed_by: str | None
    version: int | None
    spec: ModelSpec
    files: dict[str, str]
    precisions: dict[str, CalibrationReport]
    engines: list[Sidecar]
    measured: dict[str, str]
    latency: dict[str, Summary]
    conditions: Conditions
    environment: Environment


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    if args.queries < 1:
        raise UsageError(f"--queries is {args.queries}, expected 1 or more")
    require_new_folder(args.out)
    bundle = open_bundle(args.bundle, None if args.trust is None else load_trust(args.trust))
    rule = Rule(min_queries=args.queries, min_seconds=args.queries * _SECONDS_PER_QUERY)
    with progress_bars() as track:
        passport = issue(bundle, measure(bundle, bundle.precisions(), rule, track))
    signature = signature_words(bundle.signed, claimed_signature(args.bundle))
    data = msgspec.json.format(msgspec.json.encode(passport), indent=2) + b"\n"
    with new_folder(args.out, replace=False) as folder:
        (folder / "passport.json").write_bytes(data)
        (folder / "passport.html").write_text(passport_page(passport, signature))
    print(data.decode() if args.json else f"passport of bundle {bundle.id}: {args.out / 'passport.html'}")
    return 0


def issue(bundle: Bundle, latency: Result) -> Passport:
    """The passport of `bundle` with latencies that were just measured here."""
    precisions = bundle.precisions()
    reports = {precision: read_report(bundle, precision) for precision in precisions}
    sidecars = [name for name in bundle.names("engines") if name.endswith(".json")]
    return Passport(
        schema=SCHEMA,
        created=latency.created,
        sonocart=latency.sonocart,
        bundle=bundle.id,
        signed_by=bundle.signed.key if bundle.signed else None,
        version=bundle.signed.version if bundle.signed else None,
        spec=bundle.spec,
        files={name: entry.sha256 for name, entry in bundle.manifest.files.items()},
        precisions={precision: report for precision, report in reports.items() if report is not None},
        engines=[read_sidecar(bundle, name) for name in sidecars],
        measured={precision: latency.subject[f"engine {precision}"] for precision in precisions},
        latency=latency.summary,
        conditions=latency.conditions,
        environment=latency.environment,
    )
