"""Which bundle the service runs: the configured one, or the last that passed its self-test."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from edge.contract.bundle import Bundle, copy_bundle, open_bundle
from edge.contract.passport import Running, read_passport_id
from edge.contract.qualification import shown_precision
from edge.contract.signing import load_trust
from edge.engines.worker import EngineWorker
from edge.errors import CannotCreateError, DataError, InternalError, NoInputError, RefusedError
from edge.exam.baseline import Baseline, read_baseline
from edge.exam.spread import read_spread
from edge.service.audited import audited
from edge.settings import ModelSettings

logger = logging.getLogger(__name__)

Start = Callable[[Bundle], EngineWorker]
Tell = Callable[[str], object]


def ready_model(settings: ModelSettings, path: Path, start: Start, tell: Tell) -> tuple[Bundle, EngineWorker]:
    """The bundle, verified, and a worker whose engine has passed its golden frames.

    A bundle that passes is copied to `settings.last_good`. One that is refused or damaged, that fails its
    self-test or the clinical gate, or that lacks what the settings ask for, is replaced by that copy, which
    must hold to the same trust store; the audit log says why.

    Args:
        settings: where to look and whom to trust.
        path: of the configured bundle.
        start: begins to load the engine of a bundle.
        tell: is given what the audit log could not take.

    Raises:
        RefusedError, DataError, NoInputError, InternalError: of the configured bundle, where no good one is
            left.
    """
    try:
        found = _ready(settings, path, start)
    except (RefusedError, DataError, NoInputError, InternalError) as error:
        audited(settings.audit, "refused", str(error), tell)
        good = settings.last_good
        if good is None or not good.is_dir():
            raise
        logger.error("%s", error)
        found = _ready(settings, good, start)
        logger.warning("running the last good bundle, %s", found[0].id)
        audited(settings.audit, "restored", f"bundle {found[0].id} from {good}", tell)
        return found
    audited(settings.audit, "running", _described(found[0]), tell)
    if settings.last_good is not None:
        _keep(settings, found[0], settings.last_good, tell)
    return found


def baseline_of(settings: ModelSettings, bundle: Bundle) -> Baseline | None:
    """What drift is watched against, if a file is set.

    Raises:
        NoInputError, DataError: of the file. Of a bundle that was refused it is no reason not to run the last
            good one, and that is only said.
    """
    try:
        return None if settings.baseline is None else read_baseline(settings.baseline, bundle.id)
    except DataError as error:
        if bundle.path == settings.bundle:
            raise
        logger.warning("drift is not watched: %s", error)
        return None


def passport_of(settings: ModelSettings, bundle: Bundle, running: Callable[[], Running]) -> str | None:
    """Id of the passport, if a file is set; a last good bundle runs also without its own.

    Args:
        settings: with the file.
        bundle: that runs.
        running: says what runs and on what machine; asked only where there is a passport to hold to it.

    Raises:
        NoInputError, DataError: of the file.
    """
    try:
        return None if settings.passport is None else read_passport_id(settings.passport, running())
    except DataError as error:
        if bundle.path == settings.bundle:
            raise
        logger.warning("no passport is shown: %s", error)
        return None


def _ready(settings: ModelSettings, path: Path, start: Start) -> tuple[Bundle, EngineWorker]:
    bundle = open_bundle(path, None if settings.trust is None else load_trust(settings.trust))
    bundle.model(settings.precision)
    # What the daemon reads of it, also for the panel: found unsound only there it would be the last good one.
    shown_precision(bundle, settings.precision)
    read_spread(bundle)
    bundle.spec.point(settings.operating_point)
    worker = start(bundle)
    try:
        worker.wait_ready()
    except BaseException:
        worker.close()
        raise
    return bundle, worker


def _keep(settings: ModelSettings, bundle: Bundle, good: Path, tell: Tell) -> None:
    """A copy for the day that the next one fails; a disk without room for it is no reason not to run."""
    try:
        copy_bundle(bundle, good)
    except CannotCreateError as error:
        logger.warning("no copy of the good bundle: %s", error)
        audited(settings.audit, "not kept", str(error), tell)


def _described(bundle: Bundle) -> str:
    signed = (
        f"signed with {bundle.signed.key}, version {bundle.signed.version}"
        if bundle.signed
        else "no key asked"
    )
    return f"bundle {bundle.id}, {signed}"
