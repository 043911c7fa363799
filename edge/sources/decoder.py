"""The process that decodes for the cart: `python -m edge.sources.decoder SOCKET MEMORY REQUEST`.

It may crash, hang or be killed; the cart starts another one. Its memory is limited, so that a picture or an
archive that grows without bound ends this process and nothing else. It ends when the cart does.
"""

from __future__ import annotations

import logging
import mmap
import os
import queue
import resource
import sys
import threading
from dataclasses import astuple
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import msgspec
import numpy as np

from edge.contract.frame import Frame, Plane
from edge.errors import DataError, SonocartError
from edge.sources.base import FrameSource, Outage, Pace, SourceEnded, SourceInfo
from edge.sources.messages import (
    SLOT_BYTES,
    SLOTS,
    Ended,
    Failed,
    Lost,
    Message,
    Opened,
    Picture,
    Ready,
    Request,
)
from edge.sources.slabs import Slabs
from edge.sources.stream import without_password


def main() -> None:
    """Say that it is ready, decode, say how it ended."""
    request = msgspec.json.decode(sys.argv[3], type=Request)
    resource.setrlimit(resource.RLIMIT_AS, (request.memory_bytes, request.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    cv2.setNumThreads(1)
    logging.disable()
    connection, memory = Connection(int(sys.argv[1])), mmap.mmap(int(sys.argv[2]), SLOTS * SLOT_BYTES)
    _say(connection, Ready())
    try:
        slots = Slots(memory)
        source = _open(request, slots)
        info = source.info
        _say(connection, _opened(info))
        connection.recv_bytes(1)  # until then its clock stands still: the cart may still load its network
        _decode(source, info, connection, slots, request.first)
    except SourceEnded:
        _say(connection, Ended())
    except MemoryError:
        name, room = without_password(request.source), request.memory_bytes / 2**30
        text = f"'{name}' needs more than {room:.1f} GiB to be decoded"
        _say(connection, Failed(DataError.__name__, _text(text)))
    except SonocartError as error:
        _say(connection, Failed(type(error).__name__, _unnamed(error, request)))
    except (EOFError, OSError):
        os._exit(1)  # nobody listens any more
    except Exception as error:  # noqa: BLE001 - the top of a process: what a decoder throws is its input's fault
        text = f"'{without_password(request.source)}' cannot be decoded: {_unnamed(error, request)}"
        _say(connection, Failed(DataError.__name__, _text(text)))


class Slots(Slabs):
    """The shared memory as slabs: a picture is decoded into the slot in which it travels."""

    def __init__(self, memory: mmap.mmap):
        """All slots are free."""
        super().__init__()
        self._memory = memory
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(SLOTS):
            self._free.put(slot)
        self._taken: int | None = None

    def take(self, size: int) -> Plane:
        """The first `size` bytes of a free slot, as soon as there is one."""
        if size > SLOT_BYTES:
            raise DataError(f"a picture of {size} bytes; at most 8192x4608 pixels are accepted")
        if self._taken is None:  # else the picture before it was never sent
            self._taken = self._free.get()
        return np.frombuffer(self._memory, np.uint8, size, self._taken * SLOT_BYTES)

    def holding(self, frame: Frame) -> int:
        """The slot that `frame` lies in; one whose source has memory of its own is copied there."""
        if self._taken is None:
            self.copy(frame.planes)
        slot, self._taken = self._taken, None
        assert slot is not None
        return slot

    def listen(self, connection: Connection) -> None:
        """Collect slots that were given back; the cart's end is this process's."""
        try:
            while True:
                self._free.put(connection.recv_bytes(1)[0])
        except (EOFError, OSError):
            os._exit(0)


def _open(request: Request, slots: Slots) -> FrameSource:
    from edge.sources import stills, stream

    source, pace = request.source, Pace(request.pace)
    if source.startswith(stream.SCHEMES):
        return stream.StreamSource(source, slots)
    if source.startswith(stills.SCHEME):
        return stills.folder_source(source, pace=pace, repeat=request.repeat, first=request.first)
    from edge.study.images import is_dicom

    path = Path(source)
    if is_dicom(path):
        return stills.dicom_source(path, pace=pace, repeat=request.repeat, first=request.first)
    from edge.sources.video import VideoSource

    return VideoSource(path, pace=pace, repeat=request.repeat, first=request.first, slabs=slots)


def _decode(source: FrameSource, info: SourceInfo, connection: Connection, slots: Slots, first: int) -> None:
    threading.Thread(target=slots.listen, args=(connection,), daemon=True).start()
    offset: int | None = None
    while True:
        try:
            frame = source.read()
        except Outage as outage:
            _say(connection, Lost(outage.detail))
            continue
        if source.info != info:
            info = source.info
            _say(connection, _opened(info))
        offset = first - frame.sequence if offset is None else offset
        shapes = tuple(plane.shape for plane in frame.planes)
        _say(
            connection,
            Picture(
                slots.holding(frame),
                frame.format,
                shapes,
                frame.sequence + offset,
                frame.captured_ns,
                frame.full_range,
                frame.matrix,
            ),
        )


def _opened(info: SourceInfo) -> Opened:
    field = None if info.field is None else astuple(info.field)
    return Opened(_text(info.name), info.width, info.height, info.rate, field)


def _unnamed(error: Exception, request: Request) -> str:
    """What an error says, without the password that FFmpeg repeats with the address."""
    return _text(str(error).replace(request.source, without_password(request.source)))


def _text(words: str) -> str:
    """Without the bytes of a file's name that are none."""
    return words.encode(errors="replace").decode()


def _say(connection: Connection, message: Message) -> None:
    connection.send_bytes(msgspec.json.encode(message))


if __name__ == "__main__":
    main()
