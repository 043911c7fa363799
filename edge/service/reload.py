"""SIGHUP: reads the configuration again, changes what can change live and names what needs a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from edge.errors import SonocartError
from edge.service.config import build
from edge.service.fields import fields
from edge.service.notify import Notifier
from edge.settings import Settings

logger = logging.getLogger(__name__)


class Reload:
    """Holds the settings in force. Works in a thread of its own: the picture never waits for it."""

    def __init__(self, read: Callable[[], Settings], settings: Settings, notifier: Notifier | None = None):
        """Begin with `settings`; `read` reads the file again, with the command line's part in its place.

        `notifier` tells systemd that a reload is under way, and that it is over.
        """
        self.settings = settings
        self._notifier = notifier or Notifier(None)
        self._read = read
        self._changes: dict[str, Callable[[Settings], None]] = {}
        self._asked = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def on(self, path: str, change: Callable[[Settings], None]) -> None:
        """Let `section.key` change live.

        Args:
            path: of the setting.
            change: puts it in force; called in the reloading thread with the settings that are to be in
                force, and once also where several of the settings that it is for have changed. It raises
                SonocartError, and changes nothing, where the new value cannot be had.
        """
        self._changes[path] = change

    def start(self) -> None:
        """Listen to `ask`."""
        self._thread.start()

    def ask(self) -> None:
        """Reload soon; may be called from a signal handler."""
        self._asked.set()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def reload(self) -> bool:
        """Do it now, as a whole or not at all; False if the old settings stay."""
        old = self.settings
        done: list[Callable[[Settings], None]] = []
        try:
            new = self._read()
            changed = [f.path for f in fields() if _get(old, f.path) != _get(new, f.path)]
            # What waits for a restart is not in force: the next reload must name it again.
            live = {path: _get(new, path) for path in changed if path in self._changes}
            in_force = build({f.path: _get(old, f.path) for f in fields()} | live)
            for change in dict.fromkeys(self._changes[path] for path in live):
                done.append(change)
                change(in_force)
        except SonocartError as error:
            for change in done:
                with suppress(SonocartError):  # it was in force a moment ago
                    change(old)
            logger.error("the old configuration stays: %s", error)
            return False
        self.settings = in_force
        waiting = [path for path in changed if path not in self._changes]
        logger.info("configuration read again; changed: %s", ", ".join(live) or "nothing")
        if waiting:
            logger.warning("restart needed for %s: systemctl restart sonocart", ", ".join(waiting))
        return True

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._closed:
                return
            self._notifier.reloading()
            try:
                good = self.reload()
            except (
                Exception
            ):  # the top of a thread: systemd waits for an end, and the next reload for the thread
                logger.exception("the configuration cannot be read again")
                good = False
            self._notifier.ready("configuration read again" if good else "the old configuration stays")


def _get(settings: Settings, path: str) -> object:
    section, _, key = path.partition(".")
    return getattr(getattr(settings, section), key)
