"""Orders are carried out as a whole or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.errors import SonocartError
from edge.exam.desk import Choices, Desk, Keeping
from tests.fakes import spec

BOUNDS = Roi(0, 0, 640, 480)
POINT = OperatingPoint(name="balanced", threshold=0.5)


@pytest.fixture
def desk():
    return Desk(spec(), Choices(None, POINT))


def test_orders_change_what_they_name_and_nothing_else(desk):
    desk.follow('{"roi": [10, 20, 100, 50]}', BOUNDS)
    desk.follow('{"hidden": true}', BOUNDS)
    assert desk.choices == Choices(Roi(10, 20, 100, 50), POINT, True)
    desk.follow('{"roi": null, "hidden": false, "point": "balanced"}', BOUNDS)
    assert desk.choices == Choices(None, POINT, False)


@pytest.mark.parametrize(
    "order",
    [
        '{"roi": [600, 20, 100, 50], "hidden": true}',
        '{"roi": [0, 0, 4, 4]}',
        '{"roi": [-1, 0, 40, 40]}',
        '{"roi": [1.5, 0, 40, 40]}',
        '{"roi": [1, 0, 40]}',
        '{"roi": [1e400, 0, 40, 40]}',
        '{"hidden": true, "point": "brave"}',
        '{"hidden": 1}',
        '{"unknown": 1}',
        '{"grade": "perhaps"}',
        '{"prevalence": 0}',
        '{"prevalence": 1.5}',
        '{"place": [640, 0]}',
        '{"mark": " "}',
        '{"mark": "%s"}' % ("x" * 200),
        '{"mark": "ok", "grade": "no"}',
        "[]",
        "next?",
        "",
        b"\xff\xfe",
        "[" * 4000,
    ],
)
def test_wrong_order_is_an_error_and_changes_nothing(desk, order):
    before = desk.choices
    with pytest.raises(SonocartError):
        desk.follow(order, BOUNDS)
    assert desk.choices is before


def test_second_reader_conceals_the_risk_until_the_case_is_graded(desk):
    desk.follow('{"second_reader": true}', BOUNDS)
    assert "grade" in desk.choices.concealed
    desk.follow('{"grade": "uncertain"}', BOUNDS)
    assert desk.choices.concealed is None
    desk.follow('{"grade": null}', BOUNDS)
    assert desk.choices.concealed is not None
    assert [event.text for event in desk.events() if event.kind == "grade"] == [
        "grade: uncertain",
        "grade taken back",
    ]


def test_what_was_done_is_noted_once_and_can_be_polled(desk):
    desk.follow('{"mark": "needle in", "heatmap": true}', BOUNDS)
    desk.follow('{"snapshot": true}', BOUNDS)
    kinds = [event.kind for event in desk.events()]
    assert kinds == ["choice", "mark", "snapshot"]
    assert [event.number for event in desk.events(2)] == [3]


def test_black_box_is_written_when_asked_for_and_its_lack_is_said(desk):
    with pytest.raises(SonocartError, match="--black-box"):
        desk.follow('{"black_box": true, "hidden": true}', BOUNDS)
    assert not desk.choices.hidden
    asked = []
    desk.black_box = asked.append
    desk.follow('{"black_box": true}', BOUNDS)
    desk.follow('{"black_box": false}', BOUNDS)
    assert asked == ["asked for by the operator"]
    (event,) = desk.events()
    assert (event.kind, event.text) == ("black box", "last minute: being written, as the operator asked…")


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ('{"lesion": [10, 20, 100, 50]}', ["lesion marked, 100x50 pixels"]),
        ('{"roi": [10, 20, 100, 50]}', ["field drawn, 100x50 pixels"]),
        ('{"hidden": true}', ["risk hidden"]),
        ('{"second_reader": true}', ["second reader: on"]),
        ('{"second_reader": true, "grade": null}', ["second reader: on", "new case"]),
        ('{"heatmap": true}', ["heat map: on"]),
        ('{"point": "other"}', ["operating point: other"]),
        ('{"place": [12, 40]}', ["panel moved to 12,40"]),
        ('{"prevalence": 0.07}', ["prevalence: 7 %"]),
        ('{"grade": "benign"}', ["grade: benign"]),
        ('{"grade": null}', ["new patient"]),
        ('{"lesion": null}', []),
        ('{"snapshot": true}', ["snapshot asked for by the operator"]),
    ],
)
def test_log_says_in_words_what_was_done(order, words):
    points = POINT, OperatingPoint(name="other", threshold=0.3)
    desk = Desk(replace(spec(), operating_points=points), Choices(None, POINT))
    desk.follow(order, BOUNDS)
    assert [event.text for event in desk.events()] == words


def test_log_says_what_a_new_patient_takes_back(desk):
    desk.follow('{"lesion": [10, 20, 100, 50], "grade": "benign"}', BOUNDS)
    last = desk.noted
    desk.follow('{"grade": null}', BOUNDS)
    assert [event.text for event in desk.events(last)] == [
        "grade taken back",
        "new patient",
        "lesion mark removed",
    ]


def test_recording_is_refused_where_nothing_records(desk):
    with pytest.raises(SonocartError, match="--record"):
        desk.follow('{"recording": true}', BOUNDS)
    desk.keeping = Keeping()
    desk.follow('{"recording": true}', BOUNDS)
    assert desk.choices.recording


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_message_is_carried_out_or_refused(message):
    desk = Desk(spec(), Choices(None, POINT))
    try:
        desk.follow(message, BOUNDS)
    except SonocartError:
        assert desk.choices == Choices(None, POINT)


def test_new_case_has_a_number_of_its_own_and_no_lesion(desk):
    desk.follow('{"lesion": [10, 20, 100, 50], "grade": "benign"}', BOUNDS)
    assert desk.choices.case == 0
    desk.new_case()
    assert (desk.choices.case, desk.choices.lesion, desk.choices.grade) == (1, None, None)
    desk.follow('{"grade": null, "lesion": [10, 20, 30, 40]}', BOUNDS)
    assert (desk.choices.case, desk.choices.lesion) == (2, Roi(10, 20, 30, 40))
