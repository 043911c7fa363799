"""For all tests: a busy machine is no defect."""

import pytest
from hypothesis import HealthCheck, settings

from edge.engines.worker import EngineWorker
from tests.patience import PATIENCE_S

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

LIMITS = (
    "edge.engines.process.PATIENCE_S",
    "edge.outputs.log._CLOSING_S",
    "edge.outputs.reception.PATIENCE_S",
    "edge.sources.igtl.SILENCE_S",
)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Threads and processes may be slow to answer, but where a test is about that and sets a limit itself."""
    monkeypatch.setitem(EngineWorker.__init__.__kwdefaults__, "deadline_s", PATIENCE_S)
    for limit in LIMITS:
        monkeypatch.setattr(limit, PATIENCE_S)
