"""Engines for another process: importable there, and good at going wrong."""

import os
import signal
import time

import numpy as np

from edge.contract.preprocess import prepare
from edge.engines.base import EngineError
from edge.errors import UnavailableError
from tests.fakes import FakeEngine


def brightness():
    return FakeEngine()


def missing():
    raise UnavailableError("no such device here")


def hanging():
    time.sleep(600)


class Moody(FakeEngine):
    """What it does depends on the first pixel."""

    def infer(self, tensor):
        mood = int(tensor.flat[0])
        if mood == 1:
            time.sleep(600)
        if mood == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        if mood == 3:
            raise EngineError("the context is lost")
        return super().infer(tensor)


class Framed(FakeEngine):
    """Prepares by itself."""

    def stage(self, frame, roi):
        self.tensor = prepare(frame, roi, 32, 24)
        return roi.width <= 100

    def infer_staged(self):
        return self.infer(self.tensor), self.tensor


class Tuned(FakeEngine):
    """Its name is what its process tells glibc."""

    name = os.environ.get("GLIBC_TUNABLES", "")


def hungry():
    """Takes memory until there is none."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    return FakeEngine(lambda tensor: float(np.ones(1 << 31, np.uint8).mean()))
