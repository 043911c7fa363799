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
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import numpy as np

from edge.contract.frame import Frame
from edge.errors import DataError, SonocartError
from edge.sources.base import FrameSource, Pace, SourceEnded
from edge.sources.messages import SLOT_BYTES, SLOTS, Ended, Failed, Message, Opened, Picture, Ready, Request


def main() -> None:
    """Say that it is ready, decode, say how it ended."""
    request = msgspec.json.decode(sys.argv[3], type=Request)
    resource.setrlimit(resource.RLIMIT_AS, (request.memory_bytes, request.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable()
    connection, memory = Connection(int(sys.argv[1])), mmap.mmap(int(sys.argv[2]), SLOTS * SLOT_BYTES)
    _say(connection, Ready())
    try:
        source = _open(request)
        info = source.info
        _say(connection, Opened(info.name, info.width, info.height, info.rate))
        _decode(source, connection, memory, request.first)
    except SourceEnded:
        _say(connection, Ended())
    except MemoryError:
        text = f"'{request.source}' needs more than {request.memory_bytes / 2**30:.1f} GiB to be decoded"
        _say(connection, Failed(DataError.__name__, text))
    except SonocartError as error:
        _say(connection, Failed(type(error).__name__, str(error)))
    except OSError:
        os._exit(1)  # nobody listens any more
    except Exception as error:  # noqa: BLE001 - the top of a process: what a decoder throws is its input's fault
        _say(connection, Failed(DataError.__name__, f"'{request.source}' cannot be decoded: {error}"))


def _open(request: Request) -> FrameSource:
    from edge.sources import stills, stream

    source, pace = request.source, Pace(request.pace)
    if source.startswith(stream.SCHEMES):
        return stream.StreamSource(source)
    if source.startswith(stills.SCHEME):
        return stills.folder_source(source, pace=pace, repeat=request.repeat, first=request.first)
    from edge.study.images import is_dicom

    path = Path(source)
    if is_dicom(path):
        return stills.dicom_source(path, pace=pace, repeat=request.repeat, first=request.first)
    from edge.sources.video import VideoSource

    return VideoSource(path, pace=pace, repeat=request.repeat, first=request.first)


def _decode(source: FrameSource, connection: Connection, memory: mmap.mmap, first: int) -> None:
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for slot in range(SLOTS):
        free.put(slot)
    threading.Thread(target=_listen, args=(connection, free), daemon=True).start()
    offset: int | None = None
    while True:
        frame = source.read()
        offset = first - frame.sequence if offset is None else offset
        slot = free.get()
        _write(frame, memory, slot)
        shapes = tuple(plane.shape for plane in frame.planes)
        _say(
            connection,
            Picture(
                slot,
                frame.format,
                shapes,
                frame.sequence + offset,
                frame.captured_ns,
                frame.full_range,
                frame.matrix,
            ),
        )


def _listen(connection: Connection, free: queue.SimpleQueue[int]) -> None:
    """Collect slots that were read; the cart's end is this process's."""
    try:
        while True:
            free.put(connection.recv_bytes(1)[0])
    except (EOFError, OSError):
        os._exit(0)


def _write(frame: Frame, memory: mmap.mmap, slot: int) -> None:
    begin = slot * SLOT_BYTES
    if sum(plane.size for plane in frame.planes) > SLOT_BYTES:
        raise DataError(f"a picture of {frame.width}x{frame.height} pixels; at most 8192x4608 are accepted")
    for plane in frame.planes:
        target = np.frombuffer(memory, np.uint8, plane.size, begin).reshape(plane.shape)
        np.copyto(target, plane)
        begin += plane.size


def _say(connection: Connection, message: Message) -> None:
    connection.send_bytes(msgspec.json.encode(message))


if __name__ == "__main__":
    main()
