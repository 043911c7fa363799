"""Runs in the virtual cart: provokes one fault after the other and says what the service makes of it.

Speaks JSON lines on its standard output, which the host reads. What has been done is kept on disk, so that a
power cut or a hang is followed by the rest after the boot. Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from inside import card
from inside.journal import Journal, now, wait
from inside.outcome import STILL_S, FailedError, LateError, Outcome
from inside.pulse import Pulse, be_hardware, lack
from inside.scanner import Scanner
from inside.script import CORE, SCENARIOS, WITHHELD_S, Scenario
from inside.service import Service, sh

DONE = Path("/var/lib/scenarios.json")
TRIES = 3  # of a scenario that is late while the host had no time for the machine
PAUSE_S = 4.0  # between two scenarios: of one kind of line the service logs no more than five in ten seconds


def say(**fields: object) -> None:
    """One line for the host."""
    print("@" + json.dumps(fields), flush=True)


def main() -> None:
    """Run what is left to do."""
    be_hardware()
    words = dict(word.partition("=")[::2] for word in Path("/proc/cmdline").read_text().split())
    rows, core = words.get("rows", "").split(","), "core" in words
    done: dict[str, str] = json.loads(DONE.read_text()) if DONE.exists() else {}
    wait(lambda: card.node("vid-out"), "the card")
    service, scanner, pulse = Service(Journal()), Scanner(), Pulse()
    if done:
        sh("systemctl stop sonocart", check=False)
        scanner.start()
    say(boot=round(now(), 1))
    for number, scenario in enumerate(SCENARIOS):
        if scenario.fault in done and done[scenario.fault] != "begun":
            continue
        wanted = scenario.fault in CORE if core else rows == [""] or scenario.row in rows
        if not wanted and number > 0:
            continue
        if scenario.after is not None and scenario.fault not in done:
            say(begun=scenario.fault)
            with suppress(FailedError):  # what comes after the boot fails too, and is reported
                scenario.run(service, scanner)
            _keep({**done, scenario.fault: "begun"})
            say(cut=scenario.fault)
            time.sleep(600)
        result = _tried(scenario, service, scanner, pulse, timed=not core)
        while not result["passed"] and result["try"] < (TRIES if result["lack"] else 2 if core else 1):
            say(**result, again=True)
            result = _tried(scenario, service, scanner, pulse, timed=not core, count=result["try"] + 1)
        done = {**done, scenario.fault: "done"}
        _keep(done)
        say(**result)
        if number == 0 and not result["passed"]:
            break
    say(end=True)
    sh("systemctl poweroff", check=False)


def _keep(done: dict[str, str]) -> None:
    partial = DONE.with_suffix(".part")
    partial.write_text(json.dumps(done))
    os.sync()
    partial.rename(DONE)
    os.sync()


def _tried(
    scenario: Scenario, service: Service, scanner: Scanner, pulse: Pulse, *, timed: bool, count: int = 1
) -> dict[str, Any]:
    """The scenario's line of the table. After a failure everything is put right again."""
    time.sleep(PAUSE_S)
    begin = now()
    result: dict[str, Any] = {"row": scenario.row, "fault": scenario.fault, "expected": scenario.expected}
    still_s: float | None = (
        None  # that the machine may stand still; None where no slowness excuses what failed
    )
    try:
        outcome = (scenario.after or scenario.run)(service, scanner)
        late = _late(scenario, outcome) if timed else ""
        result |= {"seen": outcome.seen + late, "passed": not late}
        still_s = STILL_S if late else None
        result |= {"withheld": outcome.withheld_s, "live": outcome.live_s}
    except Exception as failure:  # noqa: BLE001 - each scenario stands alone
        result |= {"seen": f"{type(failure).__name__}: {failure}", "passed": False}
        still_s = failure.still_s if isinstance(failure, LateError) else None
        with suppress(FailedError, OSError):
            _mend(service, scanner)
    if not result["passed"]:
        result["journal"] = [
            f"{entry.at - begin:.2f} {entry.text}" for entry in service.journal.since(begin)
        ][-60:]
    lateness = pulse.late(begin)
    result |= {"took": round(now() - begin, 1), "try": count, "late": lateness}
    result["lack"] = "" if still_s is None else lack(*lateness, still_s)
    if count > 1:
        result["seen"] += f"; at try {count}"
    if result["lack"]:
        result["seen"] += f"; {result['lack']}"
    return result


def _late(scenario: Scenario, outcome: Outcome) -> str:
    late = []
    if outcome.withheld_s is not None and outcome.withheld_s > WITHHELD_S:
        late.append(f"withheld after more than {WITHHELD_S} s")
    if outcome.live_s is not None and outcome.live_s > scenario.live_s:
        late.append(f"live after more than {scenario.live_s} s")
    return "".join(f"; {text}" for text in late)


def _mend(service: Service, scanner: Scanner) -> None:
    scanner.stop()
    if card.node("vid-out") is None:
        card.plug()
        wait(lambda: card.node("vid-out"), "the card")
    card.control(dv_timings_signal_mode=card.SIGNAL, percentage_of_dropped_buffers=0)
    scanner.start()
    service.configure()
    sh("systemctl reset-failed sonocart; systemctl restart sonocart", check=False)


if __name__ == "__main__":
    sys.exit(main())
