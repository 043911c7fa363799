"""`sonocart run` as a service: real processes, signals and a socket in systemd's place."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.clips import read_clip, tissue, write_clip
from tests.networks import write_bundle, write_study
from tests.patience import PATIENCE_S


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    return write_bundle(folder / "bundle", write_study(folder / "study")).path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    lumas = [tissue(i, 240, 320) for i in range(20)]
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", lumas)


class Systemd:
    """Receives the notifications of one service."""

    def __init__(self, path):
        self.path = path
        self.seen = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE_S)

    def wait_for(self, text):
        while True:
            message = self._socket.recv(4096).decode()
            self.seen.append(message)
            if text in message.splitlines():
                return message

    def wait_for_pictures(self):
        """Until the status line speaks of a picture that has been shown."""
        while not any(line.startswith("STATUS=live") for line in self.wait_for("WATCHDOG=1").splitlines()):
            pass

    def close(self):
        self._socket.close()


@pytest.fixture
def systemd(tmp_path):
    server = Systemd(tmp_path / "notify")
    yield server
    server.close()


@pytest.fixture
def config(tmp_path, bundle, clip):
    path = tmp_path / "cart.toml"
    path.write_text(
        f"[source]\naddress = '{clip}'\nloop = true\n[model]\nbundle = '{bundle}'\n"
        "[recording]\nvideo = 'o.mp4'\n[service]\nlock = 'lock'\n"
    )
    return path


def start(config, systemd=None, *options, **popen):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if systemd is not None:
        environment["NOTIFY_SOCKET"] = str(systemd.path)
    command = [sys.executable, "-m", "edge", "run", "--config", str(config), *options]
    popen = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment} | popen
    return subprocess.Popen(command, **popen)


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def test_a_service_is_ready_beats_stops_and_leaves_a_playable_recording(config, systemd, tmp_path):
    with start(config, systemd) as process:
        ready = systemd.wait_for("READY=1")
        systemd.wait_for_pictures()
        systemd.wait_for("WATCHDOG=1")
        code, _, err = end(process)
        systemd.wait_for("STOPPING=1")
    assert code == 0, err
    assert "STATUS=waiting for a picture" in ready
    assert not any("WATCHDOG=1" in message for message in systemd.seen[: systemd.seen.index(ready)])
    assert len(read_clip(tmp_path / "o.mp4")) > 0
    assert all(line.startswith(("info: ", "warning: ")) for line in err.splitlines()), err


def test_an_unready_service_never_says_that_it_is(config, systemd, bundle, tmp_path):
    """Golden frames come before READY=1: an operating point that does not exist stops it earlier still."""
    with start(config, systemd, "--operating-point", "brave") as process:
        code = process.wait(PATIENCE_S)
        process.communicate()
    assert code == 65
    systemd._socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        systemd.wait_for("READY=1")


def test_the_second_instance_ends_with_75_and_the_first_goes_on(config, systemd, tmp_path):
    with start(config, systemd) as first:
        systemd.wait_for("READY=1")
        with start(config) as second:
            _, err = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 75
        assert f"pid {first.pid} " in err
        systemd.wait_for("WATCHDOG=1")
        assert end(first)[0] == 0


def test_a_killed_service_starts_again(config, systemd, tmp_path):
    with start(config, systemd, "--page", "127.0.0.1:0") as first:
        systemd.wait_for("WATCHDOG=1")
        assert end(first, signal.SIGKILL)[0] == -signal.SIGKILL
    with start(config, systemd, "--page", "127.0.0.1:0") as second:
        systemd.wait_for("WATCHDOG=1")
        code, _, err = end(second)
    assert code == 0, err


def test_sighup_changes_what_can_be_changed_and_a_bad_file_nothing(config, systemd):
    good = config.read_text()
    with start(config, systemd) as process:
        systemd.wait_for("READY=1")
        config.write_text(good.replace("[model]", "[model]\nroi = [0, 0, 100, 100]"))
        process.send_signal(signal.SIGHUP)
        systemd.wait_for("RELOADING=1")
        assert "configuration read again" in systemd.wait_for("READY=1")
        config.write_text("[modl]\n")
        process.send_signal(signal.SIGHUP)
        assert "old configuration stays" in systemd.wait_for("READY=1")
        systemd.wait_for("WATCHDOG=1")
        code, _, err = end(process)
    assert code == 0, err
    assert "changed: model.roi" in err
    assert f"{config}:1: unknown section [modl]; did you mean 'model'?" in err


def test_a_wrong_file_exits_78(config):
    config.write_text("[source]\nadress = 'x'\n")
    with start(config) as process:
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 78
    assert err == f"sonocart: {config}:2: [source] adress: unknown key; did you mean 'address'?\n"


@pytest.mark.parametrize("stderr", ["/dev/full", "closed"])
def test_logs_that_nobody_takes_do_not_stop_the_picture(config, systemd, stderr, tmp_path):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        close = {"preexec_fn": lambda: os.close(2)} if stderr == "closed" else {}
        with start(config, systemd, stdout=subprocess.DEVNULL, stderr=full, **close) as process:
            systemd.wait_for("READY=1")
            process.send_signal(signal.SIGHUP)
            systemd.wait_for_pictures()
            systemd.wait_for("WATCHDOG=1")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
    assert len(read_clip(tmp_path / "o.mp4")) > 0


def test_a_stopped_and_resumed_service_goes_on(config, systemd):
    """Suspend: nothing is made up for what was missed, and the loop beats again."""
    with start(config, systemd) as process:
        systemd.wait_for("WATCHDOG=1")
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.0)
        process.send_signal(signal.SIGCONT)
        systemd.wait_for("WATCHDOG=1")
        systemd.wait_for("WATCHDOG=1")
        code, _, err = end(process)
    assert code == 0, err


def test_the_watchdogs_abort_leaves_every_threads_stack_in_the_log(config, systemd):
    with start(config, systemd) as process:
        systemd.wait_for("WATCHDOG=1")
        code, _, err = end(process, signal.SIGABRT)
    assert code == -signal.SIGABRT
    assert "run_loop" in err
