"""The page in real Chromium: what a visitor sees, does and may not do. Skips where there is no Chromium."""

import json
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.exam.desk import Keeping
from edge.exam.findings import NOTHING, BestFrame
from edge.exam.signal import State
from edge.outputs.page.access import Tokens
from edge.outputs.page.serving import Serving
from edge.outputs.recordings import Recordings
from edge.outputs.segment import Shelf
from tests.outputs.test_overlay import FOUND, reading
from tests.outputs.test_recorder import frames, run
from tests.pages import grey, serve
from tests.patience import PATIENCE_S, wait_for

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SIZES = {"phone": (390, 844), "laptop": (1366, 768), "wall": (1920, 1080)}
LIVE = "body[data-link=live]"
NAME = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page():
    """By the real clock, as the browser's is."""
    with serve(clock=time) as served:
        yield served


def keep_said(visitor):
    """What the page says stays for as long as the test takes."""
    visitor.evaluate("() => { document.body.dataset.saidMs = 1e9; }")


@contextmanager
def noting(hub, **said):
    """The loop says again and again why no picture comes."""
    stop = threading.Event()

    def note():
        while not stop.wait(0.05):
            hub.note(reading(**said))

    thread = threading.Thread(target=note)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def scanning(hub, **said):
    """Pictures come, and the readings follow the desk as the loop's do."""
    stop = threading.Event()

    def scan():
        rng = np.random.default_rng(0)
        while not stop.wait(0.03):
            frame = replace(grey(0, (480, 640)), captured_ns=time.monotonic_ns())
            cv2.randn(frame.planes[0], 90, 30)
            frame.planes[0][:8] = rng.integers(0, 255, (8, 640), np.uint8)
            now = hub.desk.choices
            chosen = {
                name: getattr(now, name)
                for name in (
                    *(
                        "point",
                        "hidden",
                        "second_reader",
                        "grade",
                        "heatmap",
                        "prevalence",
                        "lesion",
                        "place",
                        "recording",
                    ),
                    "case",
                )
            }
            if getattr(hub, "gone", False):  # the cart has lost the lesion
                chosen["findings"] = NOTHING
            shown = reading(**{"region": now.roi, "findings": FOUND, **chosen, **said})
            panel = Roi(*(now.place or (400, 100)), 200, 200)
            hub.present(frame, replace(shown, panel=panel, captured_ns=frame.captured_ns))

    thread = threading.Thread(target=scan)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def visit(browser, page):
    """A visitor whose page is live, and the hub behind it."""
    hub, server = page
    visitor = browser.new_page(viewport={"width": 1366, "height": 768})
    visitor.set_default_timeout(PATIENCE_S * 1000)
    faults = []
    visitor.on("pageerror", lambda error: faults.append(str(error)))
    with scanning(hub):
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        keep_said(visitor)
        yield visitor, hub
    visitor.close()
    assert not faults


@pytest.mark.parametrize(
    ("state", "shape"), [(State.LIVE, "50%"), (State.STILL, "50%"), (State.FROZEN, "0px")]
)
def test_light_is_the_signals_and_not_the_links(browser, page, state, shape):
    hub, server = page
    with scanning(hub, state=state):
        visitor = browser.new_page()
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        visitor.wait_for_selector(f"body[data-signal='{state.value}']")
        assert visitor.eval_on_selector(".light", "part => getComputedStyle(part).borderRadius") == shape
        visitor.close()


def test_mouse_marks_moves_and_resizes_the_lesion(visit):
    visitor, hub = visit
    visitor.click("#lesion")
    box = visitor.locator("#figure").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    visitor.mouse.move(box["x"] + box["width"] * 0.35, y - 150)
    visitor.mouse.down()
    visitor.mouse.move(x + 20, y - 40, steps=4)
    visitor.mouse.up()
    wait_for(lambda: hub.desk.choices.lesion is not None)
    first = hub.desk.choices.lesion
    whole = visitor.evaluate("document.getElementById('picture').width")
    assert first.width < 0.4 * whole, "drawn anew, also within the box that is offered, which is half as wide"
    handle = visitor.locator('#box i[data-edge="se"]')
    handle.hover()  # which waits until it stands still
    visitor.mouse.down()
    handle = handle.bounding_box()
    visitor.mouse.move(handle["x"] + 48, handle["y"] + 48, steps=4)
    visitor.mouse.up()
    wait_for(lambda: hub.desk.choices.lesion.width > first.width)
    assert (hub.desk.choices.lesion.x, hub.desk.choices.lesion.y) == (first.x, first.y)
    visitor.click("#unmark")
    wait_for(lambda: hub.desk.choices.lesion is None)


def test_panel_is_dragged_by_mouse_and_goes_back_by_itself(visit):
    visitor, hub = visit
    box = visitor.locator("#picture").bounding_box()
    scale = min(box["width"] / 640, box["height"] / 480)
    left = box["x"] + (box["width"] - 640 * scale) / 2
    top = box["y"] + (box["height"] - 480 * scale) / 2
    visitor.mouse.move(left + 450 * scale, top + 150 * scale)
    visitor.mouse.down()
    visitor.mouse.move(left + 150 * scale, top + 250 * scale, steps=5)
    visitor.mouse.up()
    wait_for(lambda: hub.desk.choices.place is not None)
    x, y = hub.desk.choices.place
    assert abs(x - 100) <= 3
    assert abs(y - 200) <= 3
    visitor.select_option("#panel", "auto")
    wait_for(lambda: hub.desk.choices.place is None)


def test_box_of_a_lost_lesion_goes(visit):
    visitor, hub = visit
    visitor.focus("#lesion")
    visitor.keyboard.press("Enter")
    visitor.keyboard.press("ArrowRight")
    wait_for(lambda: hub.desk.choices.lesion is not None)
    visitor.wait_for_selector("#box", state="visible")
    hub.gone = True  # see `scanning`
    visitor.wait_for_selector("#box", state="hidden")
    assert "lost" in visitor.inner_text("#notice")


def test_patient_is_entered_by_keyboard_shown_and_forgotten(browser, tmp_path):
    order = {"00100020": {"vr": "LO", "Value": ["P1"]}, **NAME}
    (tmp_path / "list.json").write_text(json.dumps([order]))
    with serve(clock=time, worklist=tmp_path / "list.json") as (hub, server), scanning(hub):
        visitor = browser.new_page()
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        visitor.wait_for_selector("#patient:has-text('nobody')")
        visitor.focus("#admit")
        visitor.keyboard.press("Enter")
        visitor.wait_for_selector("#admission[open]")
        visitor.fill("#pid", "A\\B")
        visitor.keyboard.press("Enter")
        visitor.wait_for_selector("#rejected:has-text('patient_id')")
        visitor.fill("#pid", "MRN-7")
        visitor.fill("#family", "h<b>f")  # single keys do nothing here, and nothing is taken for markup
        visitor.keyboard.press("Enter")
        visitor.wait_for_selector("#patient:has-text('h<b>f, ID MRN-7')")
        assert not hub.desk.choices.hidden
        case = hub.desk.choices.case
        visitor.click("#amend")
        visitor.wait_for_selector("#admission[open]")
        assert visitor.input_value("#family") == "h<b>f"
        visitor.fill("#family", "Huff")
        visitor.click("#admission button[type=submit]")
        visitor.wait_for_selector("#patient:has-text('Huff, ID MRN-7')")
        assert hub.desk.choices.case == case
        visitor.click("#case")
        visitor.wait_for_selector("#patient:has-text('nobody')")
        visitor.click("#admit")
        visitor.select_option("#order", label="Doe Jane, ID P1")
        visitor.click("#admission button[type=submit]")
        visitor.wait_for_selector("#patient:has-text('Doe Jane')")
        visitor.close()


def test_correction_ends_when_another_case_begins(browser, tmp_path):
    (tmp_path / "list.json").write_text("[]")
    with serve(clock=time, worklist=tmp_path / "list.json") as (hub, server), scanning(hub):
        visitor = browser.new_page()
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        visitor.click("#admit")
        visitor.fill("#pid", "A1")
        visitor.keyboard.press("Enter")
        visitor.wait_for_selector("#patient:has-text('ID A1')")
        visitor.click("#amend")
        visitor.wait_for_selector("#admission[open]")
        hub.desk.follow('{"grade": null}', Roi(0, 0, 640, 480))  # somebody else's New patient
        visitor.wait_for_selector("#admission", state="hidden")
        visitor.wait_for_selector("#notice:has-text('nothing was corrected')")
        visitor.close()


def test_name_of_the_patient_before_goes_though_nothing_is_known_of_the_next(browser, tmp_path):
    order = {"00100020": {"vr": "LO", "Value": ["P1"]}, **NAME}
    (tmp_path / "list.json").write_text(json.dumps([order]))
    with serve(clock=time, worklist=tmp_path / "list.json") as (hub, server), scanning(hub):
        visitor = browser.new_page()
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        visitor.click("#admit")
        visitor.select_option("#order", label="Doe Jane, ID P1")
        visitor.click("#admission button[type=submit]")
        visitor.wait_for_selector("#patient:has-text('Doe Jane')")
        visitor.wait_for_selector("#amend", state="visible")
        visitor.route("**/patient", lambda route: route.abort())
        visitor.click("#case")
        visitor.wait_for_selector("#patient:not(:has-text('Doe'))")
        visitor.wait_for_selector("#amend", state="hidden")
        visitor.unroute("**/patient")
        visitor.wait_for_selector("#patient:has-text('nobody')")
        visitor.close()


def test_finger_draws_the_field(browser, page):
    hub, server = page
    with scanning(hub), browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True) as phone:
        visitor = phone.new_page()
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        visitor.tap("#field")
        box = visitor.locator("#figure").bounding_box()
        touch = phone.new_cdp_session(visitor)
        begin, end = (box["x"] + 120, box["y"] + 60), (box["x"] + 200, box["y"] + 160)
        for kind, points in (("touchStart", [begin]), ("touchMove", [end]), ("touchEnd", [])):
            points = [{"x": x, "y": y} for x, y in points]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        wait_for(lambda: hub.desk.choices.roi is not None)


def test_keyboard_alone_marks_hides_freezes_and_leaves(visit):
    visitor, hub = visit
    visitor.focus("#lesion")
    visitor.keyboard.press("Enter")
    visitor.keyboard.press("ArrowRight")
    wait_for(lambda: hub.desk.choices.lesion is not None)
    first = hub.desk.choices.lesion
    visitor.keyboard.press("Shift+ArrowDown")
    wait_for(lambda: hub.desk.choices.lesion == Roi(first.x, first.y, first.width, first.height + 8))
    visitor.keyboard.press("Escape")
    assert visitor.evaluate("() => document.activeElement.id") == "lesion"
    visitor.keyboard.press("h")
    wait_for(lambda: hub.desk.choices.hidden)
    visitor.wait_for_selector("#risk.withheld")
    visitor.keyboard.press("f")
    visitor.wait_for_selector("#freeze[aria-pressed=true]")
    visitor.uncheck("#keys")
    visitor.keyboard.press("h")
    time.sleep(0.2)
    assert hub.desk.choices.hidden, "single keys can be switched off"


def test_hiding_is_seen_two_pictures_of_the_screen_later(visit):
    visitor, _ = visit
    seen = visitor.evaluate(
        """() => new Promise((done) => {
          document.getElementById("hide").click();
          requestAnimationFrame(() => requestAnimationFrame(() => done([
            document.getElementById("risk").textContent, !document.getElementById("cover").hidden])));
        })"""
    )  # how long that takes is in docs/measurements/page.md
    assert seen == ["withheld", True]


def test_second_reader_sees_the_risk_after_the_grade_and_it_is_logged(visit):
    visitor, hub = visit
    visitor.check("#reader")
    visitor.wait_for_selector("#risk.withheld")
    assert "71" not in visitor.inner_text("#risk-card")
    visitor.click("text=probably benign")
    visitor.wait_for_selector("#risk:not(.withheld)")
    grades = [event.text for event in hub.desk.events() if event.kind == "grade"]
    assert grades[-1] == "grade: probably benign"
    visitor.wait_for_selector("#log li[data-kind=grade]")
    visitor.click("#case")
    visitor.wait_for_selector("#risk.withheld")


def test_lesion_stays_marked_for_the_second_reader_where_it_is_now(visit):
    visitor, hub = visit
    hub.desk.follow(b'{"lesion": [100, 100, 50, 50]}', Roi(0, 0, 640, 480))
    before = hub.desk.choices
    visitor.wait_for_selector("#unmark:enabled")
    visitor.check("#reader")
    wait_for(lambda: hub.desk.choices.second_reader)
    assert hub.desk.choices.case == before.case + 1
    assert hub.desk.choices.lesion == FOUND.lesion
    visitor.wait_for_selector("#done:has-text('still marked')")


def test_box_goes_when_the_lesion_is_unmarked_by_somebody_else(visit):
    visitor, hub = visit
    hub.desk.follow(b'{"lesion": [100, 100, 50, 50]}', Roi(0, 0, 640, 480))
    visitor.wait_for_selector("#unmark:enabled")
    visitor.click("#lesion")
    visitor.wait_for_selector("#box", state="visible")
    hub.gone = True  # see `scanning`
    hub.desk.follow(b'{"lesion": null}', Roi(0, 0, 640, 480))
    visitor.wait_for_selector("#box", state="hidden")


def test_point_and_prevalence_are_switched(visit):
    visitor, hub = visit
    visitor.select_option("#point", "balanced")
    visitor.fill("#prevalence", "20")
    visitor.keyboard.press("Tab")
    wait_for(lambda: hub.desk.choices.prevalence == 0.2)


def test_freeze_steps_back_and_says_that_it_is_not_live(visit):
    visitor, hub = visit
    wait_for(lambda: len(hub.past) > 2)
    visitor.click("#freeze")
    visitor.wait_for_selector("#then:has-text('Page frozen since'):has-text('live picture goes on')")
    assert "page frozen since" in visitor.inner_text("#state")
    assert "not live" in visitor.inner_text("#age")
    assert "page frozen" in visitor.inner_text("#cover"), "what lies in the picture's panel says LIVE"
    assert visitor.eval_on_selector(".light", "part => getComputedStyle(part).borderRadius") == "0px"
    visitor.wait_for_selector("#back:enabled")
    hub._past.clear()  # the cart has forgotten them meanwhile
    visitor.click("#back")
    visitor.wait_for_selector("#then:has-text('s earlier')")
    assert visitor.is_hidden("#cover"), "older pictures are clean"
    visitor.click("#forth")
    visitor.wait_for_selector("#cover", state="visible")
    visitor.click("#freeze")
    visitor.wait_for_selector("#then", state="hidden")
    assert visitor.inner_text("#state") == "live"


def test_risk_that_is_hidden_later_goes_from_a_frozen_page_too_and_a_new_case_ends_the_freeze(visit):
    visitor, hub = visit
    visitor.click("#freeze")
    visitor.wait_for_selector("#then:not([hidden])")
    hub.desk.follow(b'{"hidden": true}', Roi(0, 0, 640, 480))
    visitor.wait_for_selector("#risk.withheld")
    hub.desk.follow(b'{"grade": null}', Roi(0, 0, 640, 480))
    visitor.wait_for_selector("#then", state="hidden")


BLACK = """() => { const part = document.getElementById("picture");
  const { data } = part.getContext("2d").getImageData(0, 0, part.width, part.height);
  return data.every((value, i) => i % 4 === 3 || !value); }"""


@pytest.mark.parametrize("frozen", [False, True])
def test_without_signal_nothing_is_frozen_and_a_new_case_shows_nothing_of_the_patient_before(
    browser, page, frozen
):
    hub, server = page
    visitor = browser.new_page()
    with scanning(hub):
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        keep_said(visitor)
        if frozen:
            visitor.click("#freeze")
            visitor.wait_for_selector("#then:has-text('live picture goes on')")
    with noting(hub, reason="no signal", state=State.NO_SIGNAL):
        if frozen:
            visitor.wait_for_selector("#then:has-text('no live picture now')")
        else:
            visitor.wait_for_selector("body[data-link=stale]")
            visitor.keyboard.press("f")
            visitor.wait_for_selector("#notice:has-text('no live picture')")
            assert visitor.get_attribute("#freeze", "aria-pressed") == "false"
        assert not visitor.evaluate(BLACK)
    with noting(hub, reason="no signal", state=State.NO_SIGNAL, case=1):
        visitor.wait_for_function(BLACK)
        visitor.wait_for_selector("#freeze[aria-pressed=false]")
        visitor.wait_for_selector("#veil", state="visible")
    visitor.close()


def test_keys_do_nothing_before_the_first_picture(browser, page):
    _, server = page
    visitor, faults = browser.new_page(), []
    visitor.on("pageerror", lambda error: faults.append(str(error)))
    visitor.goto(server.url)
    visitor.wait_for_selector("#model:has-text('parotid')")
    keep_said(visitor)
    for key in "hsrmf":
        visitor.keyboard.press(key)
    visitor.wait_for_selector("#notice:has-text('no live picture')")
    assert visitor.is_disabled("#lesion")
    visitor.close()
    assert not faults


def test_risk_that_is_hidden_takes_the_heat_map_of_a_frozen_picture_along(visit):
    visitor, hub = visit
    wait_for(lambda: len(hub.past) > 2)
    hub.desk.follow(b'{"heatmap": true}', Roi(0, 0, 640, 480))
    visitor.wait_for_selector("#heat:checked")
    visitor.click("#freeze")
    visitor.wait_for_selector("#cover:has-text('page frozen')")
    visitor.keyboard.press("h")
    visitor.wait_for_selector("#cover:has-text('heat map hidden')")
    cover, figure = (visitor.locator(part).bounding_box() for part in ("#cover", "#figure"))
    assert cover["height"] == pytest.approx(figure["height"], abs=1)
    visitor.wait_for_selector("#back:enabled")
    visitor.click("#back")
    visitor.wait_for_selector("#cover", state="hidden")
    visitor.click("#forth")
    visitor.keyboard.press("h")
    visitor.wait_for_selector("#cover:has-text('page frozen')")


def test_nothing_is_drawn_on_a_frozen_picture(visit):
    visitor, _ = visit
    visitor.click("#lesion")
    visitor.wait_for_selector("#box", state="visible")
    visitor.keyboard.press("f")
    visitor.wait_for_selector("#untouched:has-text('frozen')")
    assert visitor.is_hidden("#box")
    assert all(visitor.is_disabled(part) for part in ("#lesion", "#field", "#unmark", "#whole"))
    visitor.keyboard.press("f")
    visitor.wait_for_selector("#lesion:enabled")
    assert visitor.inner_text("#untouched") == ""


def test_what_became_of_a_snapshot_in_the_archive_is_said_by_the_cart_alone(browser, tmp_path):
    with serve(clock=time, worklist=tmp_path / "none.json") as (hub, server), scanning(hub):
        visitor = browser.new_page()
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        visitor.wait_for_selector("#snapshot:enabled")
        keep_said(visitor)
        visitor.wait_for_selector("#log li")
        with visitor.expect_download():
            visitor.click("#snapshot")
        visitor.wait_for_selector("#done:has-text('downloads')")
        assert "DICOM" not in visitor.inner_text("#done")
        hub.desk.note("dicom", "a snapshot cannot be kept: the ultrasound field is not known")
        visitor.wait_for_selector("#done:has-text('For the archive: a snapshot cannot be kept')")
        visitor.close()


def test_one_may_step_back_from_a_probe_held_still(browser, page):
    hub, server = page
    with scanning(hub, state=State.STILL):
        visitor = browser.new_page()
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        wait_for(lambda: len(hub.past) > 1)
        visitor.click("#freeze")
        visitor.click("#back")
        visitor.wait_for_selector("#then:has-text('s earlier')")
        visitor.close()


def test_recording_that_is_refused_says_why_and_one_that_is_not_begins(visit):
    visitor, hub = visit
    assert visitor.is_disabled("#record")
    assert "--recordings" in visitor.inner_text("#unrecorded")
    assert "--recordings" in visitor.get_attribute("#record", "title")
    hub.desk.keeping = Keeping()
    visitor.click("#record")
    wait_for(lambda: hub.desk.choices.recording)
    visitor.wait_for_selector("#done:has-text('Recording has begun')")
    assert visitor.inner_text("#unrecorded") == ""


def test_new_patient_is_confirmed_in_place_of_what_was_said_before(visit):
    visitor, hub = visit
    hub.desk.keeping = Keeping()
    visitor.click("#record")
    visitor.wait_for_selector("#done:has-text('Recording has begun')")
    visitor.click("#case")
    visitor.wait_for_selector("#done:has-text('New patient: nothing of the one before counts.')")
    assert "Recording" not in visitor.inner_text("#done")
    visitor.wait_for_selector("#log li[data-kind=case]:has-text('new patient')")


def test_last_minute_is_said_to_be_written_until_it_is(browser, page):
    hub, server = page
    hub.desk.black_box = lambda reason: None  # it takes its time
    visitor = browser.new_page()
    with scanning(hub):
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        visitor.evaluate("document.body.dataset.saidMs = 50")
        visitor.click("#box-file")
        visitor.wait_for_selector("#done:has-text('Last minute: being written')")
        visitor.wait_for_timeout(300)
        assert "being written" in visitor.inner_text("#done")
        visitor.evaluate("document.body.dataset.saidMs = 60000")
        hub.desk.note("black box", "last minute: 3 risks written to x.sono")
        visitor.wait_for_selector("#done:has-text('Last minute: 3 risks written to x.sono.')")
        visitor.close()


def test_best_pictures_have_a_title_where_there_are_any(browser, page):
    hub, server = page
    visitor = browser.new_page()
    title = "role=heading[name='Best pictures, with the risk of each']"
    with scanning(hub):
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
        assert not visitor.query_selector(title)
    best = BestFrame(7, 0, 0.25, 1.0, np.zeros((16, 16), np.uint8))
    with scanning(hub, findings=replace(FOUND, best=(best,))):
        visitor.wait_for_selector(title)
        visitor.wait_for_selector("role=group[name='Best pictures, with the risk of each']")
        visitor.close()


def test_recording_that_cannot_be_written_now_is_called_off(visit):
    visitor, hub = visit
    hub.desk.keeping = Keeping()
    visitor.click("#record")
    visitor.wait_for_selector("#record[aria-pressed=true]")
    hub.desk.keeping = Keeping(text="the recording has stopped: No space left on device")
    visitor.wait_for_selector("#recording:has-text('No space left')")
    visitor.click("#record")
    wait_for(lambda: not hub.desk.choices.recording)
    visitor.wait_for_selector("#record[aria-pressed=false]")


def test_key_that_is_held_asks_once(visit):
    visitor, hub = visit
    for _ in range(5):
        visitor.keyboard.down("m")
    visitor.keyboard.up("m")
    visitor.keyboard.press("h")
    wait_for(lambda: hub.desk.choices.hidden)
    assert len([event for event in hub.desk.events() if event.kind == "mark"]) == 1


def test_what_is_noted_while_the_log_is_on_its_way_is_shown_too(visit):
    visitor, hub = visit
    asked = []

    def late(route):
        asked.append(route)
        answer = route.fetch()
        if len(asked) == 1:
            hub.desk.note("mark", "noted meanwhile")
            visitor.wait_for_timeout(500)  # in which the page hears of it
        route.fulfill(response=answer)

    visitor.route("**/events*", late)
    hub.desk.note("mark", "noted first")
    visitor.wait_for_selector("#log li:has-text('noted meanwhile')")


def test_mark_is_confirmed_and_says_where_it_is(visit):
    visitor, _ = visit
    visitor.click("#mark")
    visitor.wait_for_selector("#done:has-text('Mark kept in the log; nothing is being recorded')")


def test_prevalence_that_cannot_be_is_refused_in_words(visit):
    visitor, hub = visit
    for wrong in ("0", "250"):
        visitor.fill("#prevalence", wrong)
        visitor.keyboard.press("Tab")
        visitor.wait_for_selector("#unlikely:has-text('0.1 to 99.9')")
    assert hub.desk.choices.prevalence is None
    visitor.fill("#prevalence", "12.5")
    visitor.keyboard.press("Tab")
    wait_for(lambda: hub.desk.choices.prevalence == 0.125)
    assert visitor.inner_text("#unlikely") == ""


def test_page_asks_for_no_patient_where_nothing_bears_a_name(browser, page):
    hub, server = page
    with scanning(hub):
        visitor, asked = browser.new_page(), []
        visitor.on("request", lambda request: asked.append(request.url))
        visitor.goto(server.url)
        visitor.wait_for_selector("#patient:has-text('--dicom')")
        assert not [url for url in asked if "/patient" in url.replace("/static/patient.js", "")]
        visitor.close()


def test_snapshot_is_handed_over_as_a_file(visit):
    visitor, hub = visit
    with visitor.expect_download() as download:
        visitor.click("#snapshot")
    visitor.wait_for_selector(f"#done:has-text('{download.value.suggested_filename}')")
    assert download.value.path().read_bytes()[:2] == b"\xff\xd8"
    wait_for(lambda: any(event.kind == "snapshot" for event in hub.desk.events()))


def test_page_greys_itself_out_and_comes_back(browser, page):
    hub, server = page
    visitor = browser.new_page()
    with scanning(hub):
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
    visitor.wait_for_selector("body[data-link=stale]")
    assert visitor.inner_text("#risk") == "withheld"
    assert visitor.inner_text("#flag") == visitor.inner_text("#features") == ""
    assert "no picture for" in visitor.inner_text("#veil") or "not answered" in visitor.inner_text("#veil")
    with scanning(hub):
        visitor.wait_for_selector(LIVE)
    visitor.close()


def test_page_reconnects_after_the_server_has_come_back(browser):
    visitor = browser.new_page()
    with serve(clock=time) as (hub, server), scanning(hub):
        port = server.port
        visitor.goto(server.url)
        visitor.wait_for_selector(LIVE)
    visitor.wait_for_selector("body[data-link=stale]")
    with serve(clock=time, port=port) as (hub, _), scanning(hub):
        visitor.wait_for_selector(LIVE)
    visitor.close()


def test_token_in_the_address_signs_in_and_leaves_it(browser):
    tokens = Tokens("operator-token-0123")
    with serve(Serving(tokens), clock=time) as (hub, server), scanning(hub):
        visitor, faults = browser.new_page(), []
        visitor.on("pageerror", lambda error: faults.append(str(error)))
        visitor.goto(f"{server.url}#token={tokens.operator}")
        visitor.wait_for_selector(LIVE)
        assert visitor.url == server.url
        assert not faults
        visitor.close()


def test_panel_is_not_moved_before_there_is_one(browser, page):
    hub, server = page
    visitor, faults = browser.new_page(), []
    visitor.on("pageerror", lambda error: faults.append(str(error)))
    with noting(hub, reason="no signal"):
        visitor.goto(server.url)
        visitor.wait_for_selector("#panel:enabled")
        visitor.select_option("#panel", "tl")
        visitor.wait_for_selector("#notice:has-text('there is no picture yet')")
    assert not faults
    visitor.close()


def test_visitor_signs_in_and_a_viewer_may_only_look(browser):
    tokens = Tokens("operator-token-0123", "viewer-token-456789")
    with serve(Serving(tokens), clock=time) as (hub, server), scanning(hub):
        visitor = browser.new_page()
        visitor.goto(server.url)
        visitor.fill("#token", "wrong-wrong-wrong-wrong")
        visitor.click("#signin")
        visitor.wait_for_selector("#refused:has-text('not known')")
        visitor.fill("#token", tokens.viewer)
        visitor.click("#signin")
        visitor.wait_for_selector(LIVE)
        assert visitor.is_disabled("#hide")
        assert visitor.is_disabled("#lesion")
        assert visitor.is_enabled("#freeze")
        visitor.close()
        operator = browser.new_page()
        operator.goto(f"{server.url}#token={tokens.operator}")
        operator.wait_for_selector(LIVE)
        assert operator.is_enabled("#hide")
        assert "token" not in operator.url
        operator.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "state", ["live", "stale", "second reader", "frozen", "drawing", "signing in", "admission", "recordings"]
)
def test_page_is_accessible_and_fits(browser, tmp_path, size, state):
    serving = Serving(Tokens("operator-token-0123")) if state == "signing in" else None
    if state == "recordings":
        serving = Serving(recordings=Recordings(tmp_path, 1 << 30))
        run(Shelf(serving.recordings), frames(3))
    worklist = tmp_path / "none.json"
    with (
        serve(serving, clock=time, worklist=worklist) as (hub, server),
        browser.new_context(bypass_csp=True) as context,
    ):
        visitor = context.new_page()
        visitor.set_viewport_size(dict(zip(("width", "height"), SIZES[size], strict=True)))
        with scanning(hub):
            visitor.goto(server.url)
            if state == "signing in":
                visitor.wait_for_selector("#login[open]")
            else:
                visitor.wait_for_selector(LIVE)
                visitor.wait_for_selector("#log li")
            if state == "second reader":
                visitor.check("#reader")
                visitor.wait_for_selector("#grades button")
            if state == "frozen":
                visitor.click("#freeze")
            if state == "drawing":
                visitor.click("#lesion")
            if state == "admission":
                visitor.click("#admit")
                visitor.wait_for_selector("#admission[open]")
            if state == "recordings":
                visitor.goto(server.url + "recordings")
                visitor.wait_for_selector("#rows button")
            if state != "stale":
                check(visitor)
        if state == "stale":
            visitor.wait_for_selector("body[data-link=stale]")
            check(visitor)


def check(visitor):
    found = axe.Axe().run(visitor)
    assert found.violations_count == 0, found.generate_report()
    assert visitor.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), (
        "no sideways scrolling"
    )
