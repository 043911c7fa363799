"""Breaks a real V4L2 device, the kernel's `vivid`, and prints what `CardSource` says of it and when.

As root, in a virtual machine: modprobe vivid num_inputs=1 input_types=3 node_types=1 && python on_vivid.py
Prints one JSON object a scenario; exit code 1 if one took more than a second to be told or two to be cured.
"""

import json
import queue
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from edge.sources.base import Outage, SourceEnded
from edge.sources.card.kernel import Linux
from edge.sources.card.listing import list_cards
from edge.sources.card.source import CardSource

NODE = "/dev/video0"
DRIVER = Path("/sys/bus/platform/drivers/vivid")


def control(text):
    subprocess.run(["v4l2-ctl", "-d", NODE, "-c", text], check=True, capture_output=True)


def timings(width, height):
    index = {(640, 480): 0}.get((width, height))
    listed = subprocess.run(
        ["v4l2-ctl", "-d", NODE, "--list-dv-timings"], check=True, capture_output=True, text=True
    ).stdout
    blocks = listed.split("Index: ")[1:]
    for block in blocks:
        if (
            f"Active width: {width}\n" in block
            and f"Active height: {height}\n" in block
            and "progressive" in block
        ):
            index = int(block.split()[0])
            break
    control(f"dv_timings={index}")


class Reader(threading.Thread):
    """Everything that the source says, with its time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.source = CardSource(f"v4l2:{NODE}")
        self.said = queue.SimpleQueue()
        self.start()

    def run(self):
        while True:
            try:
                frame = self.source.read()
                self.said.put((time.monotonic(), frame))
            except Outage as outage:
                self.said.put((time.monotonic(), outage))
            except SourceEnded:
                return

    def wait(self, wanted, seconds=20.0):
        """Seconds until something that is wanted was said, and what."""
        begin = time.monotonic()
        while not self.said.empty():
            self.said.get()
        while time.monotonic() - begin < seconds:
            try:
                at, said = self.said.get(timeout=0.5)
            except queue.Empty:
                continue
            if wanted(said):
                return at - begin, said
        return float("inf"), None


def frame(said):
    return not isinstance(said, Outage)


def outage(name):
    return lambda said: isinstance(said, Outage) and said.condition.name == name


def wide(said):
    return frame(said) and said.width == 1280


def narrow(said):
    return frame(said) and said.width == 640


CHANGES = (wide, narrow)  # of the resolution: followed within two seconds


def main():
    for card in list_cards(Linux()):
        print(json.dumps(asdict(card)), flush=True)
    timings(640, 480)
    reader, good = Reader(), True

    def scenario(name, break_it, wanted, cure):
        nonlocal good
        reader.wait(frame)
        threading.Timer(0.0, break_it).start()
        told, said = reader.wait(wanted)
        if cure is not None:
            time.sleep(1.0)
            threading.Timer(0.0, cure).start()
        cured, shown = reader.wait(frame)
        good &= told <= (2.0 if wanted in CHANGES else 1.0) and cured <= 2.0
        size = "" if shown is None else f"{shown.width}x{shown.height} {shown.format.value}"
        words = str(said) if isinstance(said, Outage) else ""
        print(
            json.dumps(
                {
                    "scenario": name,
                    "told_s": round(told, 3),
                    "cured_s": round(cured, 3),
                    "said": words,
                    "picture": size,
                    "counts": dict(reader.source.counts),
                }
            ),
            flush=True,
        )

    for mode, condition in ((1, "NO_SIGNAL"), (2, "NO_LOCK"), (3, "UNSUPPORTED")):
        scenario(
            condition,
            lambda mode=mode: control(f"dv_timings_signal_mode={mode}"),
            outage(condition),
            lambda: control("dv_timings_signal_mode=0"),
        )

    def other_size():
        timings(1280, 720)
        control("dv_timings_signal_mode=4")

    scenario("other size", other_size, wide, None)

    def first_size():
        timings(640, 480)
        control("dv_timings_signal_mode=4")

    scenario("first size", first_size, narrow, None)

    flagged = reader.source.counts["flagged"]
    control("inject_v4l2_buf_flag_error=1")
    reader.wait(frame)
    time.sleep(0.5)
    print(
        json.dumps({"scenario": "flagged", "counted": reader.source.counts["flagged"] - flagged}), flush=True
    )

    lost = outage("DEVICE_LOST")
    scenario("queue error", lambda: control("inject_vidioc_qbuf_error=1"), lost, None)
    scenario("fatal error", lambda: control("inject_fatal_streaming_error=1"), lost, None)
    scenario(
        "unplugged",
        lambda: (DRIVER / "unbind").write_text("vivid.0"),
        lost,
        lambda: (DRIVER / "bind").write_text("vivid.0"),
    )
    before = reader.source.counts["lost"]
    control("percentage_of_dropped_buffers=50")
    time.sleep(2.0)
    control("percentage_of_dropped_buffers=0")
    print(
        json.dumps({"scenario": "half dropped", "counted": reader.source.counts["lost"] - before}), flush=True
    )
    count, begin = 0, time.monotonic()
    while time.monotonic() - begin < 3.0:
        count += reader.wait(frame)[1] is not None
    print(json.dumps({"scenario": "rate", "hz": round(count / 3.0, 1)}), flush=True)
    reader.source.close()
    print("PASSED" if good else "FAILED", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
