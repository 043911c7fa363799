"""A wall clock that stands at 1970 or is set back dates things wrongly, and does nothing else."""

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from edge.exam.desk import Choices, Desk
from edge.outputs.dicom.order import Order
from edge.outputs.page.hub import Hub
from edge.outputs.page.picture import View
from edge.outputs.recordings import Recordings
from edge.outputs.segment import Shelf
from edge.timing import Timing
from tests.fakes import spec
from tests.outputs.dicom.test_keeper import Cart, known
from tests.outputs.readings import IDENTITY, POINT, reading
from tests.outputs.test_recorder import frames, run
from tests.pages import grey
from tests.patience import Clock, wait_for

NOW = datetime(2031, 3, 1, 10, tzinfo=timezone.utc)


@pytest.fixture
def clock(monkeypatch):
    """What the wall clock says, wherever it is asked; the monotonic one goes on."""
    said = [NOW]
    stopped = SimpleNamespace(now=lambda zone: said[0].astimezone(zone), fromisoformat=datetime.fromisoformat)
    for module in ("edge.outputs.recordings", "edge.outputs.dicom.keeper", "edge.exam.desk"):
        monkeypatch.setattr(f"{module}.datetime", stopped)
    monkeypatch.setattr("time.time", lambda: said[0].timestamp())
    return said


@pytest.mark.parametrize("step", [timedelta(days=-1), NOW - datetime(1970, 1, 1, tzinfo=timezone.utc)])
def test_recordings_keep_their_order_and_the_oldest_goes_first(tmp_path, clock, step):
    folder = Recordings(tmp_path, 1 << 30)
    for clock[0] in (NOW, NOW - abs(step), NOW - abs(step)):
        run(Shelf(folder), frames(3))
    assert [clip.id for clip in folder.clips()] == ["000003", "000002", "000001"]
    folder.cap = 0
    assert folder.free_oldest()
    assert [clip.id for clip in folder.clips()] == ["000003", "000002"]


def test_patient_study_is_kept_and_its_wrong_date_is_said(tmp_path, clock):
    clock[0] = datetime(1970, 1, 1, tzinfo=timezone.utc)
    cart = Cart(tmp_path, lambda _: known(Order("P1", "Doe^Jane")))
    cart.show()
    cart.order('{"snapshot": true}')
    cart.show()
    cart.keeper.close()
    assert {item.PatientID for item in cart.objects()} == {"P1"}
    assert len({item.StudyInstanceUID for item in cart.objects()}) == 1
    assert any("clock says 1970-01-01" in text for text in cart.said())


def test_studies_of_the_same_wrong_moment_stay_two(tmp_path, clock):
    cart = Cart(tmp_path, lambda number: known(Order(f"P{number}", "Doe^Jane")))
    for _ in range(2):
        cart.order('{"grade": null}')
        cart.order('{"snapshot": true}')
        cart.show()
    cart.keeper.close()
    assert len({item.StudyInstanceUID for item in cart.objects()}) == 2
    assert len({item.SOPInstanceUID for item in cart.objects()}) == len(cart.objects())


def test_page_goes_on_counting_and_noting(clock, monkeypatch):
    monkeypatch.setattr("edge.outputs.page.hub.time", Clock(step_ns=1))  # it has no wall clock at all
    hub = Hub(IDENTITY, Desk(spec(), Choices(None, POINT)), Timing())
    hub._viewers[View.ANNOTATED] = 1
    frame = grey(100)
    hub.present(frame, reading(frame))
    wait_for(lambda: hub.desk.noted)
    clock[0] = datetime(1970, 1, 1, tzinfo=timezone.utc)
    before = hub.presented_s
    hub.present(frame, reading(frame))
    hub.desk.note("mark", "after")
    assert hub.presented_s >= before
    assert hub.silent_s < 1.0
    numbers = [event.number for event in hub.desk.events()]
    assert numbers == sorted(numbers)
    hub.close()
