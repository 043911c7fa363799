"""A source that is decoded in a process of its own, which may crash, hang or be killed.

Pictures come through shared memory without a name, which the kernel takes back whoever dies. They are decoded
into it and used where they lie: a slot is given back when nobody holds its frame any more. A process that has
been taken over could write to it all the same, but what a picture shows is its to say anyhow.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from math import prod
from multiprocessing.connection import Connection

import msgspec
import numpy as np

from edge import errors
from edge.contract.frame import Frame, PixelFormat, Plane
from edge.contract.roi import Roi
from edge.errors import DataError, SonocartError
from edge.sources.base import Condition, Outage, Pace, SourceEnded, SourceInfo
from edge.sources.messages import (
    MESSAGE_BYTES,
    SLOT_BYTES,
    SLOTS,
    Ended,
    Failed,
    Lost,
    Opened,
    Picture,
    Ready,
    Request,
    Said,
)
from edge.sources.slabs import UNHELD, Slabs
from edge.sources.stream import without_password

logger = logging.getLogger(__name__)

MEMORY_BYTES = 4 << 30
"""Of a decoder's address space. The largest H.264 picture with all its references takes half of it."""

START_S = 60.0  # for the interpreter, on a machine that is busy with something else
DELAYS_S = (0.5, 1.0, 1.5)  # between processes that fail in a row; each costs 0.3 s of CPU to start
LINE = 400
"""Characters of what a decoder says that are repeated."""

_LOOK_S = 0.1
_SPARE = 2  # slots that the process can always write to; beyond that frames are copied
_PLANES = {  # channels of each plane; one where there is no third dimension
    PixelFormat.GRAY8: (1,),
    PixelFormat.I420: (1, 1, 1),
    PixelFormat.NV12: (1, 2),
    PixelFormat.YUYV: (2,),
    PixelFormat.BGR24: (3,),
    PixelFormat.RGB24: (3,),
}


class CrashError(SonocartError):
    """The process is gone, does not answer, or says what makes no sense."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a source may take to open and between two pictures, and whether it is tried again for ever."""

    open_s: float
    silence_s: float
    endless: bool


FILE = Patience(open_s=20.0, silence_s=20.0, endless=False)
STREAM = Patience(open_s=3.5, silence_s=3.5, endless=True)


class IsolatedSource:
    """A `FrameSource`; `read` is called by one thread."""

    def __init__(
        self,
        source: str,
        *,
        pace: Pace,
        repeat: bool,
        patience: Patience,
        memory_bytes: int = MEMORY_BYTES,
    ):
        """Start the process and wait until it has opened the source, or found that it is not there.

        Args:
            source: a file's path or an address, as `edge.sources.decoder` takes it.
            pace: LIVE or MAX, see `Pace`.
            repeat: begin a file again at its end.
            patience: what is too long, and what follows from it.
            memory_bytes: what the process may have.

        Raises:
            SonocartError: the source cannot be opened. Of a stream that is no error, but said by `read`.
        """
        self._request = Request(os.fsencode(source), pace.value, repeat, 0, memory_bytes)
        self._patience = patience
        self._name = without_password(source)
        self._closed = threading.Event()
        self._slabs = Slabs()
        self._info = SourceInfo(self._name, 0, 0, 25.0)  # until the process says
        self._next = 0
        self._failures = 0
        self._resumed_at = -1
        self._outage = ""
        self._process = _Process(self._request)
        try:
            self._open()
        except CrashError as error:
            self._process.kill()
            if not patience.endless:
                raise DataError(str(error)) from error
        except SonocartError:
            self._process.kill()
            raise

    @property
    def info(self) -> SourceInfo:
        """As the process says."""
        return self._info

    @property
    def pid(self) -> int:
        """Of the process that decodes at present."""
        return self._process.pid

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        while not self._closed.is_set():
            frame = self._try()
            if frame is not None:
                return frame
        raise SourceEnded

    def close(self) -> None:
        """End a waiting `read` and the process."""
        self._closed.set()
        self._process.kill()

    def _try(self) -> Frame | None:
        try:
            if not self._process.running:
                self._restart()
            frame = self._receive()
        except SourceEnded:
            self._process.kill()
            raise
        except SonocartError as error:
            self._process.kill()
            self._recover(error)
            return None
        if frame is not None:
            self._failures, self._outage = 0, ""
        return frame

    def _open(self) -> None:
        message = self._hear(START_S)
        if isinstance(message, Ready):
            message = self._hear(self._patience.open_s)
        if not isinstance(message, Opened):
            raise self._problem(message)
        self._describe(message)

    def _describe(self, message: Opened) -> None:
        field = None if message.field is None else Roi(*message.field)
        self._info = SourceInfo(_line(message.name), message.width, message.height, message.rate, field)

    def _receive(self) -> Frame | None:
        self._process.begin()
        self._process.give_back()
        message = self._hear(self._patience.silence_s)
        if isinstance(message, Picture):
            frame = self._frame(message)
            self._next = message.sequence + 1
            return frame
        if isinstance(message, Opened):
            self._describe(message)
            return None
        if isinstance(message, Lost):
            self._say(_line(message.text))
            return None
        raise self._problem(message)

    def _problem(self, message: Said) -> Exception:
        if isinstance(message, Ended):
            self._closed.set()
            return SourceEnded()
        if isinstance(message, Failed):
            kind = getattr(errors, message.error, DataError)
            known = isinstance(kind, type) and issubclass(kind, SonocartError)
            return (kind if known else DataError)(_line(message.text))
        return CrashError(f"the decoder of '{self._name}' says what makes no sense")

    def _hear(self, seconds: float) -> Said:
        """What it says next. Only what was waited for counts: whatever held up this thread, a busy machine or
        a stop, held up the decoder too.
        """
        waited = 0.0
        while not self._closed.is_set():
            step = min(_LOOK_S, max(0.0, seconds - waited))
            try:
                message = self._process.hear(step)
            except EOFError:
                how = self._process.how_it_died()
                raise CrashError(
                    f"the decoder of '{self._name}' died ({how}) at picture {self._next}"
                ) from None
            if message is not None:
                return message
            waited += step
            if waited >= seconds:
                raise CrashError(f"the decoder of '{self._name}' does not answer for {seconds:g} s")
        raise SourceEnded

    def _frame(self, picture: Picture) -> Frame:
        channels = _PLANES[picture.format]
        fits = len(picture.shapes) == len(channels) and all(
            len(shape) == (2 if depth == 1 else 3) and (depth == 1 or shape[2] == depth)
            for shape, depth in zip(picture.shapes, channels, strict=False)
        )
        # A risk on a frame from the future would stay fresh.
        timely = self._request.pace != Pace.LIVE.value or picture.captured_ns <= time.monotonic_ns()
        sized = _plausible(picture.shapes) and 0 < sum(map(prod, picture.shapes)) <= SLOT_BYTES
        if not fits or not sized or not timely:
            raise CrashError(f"the decoder of '{self._name}' says what makes no sense")
        planes = self._process.lend(picture)
        if planes is None:
            planes = self._slabs.copy(self._process.views(picture))
            self._process.return_slot(picture.slot)
        return Frame(
            planes,
            picture.format,
            picture.sequence,
            picture.captured_ns,
            full_range=picture.full_range,
            matrix=picture.matrix,
        )

    def _recover(self, error: SonocartError) -> None:
        """Go on: a stream after a while, for ever; a file behind what was seen, if anything was."""
        if self._closed.is_set():
            return
        if self._patience.endless:
            self._failures += 1
            self._say(str(error))
        elif not isinstance(error, CrashError):
            raise error
        elif self._resumed_at == self._next:
            raise DataError(f"{error}, and again at the same place. Copy the file again") from error
        else:
            logger.warning("%s; going on behind it", error)
            self._resumed_at = self._next

    def _say(self, words: str) -> None:
        """Each reason once."""
        if words != self._outage:
            self._outage = words
            raise Outage(Condition.NO_SIGNAL, words)

    def _restart(self) -> None:
        if self._failures:
            self._closed.wait(DELAYS_S[min(self._failures, len(DELAYS_S)) - 1])
        if self._closed.is_set():
            raise SourceEnded
        self._process = _Process(msgspec.structs.replace(self._request, first=self._next))
        self._open()


class _Process:
    """One decoding process with its socket and its memory."""

    def __init__(self, request: Request):
        ours, theirs = socket.socketpair()
        memory = os.memfd_create("sonocart-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with theirs:
            os.ftruncate(memory, SLOTS * SLOT_BYTES)
            # Were it cut short, reading it would end this process.
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
            shared = mmap.mmap(memory, SLOTS * SLOT_BYTES)
            self._slots = [np.frombuffer(shared, np.uint8, SLOT_BYTES, k * SLOT_BYTES) for k in range(SLOTS)]
            self._lent: list[int] = []
            self._begun = False
            arguments = (str(theirs.fileno()), str(memory), msgspec.json.encode(request).decode())
            one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                (sys.executable, "-m", "edge.sources.decoder", *arguments),
                pass_fds=(theirs.fileno(), memory),
                env=os.environ | one_thread | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the cart, which ends this in order
            )
        os.close(memory)
        weakref.finalize(self, _end, self._process)  # also where nobody closes the source
        self._connection = Connection(ours.detach())
        self._poll = select.poll()  # `Connection.poll` makes a new one for each picture
        self._poll.register(self._connection.fileno(), select.POLLIN)
        self._decoder = msgspec.json.Decoder(Said)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def begin(self) -> None:
        """Let it decode, at the first call."""
        if not self._begun:
            self._begun = True
            self._send(0)

    def hear(self, seconds: float) -> Said | None:
        """The next message; None if there is none yet; EOFError if there will be none."""
        try:
            if not self._poll.poll(1000 * seconds):
                return None
            data = self._connection.recv_bytes(MESSAGE_BYTES)
        except OSError:  # too long, or the process is gone
            raise EOFError from None
        try:
            message: Said = self._decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CrashError("the decoder says what makes no sense") from error
        return message

    def views(self, picture: Picture) -> list[Plane]:
        """The picture where it lies."""
        slot, found, begin = self._slots[picture.slot], [], 0
        for shape in picture.shapes:
            found.append(slot[begin : begin + prod(shape)].reshape(shape))
            begin += prod(shape)
        return found

    def lend(self, picture: Picture) -> tuple[Plane, ...] | None:
        """The picture where it lies, its slot kept from the process; None if that has too few left."""
        if len(self._lent) >= SLOTS - _SPARE:
            return None
        self._lent.append(picture.slot)
        return tuple(self.views(picture))

    def give_back(self) -> None:
        """Let the process write to every slot that nobody holds a frame of any more."""
        for slot in tuple(self._lent):
            memory = self._slots[slot]
            if sys.getrefcount(memory) == UNHELD:
                self._lent.remove(slot)
                self.return_slot(slot)

    def return_slot(self, slot: int) -> None:
        """It has been read."""
        self._send(slot)

    def _send(self, value: int) -> None:
        """A process that is gone is noticed by the next `hear`."""
        try:
            self._connection.send_bytes(bytes([value]))
        except OSError:
            logger.debug("the decoder is gone")

    def how_it_died(self) -> str:
        """After the end of its messages; a process that lives on is killed for it."""
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "it hung up"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """End it, whatever it does. Its memory goes with the last frame in it."""
        _end(self._process)


def _plausible(shapes: tuple[tuple[int, ...], ...]) -> bool:
    """A picture with pixels whose further planes are half as high and wide; whoever draws relies on it."""
    height, width = shapes[0][:2]
    high, wide = ({side // 2, (side + 1) // 2} for side in (height, width))
    return min(height, width) > 0 and all(shape[0] in high and shape[1] in wide for shape in shapes[1:])


def _line(words: str) -> str:
    """One printable line of what a process says that may have been taken over."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())[:LINE]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
