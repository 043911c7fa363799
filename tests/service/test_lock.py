"""One instance; a lock that outlives nobody."""

import os
import signal
import subprocess
import sys

import pytest

from edge.errors import BusyError, CannotCreateError
from edge.service.lock import only_instance
from tests.patience import PATIENCE_S

HOLD = """
import sys, time
from pathlib import Path
from edge.service.lock import only_instance
with only_instance(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_one_is_told_the_pid_of_the_first(tmp_path):
    lock = tmp_path / "run/lock"
    with (
        only_instance(lock),
        pytest.raises(BusyError, match=f"pid {os.getpid()} ") as caught,
        only_instance(lock),
    ):
        pytest.fail("two instances")
    assert caught.value.exit_code == 75
    with only_instance(lock):
        pass


def test_a_killed_instance_leaves_no_lock(tmp_path):
    lock = tmp_path / "lock"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"pid {first.pid} "), only_instance(lock):
            pytest.fail("two instances")
        first.send_signal(signal.SIGKILL)
        first.wait(PATIENCE_S)
    with only_instance(lock):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_a_lock_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotCreateError, match=r"\[service\] lock"), only_instance(tmp_path / "file/lock"):
        pytest.fail("no lock")
