"""A patient is entered for one examination, checked, shown to the operator, and forgotten with the next."""

import json
import threading

import msgspec
import pytest

from edge.contract.roi import Roi
from edge.errors import DataError, NoInputError, SonocartError, UnavailableError, UsageError
from edge.exam.desk import Choices, Desk
from edge.outputs import reception as module
from edge.outputs.dicom.order import Order, Subject
from edge.outputs.dicom.worklist import read_worklist
from edge.outputs.reception import Reception
from tests.fakes import spec
from tests.outputs.readings import POINT
from tests.patience import PATIENCE_S

TYPED = {
    "patient_id": " P-7 ",
    "patient_name": "Doe^Jane",
    "birth_date": "19700228",
    "sex": "F",
    "accession_number": "A1",
}


def item(patient, name, accession):
    return {
        "00100020": {"vr": "LO", "Value": [patient]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]},
        "00080050": {"vr": "SH", "Value": [accession]},
    }


class Front:
    """A reception with its desk and worklist."""

    def __init__(self, configured=Subject, worklist=None):
        self.desk = Desk(spec(), Choices(None, POINT))
        self.reception = Reception(self.desk, configured, worklist)

    def enter(self, **entry):
        self.reception.enter(msgspec.json.encode(entry))

    def now(self):
        return self.reception.identify(self.desk.choices.case).result(PATIENCE_S)


def test_who_was_typed_in_is_examined_in_a_case_of_its_own():
    front = Front()
    assert front.now() == Subject()
    before = front.desk.choices.case
    front.enter(details=TYPED)
    assert front.now() == Order("P-7", "Doe^Jane", "19700228", "F", "A1")
    with pytest.raises(UnavailableError, match="over"):  # what was kept before is not of this patient
        front.reception.identify(before).result(PATIENCE_S)
    known = front.reception.known()
    assert known.words == "Doe Jane, ID P-7, born 1970-02-28, F, order A1"
    assert known.entered


@pytest.mark.parametrize("order", ['{"grade": null}', '{"grade": null, "second_reader": true}'])
def test_next_case_forgets_the_patient(order):
    front = Front()
    front.enter(details=TYPED)
    front.desk.follow(order, Roi(0, 0, 64, 64))
    assert front.now() == Subject()
    assert "nobody" in front.reception.known().words


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"patient_id": ""}, "patient_id"),
        ({"patient_id": "A\\B"}, "patient_id"),
        ({"birth_date": "19700231"}, "birth_date"),
        ({"birth_date": "1970"}, "birth_date"),
        ({"sex": "female"}, "sex"),
        ({"accession_number": "x" * 17}, "accession_number"),
        ({"patient_name": "a\x00b"}, "patient_name"),
        ({"patient_name": "<img src=x>^" + "y" * 70}, "patient_name"),
    ],
)
def test_value_that_dicom_cannot_hold_is_named_and_changes_nothing(details, field):
    front = Front()
    with pytest.raises(DataError, match=field):
        front.enter(details={**TYPED, **details})
    assert front.now() == Subject()
    assert front.desk.choices.case == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"details": 7}', b'{"key": "x", "details": {"patient_id": "1"}}', b"\xff"],
)
def test_body_that_is_no_entry_is_refused(body):
    with pytest.raises(UsageError, match="not understood"):
        Front().reception.enter(body)


def test_order_is_chosen_from_the_worklist(tmp_path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps([item("P1", "Doe^Jane", "A1"), item("P2", "Roe^Rita", "A2")]))
    front = Front(worklist=path)
    keys = front.reception.known().worklist
    assert [words for _, words in keys] == ["Doe Jane, ID P1, order A1", "Roe Rita, ID P2, order A2"]
    front.enter(key=keys[1][0])
    assert front.now().patient_id == "P2"
    path.write_text(json.dumps([item("P1", "Doe^Jane", "A1")]))
    with pytest.raises(UsageError, match="not in the worklist any more"):
        front.enter(key=keys[1][0])
    assert front.now().patient_id == "P2"


def test_malformed_worklist_is_named_and_hides_no_good_order(tmp_path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps([item("P1", "Doe^Jane", "A1"), item("", "Roe^Rita", "A2")]))
    known = Front(worklist=path).reception.known()
    assert len(known.worklist) == 1
    assert known.problem == "order 2 of the worklist: 'patient_id' is empty; an identified study needs one"
    path.write_bytes(b"\x00garbage")
    front = Front(worklist=path)
    assert "no worklist item" in front.reception.known().problem
    front.enter(details=TYPED)
    assert front.now().patient_id == "P-7", "typing goes on"
    with pytest.raises(NoInputError):
        Front(worklist=tmp_path / "none").enter(key="x")


def test_configuration_that_cannot_be_followed_is_told():
    def refuse() -> Subject:
        raise SonocartError("the worklist is gone")

    assert Front(configured=refuse).reception.known().words == "nobody: the worklist is gone"


def test_typo_is_corrected_within_the_case():
    front = Front()
    front.enter(details=TYPED)
    case = front.desk.choices.case
    assert front.reception.known().details.patient_name == "Doe^Jane"
    front.enter(details={**TYPED, "patient_name": "Roe^Jane"}, correct=True, case=front.desk.choices.case)
    assert front.desk.choices.case == case
    assert front.now() == Order("P-7", "Roe^Jane", "19700228", "F", "A1")


def test_correction_that_comes_after_the_next_patient_renames_nobody():
    front = Front()
    front.enter(details=TYPED)
    opened = front.reception.known().case
    front.enter(details={**TYPED, "patient_id": "P-8", "patient_name": "Roe^Richard"})
    for case in (opened, None):
        with pytest.raises(UsageError, match="another case has begun"):
            front.enter(details={**TYPED, "patient_name": "Doe^Janet"}, correct=True, case=case)
    assert front.now().patient_name == "Roe^Richard"


def test_correction_keeps_what_the_worklist_says_of_the_order(tmp_path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps([item("P1", "Doe^Jane", "A1") | {"00081030": {"vr": "LO", "Value": ["US"]}}]))
    front = Front(worklist=path)
    front.enter(key=front.reception.known().worklist[0][0])
    before = front.reception._now.entered
    front.enter(details={**TYPED, "patient_name": "Roe^Jane"}, correct=True, case=front.desk.choices.case)
    after = front.now()
    assert after.patient_name == "Roe^Jane"
    assert after.procedure_description == before.procedure_description
    assert after.study_uid == before.study_uid


def test_nothing_is_corrected_that_is_written_already_or_was_never_entered():
    front = Front()
    with pytest.raises(UsageError, match="nobody was entered"):
        front.enter(details=TYPED, correct=True, case=front.desk.choices.case)
    front.enter(details=TYPED)
    front.now()  # something is kept
    with pytest.raises(UsageError, match="correct them in the archive"):
        front.enter(details={**TYPED, "patient_name": "Roe^Jane"}, correct=True, case=front.desk.choices.case)
    assert front.now().patient_name == "Doe^Jane"
    front.enter(details={**TYPED, "patient_name": "Roe^Jane"})
    assert front.now().patient_name == "Roe^Jane"


def test_file_that_changes_within_a_case_changes_nobody_until_the_next(tmp_path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps([item("P1", "Doe^Jane", "A1")]))
    front = Front(lambda: read_worklist(path), path)
    assert front.now().patient_id == "P1"
    path.write_text(json.dumps([item("P2", "Roe^Rita", "A2")]))
    assert front.now().patient_id == "P1"
    assert "Doe Jane" in front.reception.known().words
    front.desk.follow('{"grade": null}', Roi(0, 0, 64, 64))
    assert front.now().patient_id == "P2"
    path.unlink()
    assert "Roe Rita" in front.reception.known().words


def test_patient_is_settled_as_the_case_begins_and_not_when_somebody_asks():
    asked = threading.Semaphore(0)

    def configured():
        asked.release()
        return Subject()

    front = Front(configured)
    assert asked.acquire(timeout=PATIENCE_S)
    front.desk.follow('{"grade": null}', Roi(0, 0, 64, 64))
    assert asked.acquire(timeout=PATIENCE_S)
    front.now()
    front.reception.known()
    assert not asked.acquire(blocking=False), "asked once"


def test_file_that_hangs_holds_up_nobody_and_names_nobody_in_this_case(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    hanging = threading.Event()

    def configured():
        hanging.wait(PATIENCE_S)
        return Order("P1")

    front = Front(configured)
    who = front.reception.identify(0)
    assert front.reception.known().words == "nobody: the worklist does not answer"
    hanging.set()
    with pytest.raises(UnavailableError):
        who.result(PATIENCE_S)
    assert front.reception.identify(0) is who, "also when it answers after all"


def test_configured_patient_and_case_change_in_one_step():
    front = Front(lambda: Order("P1"))
    before = front.desk.choices.case
    front.reception.configure(lambda: Order("P2"), None)
    assert front.desk.choices.case == before + 1
    assert front.now() == Order("P2")
    front.enter(details=TYPED)
    front.desk.follow('{"grade": null}', Roi(0, 0, 64, 64))
    assert front.now() == Order("P2")
