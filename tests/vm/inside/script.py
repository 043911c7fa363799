"""All scenarios in their order, and what must come of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inside import configuration, package, power, processes, signals, storage
from inside.outcome import Outcome
from inside.scanner import Scanner
from inside.service import Service

WITHHELD_S = 1.0
LIVE_S = 2.0
START_S = 30.0  # of a new process, golden frames and all: printed, and bounded only generously


@dataclass(frozen=True, slots=True)
class Scenario:
    """A row of the table of faults.

    `run` provokes it. With `cut`, the power goes while `run` waits, or the kernel stops: `after` looks at
    what is left when the machine is up again. `live_s` bounds the way back.
    """

    row: str
    fault: str
    expected: str
    run: Callable[[Service, Scanner], Outcome]
    live_s: float = LIVE_S
    after: Callable[[Service, Scanner], Outcome] | None = None


SCENARIOS = (
    Scenario("46", "package installed", "risk shown", package.installed, START_S),
    Scenario("46", "doctor and devices asked", "all that is missing, with its fix", package.asked),
    Scenario("1", "HDMI cable out", "no signal, same process", signals.cable_out),
    Scenario("1", "cable out, card sends noise", "no signal, same process", signals.noise),
    Scenario("2", "signal without lock", "no lock, same process", signals.no_lock),
    Scenario("3", "timings out of range", "unsupported, same process", signals.unsupported),
    Scenario(
        "4",
        "resolution changes mid-stream",
        "live at the new size, same process",
        signals.resolution,
    ),
    Scenario("5", "all buffers dropped", "stalled, same process", signals.stall),
    Scenario("6", "buffers flagged bad", "not used, same process", signals.flagged),
    Scenario("9", "scanner frozen", "frozen, same process", signals.frozen),
    Scenario("10", "half of the buffers dropped", "live, same process", signals.gaps),
    Scenario("11", "card unplugged and plugged again", "device lost, same process", signals.unplugged),
    Scenario("11", "USB reset", "live again, same process", signals.reset),
    Scenario("12", "card in use at the start", "tried until it is free", configuration.busy, START_S),
    Scenario("13", "QBUF fails", "live again, same process", signals.queue_error),
    Scenario("13", "fatal error of the queue", "live again, same process", signals.fatal_error),
    Scenario("14", "interlaced signal", "unsupported, same process", signals.interlaced),
    Scenario("15", "black picture", "not ultrasound, same process", signals.black),
    Scenario("21", "wall clock jumps a day both ways", "live throughout", configuration.clock),
    Scenario("21", "suspended for five seconds", "live again, same process", processes.suspended),
    Scenario("22", "disk full while recording", "picture goes on", storage.full, START_S),
    Scenario("22", "no inode left for a recording", "picture goes on", storage.without_inodes, START_S),
    Scenario("22", "no descriptor left", "picture goes on, same process", processes.without_descriptors),
    Scenario(
        "23", "recordings on a read-only file system", "live without recording", storage.read_only, START_S
    ),
    Scenario("24", "input/output errors while recording", "picture goes on", storage.failing, START_S),
    Scenario("26", "SIGTERM while recording", "exit 0 within 5 s, playable", storage.terminated, START_S),
    Scenario("26", "SIGTERM while starting", "a clean stop", storage.terminated_early, START_S),
    Scenario("27", "daemon killed", "another process", processes.killed, START_S),
    Scenario("27", "daemon crashes (SIGSEGV)", "another process", processes.crashed, START_S),
    Scenario("27", "second instance", "exit 75 with the pid", processes.second),
    Scenario("28", "daemon hangs (SIGSTOP)", "the watchdog ends it", processes.hung, START_S),
    Scenario("29", "network's process killed", "picture goes on, risk again", processes.network_killed),
    Scenario("29", "network hangs (SIGSTOP)", "picture goes on, risk again", processes.network_hangs),
    Scenario("32", "one bit of the model flipped", "exit 77 once", configuration.flipped, START_S),
    Scenario("48", "the same, last good model kept", "runs that one", configuration.last_good, START_S),
    Scenario("45", "wrong configuration, reloaded", "the old one stays", configuration.bad_reload),
    Scenario("45", "wrong configuration at the start", "exit 78 once", configuration.bad_start, START_S),
    Scenario("46", "page's port in use", "tried until it is free", configuration.port, START_S),
    Scenario("47", "journal hangs", "live throughout", processes.journal_hangs),
    Scenario("11", "unit bound to the card (drop-in)", "stops, starts", configuration.bound, START_S),
    Scenario(
        "25",
        "power cut while recording",
        "boots, live, playable",
        storage.recording,
        START_S,
        power.after_power_cut,
    ),
    Scenario(
        "25",
        "power cut while a file is replaced",
        "old or new, never torn",
        power.replace_for_ever,
        START_S,
        power.after_cut_while_writing,
    ),
    Scenario("28", "kernel hangs, hardware watchdog", "resets, live", power.idle, START_S, power.after_reset),
    Scenario("46", "package upgraded", "live, configuration kept", package.upgraded, START_S),
    Scenario("46", "package purged", "gone, recordings kept", package.purged),
)

CORE = (
    "package installed",
    "HDMI cable out",
    "signal without lock",
    "timings out of range",
    "resolution changes mid-stream",
    "all buffers dropped",
    "scanner frozen",
    "card unplugged and plugged again",
    "interlaced signal",
    "black picture",
    "disk full while recording",
    "daemon killed",
    "second instance",
    "daemon hangs (SIGSTOP)",
    "one bit of the model flipped",
    "wrong configuration at the start",
)
"""What continuous integration runs: each passed in five runs in a row, also on a busy host."""
