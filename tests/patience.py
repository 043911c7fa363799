"""How long a test waits for what must come about."""

import time

PATIENCE_S = 120.0
"""Beyond all that a busy machine loses: only a defect takes so long."""


def wait_for(condition):
    """Return what `condition` gives once that is true."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, "did not come about"
        time.sleep(0.005)
    return found


class Clock:
    """Stands in for a module's `time`: it moves by `step_ns` with each look, and by a test's hand."""

    def __init__(self, step_ns=0):
        self.ns = 10**12
        self.step_ns = step_ns

    def monotonic_ns(self):
        self.ns += self.step_ns
        return self.ns

    def monotonic(self):
        return self.monotonic_ns() / 1e9
