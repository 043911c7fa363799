"""The viewers' bench visits a real page and lets nothing behind."""

import pytest

from edge.bench import viewers
from tests.networks import write_bundle, write_study


@pytest.mark.slow
def test_visitors_are_counted_and_the_stalled_one_is_dropped(tmp_path, monkeypatch):
    bundle = write_bundle(tmp_path / "bundle", write_study(tmp_path / "study"))
    monkeypatch.setattr(viewers, "MANY", 3)
    monkeypatch.setattr(viewers, "IDLE", 5)
    monkeypatch.setattr(viewers, "START_S", 600.0)  # the phantom is scanned first
    figures = viewers.measure_viewers(bundle.path, ["--source", "phantom:"], 1.0, 1, lambda _: None)
    assert figures["one viewer: presented, Hz"] > 0
    assert figures["3 viewers: seen by each, Hz"] > 0
    assert 1 <= figures["stalled viewer: pictures held"] <= 2
    assert figures["order to effect, median, ms"] > 0
    assert "stalled viewer dropped after, s" in figures  # that it is after PATIENCE_S is tested with the page
