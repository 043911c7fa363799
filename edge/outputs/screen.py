"""The full-screen output: the picture as the loop presents it, shown by a process of its own.

A display server that dies takes its clients with it, and SDL wants a main thread; so SDL lives in
`edge.outputs.screen_process`. Only the newest picture goes there, through shared memory, when the process has
taken the one before. Where there is no display, that is said once and tried again; everything else goes on.
"""

from __future__ import annotations

import logging
import mmap
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import IO

import msgspec
import numpy as np

from edge.contract.frame import Frame, Matrix
from edge.contract.roi import Roi
from edge.errors import SonocartError, UnavailableError
from edge.exam.desk import GRADES, Choices, Desk
from edge.exam.evidence import NoEstimate
from edge.exam.reading import Reading
from edge.mailbox import Mailbox
from edge.outputs.planes import as_jfif
from edge.outputs.screen_message import LARGEST, Note, Picture, Said
from edge.urgency import PICTURE, urgent

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 5.0
_OPEN_S = 20.0  # a process may need so long to open a display
_WORD_S = 2.0  # what a key has done stands so long over the picture
_TAKE_S = 2.0  # a process that has not taken a picture after this long has hung


class Screen:
    """An output of the loop; it copies and waits in threads of its own."""

    def __init__(self, desk: Desk, stop: Callable[[], None]):
        """Start it.

        Args:
            desk: told what keys and touch ask for.
            stop: ends the run.

        Raises:
            UnavailableError: PySDL2 is not installed.
        """
        if find_spec("sdl2") is None:
            raise UnavailableError("--screen needs PySDL2. Run: pip install 'sonocart[screen]'")
        self.problem: str | None = None
        self.shown = 0
        self._desk, self._stop = desk, stop
        self._bounds = Roi(0, 0, 1, 1)
        self._word, self._word_s = "", 0.0  # what a key has done, and time.monotonic of that
        self._news: Mailbox[tuple[Frame, Choices] | Note] = Mailbox()
        self._taken = threading.Event()
        self._closed = threading.Event()
        self._memory = os.memfd_create("sonocart-screen")
        os.ftruncate(self._memory, LARGEST)  # pages that no picture needs take no memory
        self._slot = np.frombuffer(mmap.mmap(self._memory, LARGEST), np.uint8)
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def present(self, frame: Frame, reading: Reading) -> None:
        """Show `frame`, which nobody may write to any more; a newer one replaces it if it is late."""
        self._bounds = frame.bounds
        self._news.put((frame, reading.choices))

    def note(self, reading: Reading) -> None:
        """No picture comes: the card says why."""
        estimate, state = reading.estimate, reading.state.value
        why = estimate.reason if isinstance(estimate, NoEstimate) else state
        choices = reading.choices
        self._news.put(
            Note(
                why.removeprefix("no signal: "),
                choices.case,
                concealed=choices.concealed is not None,
                word=self._said(),
            )
        )

    def close(self) -> None:
        """End the process."""
        self._closed.set()
        self._news.close()
        process = self._process
        if process is not None:
            process.terminate()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._show()
            except OSError as error:
                self._tell(f"the screen is off: {error.strerror}")
            self._closed.wait(_TRY_AGAIN_S)

    def _show(self) -> None:
        """Start the process and feed it until either ends."""
        process = self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "edge.outputs.screen_process", f"{self._memory}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._memory,),
        )
        assert process.stdin is not None
        gone = threading.Event()
        listener = threading.Thread(
            target=self._listen, args=(process, gone), name="screen-keys", daemon=True
        )
        listener.start()
        try:
            with urgent(PICTURE):
                self._feed(process, process.stdin, gone)
        except BrokenPipeError:
            pass  # its own last words say why
        finally:
            code = process.poll()
            process.kill()
            process.wait()
            listener.join(timeout=2.0)
            with suppress(BrokenPipeError):  # what it has not read is not missed
                process.stdin.close()
            if code and self.problem is None and not self._closed.is_set():
                self._tell(f"the screen is off: its process has ended with code {code}")

    def _feed(self, process: subprocess.Popen[bytes], pipe: IO[bytes], gone: threading.Event) -> None:
        """Hand over what is newest, one after the other, until the process takes no more."""
        patience_s = _OPEN_S
        while not self._closed.is_set() and process.poll() is None:
            news = self._news.take(0.2)
            if news is None:
                continue
            self._taken.clear()
            if gone.is_set():  # nobody will take it; its end of the pipe may close last of all
                return
            message = news if isinstance(news, Note) else self._placed(*news)
            pipe.write(msgspec.json.encode(message) + b"\n")
            pipe.flush()
            if not self._taken.wait(patience_s) and process.poll() is None:
                self._tell(f"the screen is off: it has taken nothing for {patience_s:.0f} s")
                return
            patience_s = _TAKE_S

    def _placed(self, frame: Frame, choices: Choices) -> Picture:
        """Copy the picture into the shared memory, as it is wherever SDL knows its colours."""
        planes, layout, full, matrix = frame.planes, frame.format.value, frame.full_range, frame.matrix
        if layout in ("I420", "NV12", "YUYV", "GRAY8") and full and matrix is Matrix.BT709:
            planes, layout, matrix = as_jfif(frame), "I420", Matrix.BT601  # SDL has no full-range BT.709
        elif layout in ("BGR24", "RGB24"):
            matrix = Matrix.BT601  # RGB has none, and SDL wants to know one
        begin = 0
        for plane in planes:
            np.copyto(self._slot[begin : begin + plane.size].reshape(plane.shape), plane)
            begin += plane.size
        height, width = planes[0].shape[:2]
        concealed = choices.concealed is not None
        return Picture(
            width, height, layout, full, matrix.value, choices.case, concealed=concealed, word=self._said()
        )

    def _said(self) -> str:
        """What a key has done a moment ago."""
        return self._word if time.monotonic() - self._word_s < _WORD_S else ""

    def _listen(self, process: subprocess.Popen[bytes], gone: threading.Event) -> None:
        """What the process says, until it ends, which sets `gone`."""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                try:
                    said = msgspec.json.decode(line, type=Said)
                except msgspec.DecodeError:
                    logger.warning("the screen's driver says: %s", line.decode(errors="replace").strip())
                    continue
                if said.kind == "taken":
                    self._taken.set()
                elif said.kind == "shown":
                    self.problem, self.shown = None, self.shown + 1
                elif said.kind == "failed":
                    self._tell(f"the screen is off: {said.text}")
                else:
                    self._act(said.text)
        gone.set()
        self._taken.set()  # nobody will

    def _act(self, key: str) -> None:
        """Do what a key asks for; a touch is the key h."""
        choices = self._desk.choices
        order: dict[str, object]
        if key == "q":
            self._stop()
            return
        if key == "o":
            names = [point.name for point in self._desk.points]
            order = {"point": names[(names.index(choices.point.name) + 1) % len(names)]}
        elif key == "r":
            order = {"recording": not choices.recording}
        elif key == "m":
            order = {"mark": time.strftime("%H:%M:%S")}
        elif key in "12345":
            order = {"grade": GRADES[int(key) - 1]}
        else:
            order = {"hidden": not choices.hidden}
        word = ""
        try:
            self._desk.follow(msgspec.json.encode(order), self._bounds)
            if key == "m":
                keeping = self._desk.keeping
                where = f"and {keeping.text}" if keeping.recording else "alone; nothing is being recorded"
                word = f"mark kept in the log {where}"
            elif key == "r":
                word = "recording begins" if order["recording"] else "recording ends"
        except SonocartError as error:
            logger.warning("key %s: %s", key, error)
            word = str(error)
        if word:
            self._word, self._word_s = word, time.monotonic()

    def _tell(self, problem: str) -> None:
        """Once, however often it is tried."""
        if problem != self.problem:
            logger.warning("%s; trying again every %.0f s", problem, _TRY_AGAIN_S)
        self.problem = problem
