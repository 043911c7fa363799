"""From the settings to what keeps pictures: the recorders."""

from __future__ import annotations

import logging

from edge.exam.desk import Desk
from edge.exam.reading import Identity
from edge.outputs.recorder import Habits, Recorder
from edge.outputs.recordings import Recordings
from edge.outputs.segment import OneFile, Shelf
from edge.settings import Settings
from edge.sources.base import Pace
from edge.timing import Timing

logger = logging.getLogger(__name__)


def recordings_of(settings: Settings) -> Recordings | None:
    """The folder of recordings, if there is to be one."""
    kept = settings.recording
    return None if kept.folder is None else Recordings(kept.folder, int(kept.cap_gb * 1e9))


def start_recorders(
    settings: Settings, identity: Identity, rate: float, timing: Timing, desk: Desk
) -> list[Recorder]:
    """One for the file that was named, one for the folder of recordings; `rate` is the source's."""
    kept, wait = settings.recording, settings.source.pace is Pace.MAX
    if kept.raw and (kept.video or kept.folder):
        logger.warning("recordings keep the whole picture, patient text included: --record-raw")
    recorders = []
    if kept.video is not None:
        habits = Habits(rate, raw=kept.raw, wait=wait)
        recorders.append(
            Recorder(OneFile(kept.video), identity, habits, timing, None if kept.folder else desk)
        )
    recordings = recordings_of(settings)
    if recordings is not None:
        habits = Habits(rate, kept.before_s, kept.raw, wait, on_request=not kept.always)
        recorders.append(Recorder(Shelf(recordings), identity, habits, timing, desk))
    return recorders
