"""The panel is legible, inside the picture, off the anatomy, and drawn again only when it must be."""

from dataclasses import replace

import numpy as np
import pytest

from edge.blit import restored
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.errors import UnavailableError
from edge.exam.desk import Choices
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.features import LesionFeatures
from edge.exam.findings import NOTHING, Findings
from edge.exam.heat import heat_over
from edge.exam.reading import Identity, Reading
from edge.exam.signal import State
from edge.outputs import overlay as module
from edge.outputs import panel
from edge.outputs.overlay import REFRESH_NS, Overlay, corners
from edge.outputs.panel import content_of, draw_panel, panel_sizes
from edge.outputs.place import find_place
from tests.clips import i420

IDENTITY = Identity("parotid", "a1b2c3d4e5f6", "int8")
POINT = OperatingPoint(name="balanced", threshold=0.42)
SIZES = [(640, 480), (1280, 720), (1280, 960), (1920, 1080), (3840, 2160)]
FIELD = Roi(200, 60, 200, 300)
LIT = np.zeros((90, 160), np.uint8)


def reading(
    risk=0.71,
    *,
    at_ms=0,
    state=State.LIVE,
    reason=None,
    age_ms=30.0,
    field=FIELD,
    region=None,
    findings=None,
    heat=None,
    **choices,
):
    estimate = (
        NoEstimate(reason) if reason else RiskEstimate(risk, risk - 0.1, risk + 0.1, 48, 1, at_ms * 1_000_000)
    )
    return Reading(
        sequence=1,
        captured_ns=at_ms * 1_000_000,
        state=state,
        estimate=estimate,
        age_ms=None if reason else age_ms,
        rate=25.0,
        dropped=0,
        field=field,
        region=region or field,
        choices=Choices(**{"roi": region, "point": POINT, **choices}),
        findings=findings or NOTHING,
        heat=heat,
    )


def black(width=640, height=480):
    return i420(np.full((height, width), 16, np.uint8))


@pytest.fixture
def drawn(monkeypatch):
    """Counts how often the panel is rendered."""
    contents = []

    def counted(content, *rest):
        contents.append(content)
        return draw_panel(content, *rest)

    monkeypatch.setattr(module, "draw_panel", counted)
    return contents


def test_only_panel_and_corners_are_written():
    frame, clean = black(), black()
    overlay = Overlay(IDENTITY)
    overlay.draw(frame, reading(), LIT)
    allowed = np.zeros((480, 640), bool)
    for part in (overlay._place, *corners(Roi(200, 60, 200, 300), 480)):
        allowed[part.y : part.bottom, part.x : part.right] = True
    assert not (frame.planes[0] != clean.planes[0])[~allowed].any()
    assert (frame.planes[0] != clean.planes[0])[allowed].mean() > 0.1


def test_same_content_is_rendered_once(drawn):
    overlay = Overlay(IDENTITY)
    for at_ms in range(0, 2000, 40):
        overlay.draw(black(), reading(at_ms=at_ms), LIT)
    assert len(drawn) == 1


def test_changing_figures_are_rendered_at_a_readable_rate(drawn):
    overlay = Overlay(IDENTITY)
    for at_ms in range(0, 1500, 10):
        overlay.draw(black(), reading(0.6 + at_ms / 10_000, at_ms=at_ms, age_ms=float(at_ms)), LIT)
    assert len(drawn) == 1500 * 1_000_000 // REFRESH_NS


@pytest.mark.parametrize(
    "changed",
    [
        reading(at_ms=1, state=State.FROZEN, reason="picture frozen for 1 s"),
        reading(0.1, at_ms=1),
        reading(at_ms=1, reason="the network failed"),
    ],
    ids=["state", "category", "withheld"],
)
def test_change_of_meaning_is_drawn_at_once(drawn, changed):
    overlay = Overlay(IDENTITY)
    overlay.draw(black(), reading(), LIT)
    overlay.draw(black(), changed, LIT)
    assert len(drawn) == 2


def test_lesion_in_the_field_leaves_the_panel_beside_the_field():
    overlay = Overlay(IDENTITY)
    overlay.draw(black(), reading(field=Roi(200, 0, 440, 480), region=Roi(300, 200, 60, 60)), LIT)
    assert overlay._place.right <= 200


def test_hidden_risk_shows_no_figure_and_other_operating_point_is_drawn_at_once(drawn):
    hidden = content_of(reading(hidden=True))
    assert hidden.withheld == "hidden by the operator"
    assert hidden.risk == 0
    overlay = Overlay(IDENTITY)
    overlay.draw(black(), reading(), LIT)
    overlay.draw(black(), reading(at_ms=1, point=OperatingPoint(name="sensitive", threshold=0.1)), LIT)
    assert len(drawn) == 2


def test_withheld_risk_shows_no_figure():
    content = content_of(reading(reason="no new picture for 2 s"))
    assert (content.risk, content.low, content.high, content.age_ms) == (0, 0, 0, 0)
    same = content_of(reading(0.2, reason="no new picture for 2 s"))
    size = panel_sizes(1280, 720)[0]
    assert np.array_equal(draw_panel(content, IDENTITY, size, 720), draw_panel(same, IDENTITY, size, 720))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    "reason", [None, "the network failed: ONNX Runtime says that an axis is out of range"]
)
def test_nothing_is_cut_off_at_any_size(width, height, reason):
    for size in panel_sizes(width, height):
        panel = draw_panel(content_of(reading(reason=reason)), IDENTITY, size, height).astype(int)
        unit = max(height / 1080, 0.62)
        margin = int(6 * unit)
        inner = panel[2 + int(2 * unit) : -2 - int(2 * unit), 2 + int(2 * unit) : -2 - int(2 * unit)]
        frame_of_it = np.concatenate(
            [
                inner[:, :margin].reshape(-1, 3),
                inner[:, -margin:].reshape(-1, 3),
                inner[-margin:].reshape(-1, 3),
            ]
        )
        assert np.ptp(frame_of_it, axis=0).max() <= 2, size


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_panel_is_inside_the_picture_and_beside_the_field(width, height):
    field = Roi(width // 4, height // 10, width // 2, 8 * height // 10)
    bounds = Roi(0, 0, width, height)
    _, place = find_place(panel_sizes(width, height), bounds, field, LIT)
    assert place.inside(bounds)
    assert place.right <= field.x or place.x >= field.right


def test_panel_hides_as_little_of_a_full_screen_field_as_it_can():
    field = Roi(0, 0, 600, 480)
    _, place = find_place([(200, 240), (120, 200)], Roi(0, 0, 640, 480), field, LIT)
    assert (place.width, place.height) == (200, 240) or place.right > 600
    assert place.right > 600


def test_panel_avoids_the_scanners_own_text():
    lit = LIT.copy()
    lit[:45, 120:] = 200  # text in the upper right
    _, place = find_place([(100, 100)], Roi(0, 0, 640, 480), Roi(160, 40, 320, 400), lit)
    assert place.x >= 480
    assert place.y >= 240


@pytest.mark.parametrize(
    "field", [Roi(0, 0, 2, 2), Roi(5, 7, 31, 43), Roi(0, 0, 640, 480), Roi(637, 477, 3, 3)]
)
def test_corners_stay_inside_the_picture(field):
    for stroke in corners(field, 480):
        assert stroke.inside(Roi(0, 0, 640, 480))
        assert stroke.x % 2 == stroke.y % 2 == stroke.width % 2 == stroke.height % 2 == 0


def test_field_drawn_anew_moves_the_panel():
    overlay = Overlay(IDENTITY)
    overlay.draw(black(), reading(field=Roi(300, 0, 340, 480)), LIT)
    left = overlay._place
    overlay.draw(black(), reading(field=Roi(0, 0, 340, 480)), LIT)
    assert left.right <= 300
    assert overlay._place.x >= 340


@pytest.mark.parametrize("shape", [(480, 640), (1080, 1920)])
def test_what_is_under_the_overlay_can_be_put_back(shape):
    clean = i420(np.random.default_rng(1).integers(0, 255, shape, np.uint8))
    frame = i420(clean.planes[0].copy())
    under = Overlay(IDENTITY).draw(frame, reading(), LIT)
    assert (frame.planes[0] != clean.planes[0]).any()
    for plane, own in zip(restored(frame, under).planes, clean.planes, strict=True):
        assert np.array_equal(plane, own)


@pytest.mark.parametrize("place", [(0, 0), (101, 33), (639, 479)])
def test_panel_goes_where_the_operator_wants_it_and_stays_inside(place):
    overlay = Overlay(IDENTITY)
    overlay.draw(black(), reading(place=place), LIT)
    assert overlay.place.inside(Roi(0, 0, 640, 480))
    assert abs(overlay.place.x - min(place[0], 640 - overlay.place.width)) <= 1


FEATURES = LesionFeatures(0.12, 0.08, 0.021, -0.05, 0.3, -1.9)
FOUND = Findings(
    lesion=Roi(260, 150, 80, 60), size_mm=(12.34, 8.1), features=FEATURES, contradiction="look twice"
)


def test_lesion_is_boxed_and_its_size_is_said():
    frame = black()
    Overlay(IDENTITY).draw(frame, reading(findings=FOUND), LIT)
    assert frame.planes[0][150, 300] > 100
    assert frame.planes[0][180, 300] == 16, "nothing is drawn inside"
    assert content_of(reading(findings=FOUND)).size == "lesion 12.3 x 8.1 mm"


def test_features_are_shown_when_asked_for_and_make_the_panel_taller():
    assert content_of(reading(findings=FOUND)).features is None
    shown = dict(content_of(reading(findings=FOUND, features=True)).features)
    assert shown["behind"] == "shadow 5 %"
    assert shown["shape"] == "irregular"
    low, tall = Overlay(IDENTITY), Overlay(IDENTITY)
    low.draw(black(), reading(findings=FOUND), LIT)
    tall.draw(black(), reading(findings=FOUND, features=True), LIT)
    assert tall.place.height > low.place.height


def test_contradiction_is_flagged_but_gives_no_hidden_risk_away():
    assert content_of(reading(findings=FOUND)).flag == "look twice"
    assert content_of(reading(findings=FOUND, hidden=True)).flag is None


def test_heat_map_tints_what_speaks_for_malignancy_when_asked_for():
    activation = np.full((4, 4), 0.2, np.float32)
    activation[:, 2:] = 0.95
    heat = heat_over(activation, Roi(220, 100, 120, 120), (64, 64), 7)
    frame, asked, unknown = black(), black(), black()
    Overlay(IDENTITY).draw(frame, reading(heat=heat), LIT)
    assert (frame.planes[1][50:110, 110:170] == 128).all(), "off by default"
    under = Overlay(IDENTITY).draw(asked, reading(heat=heat, heatmap=True), LIT)
    chroma = asked.planes[2][60:100, 110:170]
    assert chroma[:, -5:].min() > 150
    assert (chroma[:, :5] == 128).all()
    assert np.array_equal(restored(asked, under).planes[2], black().planes[2])
    Overlay(IDENTITY).draw(unknown, reading(heat=heat, heatmap=True, reason="stale"), LIT)
    assert (unknown.planes[2][60:100, 110:170] == 128).all(), "gone with the risk"


def test_heat_of_a_wide_region_is_cut_from_the_letterboxed_tensor():
    activation = np.zeros((8, 8), np.float32)
    activation[2:6] = 1.0  # a region twice as wide as high fills the middle half
    assert heat_over(activation, Roi(0, 0, 200, 100), (64, 64), 1).activation.mean() > 0.9


def test_trend_is_that_of_the_last_seconds():
    overlay, seen = Overlay(IDENTITY), []
    for at_ms in range(0, 6000, 100):
        risk = 0.5 + min(0.3, at_ms / 10_000)
        overlay.draw(black(), reading(risk, at_ms=at_ms), LIT)
        seen.append(overlay._content.trend)
    assert seen[0] == 0
    assert seen[35] == 1
    assert seen[-1] == 0


def test_missing_font_is_named(monkeypatch):
    panel._font.cache_clear()
    monkeypatch.setattr(panel.ImageFont, "load_default", lambda size: object())
    with pytest.raises(UnavailableError, match="Pillow"):
        Overlay(IDENTITY)


def test_network_that_is_slowed_for_heat_says_so_on_the_panel():
    assert content_of(replace(reading(0.71), slowed="warm: risk slowed")).flag == "warm: risk slowed"
