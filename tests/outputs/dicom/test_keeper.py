"""From the running picture to the queue: what the operator keeps becomes one study, and nothing is lost."""

import json
import shutil
import subprocess
import time
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from edge.contract.frame import PixelFormat
from edge.contract.roi import Roi
from edge.errors import CannotCreateError, DataError
from edge.exam.desk import Choices, Desk
from edge.exam.findings import Findings
from edge.loop import Overlay
from edge.outputs.dicom import images
from edge.outputs.dicom import keeper as module
from edge.outputs.dicom.finding import Model
from edge.outputs.dicom.keeper import Keeper, as_rgb
from edge.outputs.dicom.order import Order, Subject
from edge.outputs.dicom.outbox import Outbox
from edge.outputs.dicom.worklist import read_worklist
from edge.outputs.reception import Reception
from edge.outputs.recorder import Habits, Recorder
from edge.outputs.recordings import Recordings
from edge.outputs.segment import Shelf
from edge.timing import Timing
from tests.clips import i420, tissue
from tests.fakes import spec
from tests.outputs.readings import IDENTITY, POINT, reading
from tests.patience import wait_for
from tests.test_blit import ENCODINGS, blank
from tests.test_blit import as_rgb as expected_rgb

FIELD = Roi(160, 40, 320, 280)
MODEL = Model(name="m", version="7", precision="fp32", bundle_id="abcdef012345", passport_id=None)


def shown(sequence, overlay, risk=0.7):
    luma = tissue(sequence, 360, 640, (160, 40, 320, 280))
    luma[4:20, 4:150] = 235  # the scanner's text
    frame = i420(luma, sequence=sequence, captured_ns=sequence * 40_000_000)
    said = reading(frame, field=FIELD, risk=risk)
    under = overlay.draw(frame, said, np.zeros((90, 160), np.uint8))
    return frame, replace(said, under=under, panel=overlay.place)


def known(who):
    """An answer of the reception."""
    answer = Future()
    answer.set_result(who)
    return answer


class Cart:
    """A keeper with its desk and queue, fed picture by picture."""

    def __init__(self, folder, identify=lambda _: known(Subject()), outbox=None, recordings=None, desk=None):
        self.desk = desk or Desk(spec(), Choices(None, POINT))
        self.outbox = Outbox(folder / "queue")
        self.keeper = Keeper(self.desk, MODEL, identify, outbox or self.outbox, recordings)
        self.overlay, self.sequence = Overlay(IDENTITY), 0

    def order(self, text):
        self.desk.follow(text, Roi(0, 0, 640, 360))

    def show(self, **options):
        frame, said = shown(self.sequence, self.overlay, **options)
        said = replace(said, choices=replace(said.choices, case=self.desk.choices.case))
        self.keeper.present(frame, said)
        self.sequence += 1
        return frame, said

    def objects(self):
        return [pydicom.dcmread(item.path) for item in self.outbox.waiting()]

    def said(self):
        return [event.text for event in self.desk.events() if event.kind == "dicom"]


def test_snapshot_becomes_pictures_and_report_of_one_study(tmp_path):
    cart = Cart(tmp_path)
    cart.show()
    cart.order('{"snapshot": true}')
    cart.show()
    cart.show()
    cart.keeper.close()
    objects = {item.SeriesDescription: item for item in cart.objects() if "SeriesDescription" in item}
    assert len(cart.objects()) == 3
    assert len({item.StudyInstanceUID for item in cart.objects()}) == 1
    clean, annotated = objects["sonocart clean"].pixel_array, objects["sonocart annotated"].pixel_array
    source = expected_rgb(i420(tissue(1, 360, 640, (160, 40, 320, 280))))
    inside = np.s_[80:280, 200:440]
    assert np.abs(clean[inside].astype(int) - source[inside]).max() <= 2  # of the picture after the order
    assert clean[4:20, 4:150].max() == annotated[4:20, 4:150].max() == 0  # no text of the scanner
    place = cart.overlay.place
    assert annotated[place.y : place.bottom, place.x : place.right].max() > 200
    report = next(item for item in cart.objects() if item.Modality == "SR")
    assert "70.0" in str(report)
    assert {str(item.PatientName) for item in cart.objects()} == {"ANONYMOUS^"}
    assert cart.said() == ["a snapshot is kept"]


def test_one_case_is_one_study_and_a_new_case_another(tmp_path):
    cart = Cart(tmp_path)
    for order in ('{"snapshot": true}', '{"snapshot": true}', '{"grade": null}', '{"snapshot": true}'):
        cart.order(order)
        cart.show()
    cart.keeper.close()
    studies = [item.StudyInstanceUID for item in cart.objects() if item.Modality == "SR"]
    assert len(studies) == 3
    assert len(set(studies)) == 2


def test_hidden_risk_is_not_reported(tmp_path):
    cart = Cart(tmp_path)
    cart.order('{"snapshot": true}')
    frame, said = shown(0, cart.overlay)
    cart.keeper.present(frame, replace(said, choices=replace(said.choices, hidden=True)))
    cart.keeper.close()
    assert sorted(item.Modality for item in cart.objects()) == ["US", "US"]


def test_worklist_names_the_patient(tmp_path):
    cart = Cart(tmp_path, lambda _: known(Order("P1", "Doe^Jane", study_uid="1.2.3.4")))
    cart.order('{"snapshot": true}')
    cart.show()
    cart.keeper.close()
    assert {(i.PatientID, str(i.PatientName), i.StudyInstanceUID) for i in cart.objects()} == {
        ("P1", "Doe^Jane", "1.2.3.4")
    }


def test_malformed_worklist_loses_nothing_and_names_nobody(tmp_path):
    refused = Future()
    refused.set_exception(DataError("worklist 'w.wl': 'sex' is not M, F or O"))
    cart = Cart(tmp_path, lambda _: refused)
    cart.order('{"snapshot": true}')
    cart.show()
    cart.keeper.close()
    assert {item.PatientIdentityRemoved for item in cart.objects()} == {"YES"}
    assert cart.said() == [
        "this study is written without identity: worklist 'w.wl': 'sex' is not M, F or O",
        "a snapshot is kept",
    ]


def test_full_disk_keeps_the_snapshot_until_there_is_room(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TRY_AGAIN_S", 0.02)
    real, full = Outbox(tmp_path / "queue"), [True] * 3

    class Full:
        def put(self, files):
            if full:
                full.pop()
                raise CannotCreateError("cannot queue: No space left on device")
            return real.put(files)

    cart = Cart(tmp_path, outbox=Full())
    cart.order('{"snapshot": true}')
    cart.show()
    wait_for(lambda: len(cart.objects()) == 3)
    cart.keeper.close()
    assert cart.said()[-1] == "a snapshot is kept"
    assert "No space left" in cart.said()[0]


def test_picture_without_a_known_field_is_not_kept_unmasked(tmp_path):
    cart = Cart(tmp_path)
    cart.order('{"snapshot": true}')
    frame, said = shown(0, cart.overlay)
    cart.keeper.present(frame, replace(said, field=None, region=None))
    cart.keeper.close()
    assert cart.objects() == []
    assert "field is not known" in cart.said()[0]


def test_finished_recording_joins_the_study(tmp_path):
    shelf = Recordings(tmp_path / "recordings", 1 << 30, archive=True)
    cart = Cart(tmp_path, recordings=shelf)
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), Timing())
    cart.order('{"snapshot": true}')
    for _ in range(12):
        recorder.present(*cart.show())
    recorder.close()
    cart.keeper.close()
    clips = [item for item in cart.objects() if "NumberOfFrames" in item]
    assert [item.NumberOfFrames for item in clips] == [12, 12]
    assert len({item.StudyInstanceUID for item in cart.objects()}) == 1
    assert len(cart.objects()) == 5
    if shutil.which("dciodvfy") is not None:
        for item in cart.outbox.waiting():
            said = subprocess.run(["dciodvfy", str(item.path)], capture_output=True, text=True, check=False)
            assert "Error" not in said.stderr + said.stdout


@pytest.mark.parametrize("raw", [False, True])
def test_recording_is_masked_by_its_own_field_and_not_by_the_present_one(tmp_path, raw):
    shelf = Recordings(tmp_path / "recordings", 1 << 30, archive=True)
    cart = Cart(tmp_path, recordings=shelf)
    cart.keeper._recordings = None
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True, raw=raw), Timing())
    for number in range(12):
        frame, said = cart.show()
        grown = Roi(FIELD.x, FIELD.y, FIELD.width, FIELD.height - 40) if number < 3 else FIELD
        recorder.present(frame, replace(said, field=grown))
    recorder.close()
    frame, said = cart.show()
    cart.keeper.present(frame, replace(said, field=Roi(0, 0, 640, 360)))  # the scanner shows another screen
    cart.keeper._recordings = shelf
    cart.keeper.close()
    clean = next(item for item in cart.objects() if item.SeriesDescription == "sonocart clean")
    picture = clean.pixel_array[-1]
    assert picture[:30, :150].max() < 24, "no text of the scanner"
    assert picture[100:240, 200:440].max() > 60
    assert (picture[290:310, 200:440].max() < 24) == raw, "what was not the field all the time is left out"


def test_recording_that_is_finished_in_the_next_case_is_of_the_patient_who_was_recorded(tmp_path):
    shelf = Recordings(tmp_path / "recordings", 1 << 30, archive=True)
    patients = ["P1"]
    cart = Cart(tmp_path, lambda _: known(Order(patients[0], "Doe^Jane")), recordings=shelf)
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), Timing(), cart.desk)
    cart.keeper._recordings = None  # it has not looked yet
    for _ in range(12):
        recorder.present(*cart.show())
    wait_for(lambda: cart.desk.keeping.recording or recorder.present(*cart.show()))
    recorder.present(*cart.show())
    recorder.close()
    patients[0] = "P2"
    cart.order('{"grade": null}')
    cart.show()
    cart.keeper._recordings = shelf
    cart.keeper.close()
    assert {item.PatientID for item in cart.objects()} == {"P1"}


def test_recording_of_a_case_that_nobody_named_in_time_is_of_nobody(tmp_path):
    shelf = Recordings(tmp_path / "recordings", 1 << 30, archive=True)
    cart = Cart(tmp_path, lambda _: known(Order("P2", "Doe^Jane")), recordings=shelf)
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), Timing())
    for number in range(12):
        recorder.present(*shown(number, cart.overlay))
    cart.order('{"grade": null}')
    cart.show()
    recorder.close()
    cart.keeper.close()
    assert len(cart.objects()) == 2
    assert {item.PatientIdentityRemoved for item in cart.objects()} == {"YES"}


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_rgb_of_every_format(encoding):
    frame = blank(encoding, 150)
    assert np.abs(as_rgb(frame).astype(int) - expected_rgb(frame)).max() <= 1


def test_page_and_objects_name_one_patient_though_the_worklist_changes_within_the_case(tmp_path):
    path = tmp_path / "list.json"

    def schedule(patient):
        path.write_text(json.dumps([{"00100020": {"vr": "LO", "Value": [patient]}}]))

    schedule("P1")
    desk = Desk(spec(), Choices(None, POINT))
    reception = Reception(desk, lambda: read_worklist(path), path)
    assert reception.identify(0).result(30).patient_id == "P1"  # it is read as the case begins
    cart = Cart(tmp_path, reception.identify, desk=desk)
    cart.show()
    schedule("P2")  # before the first snapshot
    shown = []
    for order in ('{"snapshot": true}', '{"grade": null}', '{"snapshot": true}'):
        cart.order(order)
        shown.append(reception.known().words)
        cart.show()
    cart.keeper.close()
    assert shown == ["ID P1", "ID P2", "ID P2"]
    patients = [item.PatientID for item in cart.objects() if item.Modality == "SR"]
    assert sorted(patients) == ["P1", "P2"]


def test_identity_that_does_not_come_does_not_hold_up_the_picture(tmp_path):
    who = Future()
    cart = Cart(tmp_path, lambda _: who)
    cart.order('{"snapshot": true}')
    cart.show()  # would hang here
    cart.show()
    assert cart.objects() == []
    who.set_result(Order("P1"))
    cart.keeper.close()
    assert {item.PatientID for item in cart.objects()} == {"P1"}


def recorded(tmp_path, **options):
    """A cart, and a finished recording that it has not looked for yet."""
    shelf = Recordings(tmp_path / "recordings", 1 << 30, archive=True)
    cart = Cart(tmp_path, recordings=shelf, **options)
    cart.keeper._recordings = None
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), Timing())
    for _ in range(12):
        recorder.present(*cart.show())
    recorder.close()
    return cart, shelf


@pytest.mark.parametrize("error", [CannotCreateError("no room"), OSError(28, "no room")])
def test_recording_that_finds_no_room_is_tried_again(tmp_path, monkeypatch, error):
    monkeypatch.setattr(module, "_TRY_AGAIN_S", 0.02)
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    full, write = [True] * 3, module.write_each

    def written(*args):
        if full:
            full.pop()
            raise error
        return write(*args)

    monkeypatch.setattr(module, "write_each", written)
    cart, shelf = recorded(tmp_path)
    cart.keeper._recordings = shelf
    wait_for(lambda: len(cart.objects()) == 2)
    cart.keeper.close()
    assert len(cart.said()) == 2, "said once that it waits, and that it is kept"
    assert "no room" in cart.said()[0]


def test_folder_that_cannot_be_listed_does_not_end_the_keeping(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TRY_AGAIN_S", 0.02)
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    cart, shelf = recorded(tmp_path)
    gone, clips = [True] * 2, shelf.clips

    def listed():
        if gone:
            gone.pop()
            raise OSError(5, "Input/output error")
        return clips()

    monkeypatch.setattr(shelf, "clips", listed)
    cart.keeper._recordings = shelf
    wait_for(lambda: len(cart.objects()) == 2)
    cart.keeper.close()


def test_recording_that_is_damaged_is_said_once_and_left(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    cart, shelf = recorded(tmp_path)
    for clip in shelf.clips():
        shelf.open(clip.id, "clean").write_bytes(b"x")
    cart.keeper._recordings = shelf
    wait_for(cart.said)
    time.sleep(0.2)
    cart.keeper.close()
    assert ["cannot be kept" in text for text in cart.said()] == [True]


def test_patients_before_are_forgotten_once_nothing_of_them_can_come(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    monkeypatch.setattr(module, "_FINISHED_S", 0.1)
    cart = Cart(tmp_path, lambda number: known(Order(f"P{number}")))
    for _ in range(3):
        cart.order('{"grade": null}')
        cart.order('{"snapshot": true}')
        cart.show()
    wait_for(lambda: set(cart.keeper._asked) == set(cart.keeper._cases) == {3})
    cart.order('{"snapshot": true}')
    cart.show()
    cart.keeper.close()
    studies = {item.StudyInstanceUID for item in cart.objects() if item.PatientID == "P3"}
    assert len(studies) == 1, "the present case is not forgotten"


def verify(cart):
    """What the validator of DICOM objects says of all that waits, where it is installed."""
    if shutil.which("dciodvfy") is None:
        return
    for item in cart.outbox.waiting():
        said = subprocess.run(["dciodvfy", str(item.path)], capture_output=True, text=True, check=False)
        assert "Error" not in said.stderr + said.stdout


def test_long_recording_becomes_parts_of_one_series_and_snapshots_go_between(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "PART", 40_000)
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    cart, shelf = recorded(tmp_path, identify=lambda _: known(Order("P1", "Doe^Jane")))
    put = cart.outbox.put

    class Watched:
        def put(self, files):
            if len(cart.outbox.waiting()) == 1:  # the first part is there: somebody wants a snapshot
                cart.order('{"snapshot": true}')
                cart.show()
            return put(files)

    cart.keeper._outbox = Watched()
    cart.keeper._recordings = shelf
    wait_for(lambda: len(cart.said()) == 2)
    cart.keeper.close()
    assert cart.said()[0] == "a snapshot is kept"
    verify(cart)
    parts = [item for item in cart.objects() if "NumberOfFrames" in item]
    clean = sorted(
        (item for item in parts if item.SeriesDescription == "sonocart clean"),
        key=lambda item: item.InstanceNumber,
    )
    assert len(clean) > 2
    assert sum(item.NumberOfFrames for item in clean) == 12
    assert len({item.SeriesInstanceUID for item in clean}) == 1
    assert len({item.StudyInstanceUID for item in cart.objects()}) == 1
    assert [item.InstanceNumber for item in clean] == list(range(1, len(clean) + 1))
    times = [item.AcquisitionDateTime for item in clean]
    assert times == sorted(set(times))
    assert max(len(item.PixelData) for item in parts) < 40_000 * 1.5
    others = [item for item in cart.objects() if "NumberOfFrames" not in item and item.Modality == "US"]
    assert not {item.InstanceNumber for item in others} & {item.InstanceNumber for item in clean}


def test_recording_that_a_stop_kept_from_the_archive_is_kept_by_the_next_start_without_identity(tmp_path):
    cart, _ = recorded(tmp_path, identify=lambda _: known(Order("P1", "Doe^Jane")))
    cart.keeper.close()
    assert cart.objects() == []
    again = Recordings(tmp_path / "recordings", 1 << 30, archive=True)
    next_start = Cart(tmp_path, lambda _: known(Order("P2", "Roe^Richard")), recordings=again)
    next_start.show()  # the case has the same number as the other start's
    wait_for(lambda: len(next_start.objects()) == 2)
    next_start.keeper.close()
    assert {item.PatientIdentityRemoved for item in next_start.objects()} == {"YES"}
    assert [clip.waiting for clip in again.clips()] == [False]
    third = Cart(tmp_path / "third", recordings=again)
    third.keeper.close()
    assert third.objects() == []


def test_recording_made_without_an_archive_is_not_sent_once_there_is_one(tmp_path):
    shelf = Recordings(tmp_path / "recordings", 1 << 30)
    cart = Cart(tmp_path)
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), Timing())
    for _ in range(12):
        recorder.present(*cart.show())
    recorder.close()
    cart.keeper.close()
    again = Recordings(tmp_path / "recordings", 1 << 30, archive=True)
    next_start = Cart(tmp_path, recordings=again)
    next_start.keeper.close()
    assert next_start.objects() == []


def test_all_of_a_case_has_one_study_time_numbers_of_its_own_and_a_tracking_uid_for_each_lesion(tmp_path):
    cart = Cart(tmp_path, lambda _: known(Order("P1", "Doe^Jane")))
    first, second = Roi(200, 80, 40, 40), Roi(200, 80, 40, 40)  # marked anew at the same place
    for mark in (first, first, second, None):
        cart.order('{"snapshot": true}')
        frame, said = shown(cart.sequence, cart.overlay)
        cart.sequence += 1
        found = Findings(lesion=mark, px_per_mm=8.0)
        choices = replace(said.choices, lesion=mark)
        cart.keeper.present(frame, replace(said, findings=found, choices=choices))
        time.sleep(0.01)  # another time of capture
    cart.keeper.close()
    verify(cart)
    objects = cart.objects()
    assert len({item.StudyTime for item in objects}) == len({item.StudyInstanceUID for item in objects}) == 1
    for series in {item.SeriesInstanceUID for item in objects}:
        numbers = [item.InstanceNumber for item in objects if item.SeriesInstanceUID == series]
        assert sorted(numbers) == [1, 2, 3, 4]
    reports = sorted((i for i in objects if i.Modality == "SR"), key=lambda item: item.InstanceNumber)
    tracked = [_values(report, "Tracking Unique Identifier") for report in reports]
    assert tracked[0] == tracked[1]
    assert len({tuple(one) for one in tracked}) == 3
    clean = next(item for item in objects if item.get("SeriesDescription") == "sonocart clean")
    region = clean.SequenceOfUltrasoundRegions[0]
    assert region.PhysicalDeltaX == pytest.approx(0.0125)  # centimetres
    assert _values(reports[0], "Width") == ["5.0"]


def _values(report, meaning):
    """UIDs or figures of the content items with that name."""
    found, rest = [], list(report.ContentSequence)
    while rest:
        item = rest.pop(0)
        rest += item.get("ContentSequence", [])
        names = item.get("ConceptNameCodeSequence")
        if names and names[0].CodeMeaning == meaning:
            found.append(str(item.UID if "UID" in item else item.MeasuredValueSequence[0].NumericValue))
    return found


def test_field_that_reaches_the_edge_of_an_odd_picture_is_kept(tmp_path):
    cart = Cart(tmp_path)
    cart.order('{"snapshot": true}')
    frame = i420(tissue(0, 360, 640, (160, 40, 320, 280)))
    odd = replace(frame, planes=(np.full((361, 641), 90, np.uint8),), format=PixelFormat.GRAY8)
    cart.keeper.present(odd, reading(odd, field=Roi(0, 0, 641, 361)))
    cart.keeper.close()
    assert cart.said() == ["a snapshot is kept"]
