"""The panel is legible, inside the picture, off the anatomy, and drawn again only when it must be."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from edge.blit import Encoding, restored
from edge.contract.frame import Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.errors import UnavailableError
from edge.exam.desk import Choices
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.features import LesionFeatures
from edge.exam.findings import NOTHING, Findings
from edge.exam.heat import HeatMap
from edge.exam.reading import Identity, Reading
from edge.exam.signal import State
from edge.outputs import overlay as module
from edge.outputs import panel as panel_module
from edge.outputs import pen
from edge.outputs.content import DOUBT, content_of
from edge.outputs.overlay import REFRESH_NS, Overlay, corners
from edge.outputs.panel import draw_panel, panel_sizes
from edge.outputs.pen import Pen
from edge.outputs.place import find_place
from edge.outputs.words import percent
from edge.sources.capture import LEAST_WIDTH
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


RGB = Encoding(PixelFormat.RGB24, full_range=True, matrix=Matrix.BT709)


def tissue(level=90):
    """A picture that is lit everywhere."""
    return i420(np.full((480, 640), level, np.uint8))


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
    for part in (overlay._place, *corners(Roi(200, 60, 200, 300), Roi(0, 0, 640, 480))):
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
    size = panel_sizes(1280, 720, IDENTITY)[0]
    one, other = (draw_panel(c, IDENTITY, size, 720, RGB).planes[0] for c in (content, same))
    assert np.array_equal(one, other)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    "reason", [None, "the network failed: ONNX Runtime says that an axis is out of range"]
)
@pytest.mark.parametrize("features", [False, True])
def test_nothing_is_cut_off_at_any_size(width, height, reason, features):
    identity = Identity("resnet18-of-all-sites", "a1b2c3d4e5f6", "int8+fp16", "0f1e2d3c4b5a")
    said = content_of(reading(reason=reason, features=features, findings=FOUND))
    for size in panel_sizes(width, height, identity, features=features):
        panel = draw_panel(said, identity, size, height, RGB)
        panel = panel.planes[0].astype(int)
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


@pytest.mark.parametrize(("width", "height"), [(256, 256), (320, 240)])
@pytest.mark.parametrize("reason", [None, "torn pictures: a part of each is an older one; check the cable"])
def test_small_picture_has_a_compact_panel_that_leaves_most_of_it_free(width, height, reason):
    (size,) = panel_sizes(width, height, IDENTITY, features=True)
    assert size[0] * size[1] < 0.4 * width * height
    panel = draw_panel(content_of(reading(reason=reason)), IDENTITY, size, height, RGB).planes[0].astype(int)
    foot = panel[-int(0.1 * size[1]) : -3, 4:-4]
    assert foot.max() > 200, "RESEARCH USE ONLY is the last line"
    assert np.ptp(panel[-5:-3, 4:-4], axis=(0, 1)).max() <= 2


@pytest.mark.parametrize(("width", "height"), [(256, 256), (640, 480), (1280, 720)])
def test_no_letters_are_smaller_than_eleven_pixels(width, height, monkeypatch):
    sizes, load = [], pen.ImageFont.load_default
    monkeypatch.setattr(pen.ImageFont, "load_default", lambda size: sizes.append(size) or load(size))
    for cached in (pen._font, pen._letters, panel_module._drawn):
        cached.cache_clear()
    identity = Identity(
        "resnet18-of-all-sites", "a1b2c3d4e5f6", "int8 (gate: too few to tell)", "0f1e2d3c4b5a"
    )
    for said in (
        reading(features=True, findings=FOUND),
        reading(reason="no signal: " + "a long reason " * 4),
    ):
        content = content_of(said)
        for size in panel_sizes(width, height, identity, features=content.features is not None):
            draw_panel(content, identity, size, height, RGB)
    assert min(sizes) >= 11


LONG = Identity("resnet18-of-all-sites", "a1b2c3d4e5f6", "int8 (gate: too few to tell)", "0f1e2d3c4b5a")


@pytest.mark.parametrize(("width", "height"), [(640, 360), *SIZES])
def test_who_speaks_is_on_any_panel_that_an_ordinary_picture_may_have(width, height):
    said = content_of(reading(features=True, findings=FOUND))
    for size in panel_sizes(width, height, LONG, features=True):
        one, other = (
            draw_panel(said, replace(LONG, precision=precision), size, height, RGB).planes[0]
            for precision in (LONG.precision, "fp32")
        )
        assert not np.array_equal(one, other), size


def test_features_go_where_the_panel_has_no_room_for_them():
    assert panel_sizes(640, 360, LONG, features=True) == panel_sizes(640, 360, LONG)
    assert panel_sizes(640, 480, LONG, features=True) != panel_sizes(640, 480, LONG)


@pytest.mark.parametrize(("width", "height"), [(256, 256), *SIZES])
def test_contradiction_is_said_to_its_last_word(width, height, monkeypatch):
    words, paste = [], Pen.text
    monkeypatch.setattr(
        Pen,
        "text",
        lambda self, top, size, text, *rest, **kw: (
            words.append(text) or paste(self, top, size, text, *rest, **kw)
        ),
    )
    letters = pen._letters
    monkeypatch.setattr(
        pen, "_letters", lambda text, size, room, bold: _whole(letters, text, size, room, bold)
    )
    for size in panel_sizes(width, height, IDENTITY):
        panel_module._drawn.cache_clear()
        words.clear()
        draw_panel(content_of(reading(findings=FOUND)), IDENTITY, size, height, RGB)
        assert DOUBT in " ".join(words), size


def _whole(letters, text, size, room, bold):
    """A line's letters, of which none is cut off."""
    assert pen._font(pen._LEAST_LETTERS).getlength(text) <= room, text
    return letters(text, size, room, bold)


def test_passport_makes_the_panel_taller_instead_of_its_letters_smaller():
    with_passport = Identity("parotid", "a1b2c3d4e5f6", "int8", "0f1e2d3c4b5a")
    assert panel_sizes(1280, 720, with_passport)[0][1] > panel_sizes(1280, 720, IDENTITY)[0][1]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_verdict_on_the_precision_is_whole_on_any_width_whatever_the_models_name(width, height, monkeypatch):
    written, letters = [], pen._letters

    def seen(text, size, room, bold):
        if pen._font(pen._LEAST_LETTERS).getlength(text) <= room:
            written.append(text)
        return letters(text, size, room, bold)

    monkeypatch.setattr(pen, "_letters", seen)
    for size in panel_sizes(width, height, LONG):
        panel_module._drawn.cache_clear()
        written.clear()
        draw_panel(content_of(reading()), LONG, size, height, RGB)
        assert {"int8", "(gate: too few to tell)"} <= set(written), size


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_panel_is_inside_the_picture_and_beside_the_field(width, height):
    field = Roi(width // 4, height // 10, width // 2, 8 * height // 10)
    bounds = Roi(0, 0, width, height)
    _, place = find_place(panel_sizes(width, height, IDENTITY), bounds, field, LIT)
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


def test_narrow_panel_is_better_than_a_wide_one_over_text():
    lit = LIT.copy()
    lit[:, :40] = lit[:, 145:] = 200  # text at the left, a grey bar at the right
    bounds, field = Roi(0, 0, 640, 480), Roi(160, 40, 300, 400)
    index, place = find_place([(110, 300), (90, 300), (60, 300)], bounds, field, lit)
    assert index == 1, "the widest that hides nothing"
    assert (place.x, place.right) >= (460, 550)
    assert place.right <= 580


@pytest.mark.parametrize(
    "field", [Roi(0, 0, 2, 2), Roi(5, 7, 31, 43), Roi(0, 0, 640, 480), Roi(637, 477, 3, 3)]
)
def test_corners_stay_inside_the_picture(field):
    bounds = Roi(0, 0, 640, 480)
    for stroke in corners(field, bounds):
        assert stroke.inside(bounds)
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
    assert content_of(reading(findings=FOUND)).size == "box 12.3 x 8.1 mm"


def test_a_risk_or_bound_that_is_not_0_or_1_is_not_said_to_be():
    assert content_of(reading(0.896)).high == 99
    assert content_of(reading(0.104)).low == 1
    assert content_of(reading(0.997)).risk == 99
    assert [percent(p) for p in (0.0, 0.001, 0.304, 0.99996, 1.0)] == [0, 1, 30, 100, 100]


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
    assert content_of(reading(findings=FOUND)).flag == DOUBT
    assert content_of(reading(findings=FOUND, hidden=True)).flag is None


def test_heat_map_tints_what_speaks_for_malignancy_when_asked_for():
    activation = np.full((4, 4), 0.2, np.float32)
    activation[:, 2:] = 0.95
    heat = HeatMap(activation, (64, 64), Roi(220, 100, 120, 120), 7)
    frame, asked, unknown = tissue(), tissue(), tissue()
    Overlay(IDENTITY).draw(frame, reading(heat=heat), LIT)
    assert (frame.planes[1][50:110, 110:170] == 128).all(), "off by default"
    under = Overlay(IDENTITY).draw(asked, reading(heat=heat, heatmap=True), LIT)
    chroma = asked.planes[2][60:100, 110:170]
    assert chroma[:, -5:].min() > 150
    assert (chroma[:, :5] == 128).all()
    assert np.array_equal(restored(asked, under).planes[2], tissue().planes[2])
    Overlay(IDENTITY).draw(unknown, reading(heat=heat, heatmap=True, reason="stale"), LIT)
    assert (unknown.planes[2][60:100, 110:170] == 128).all(), "gone with the risk"


def test_heat_map_tints_no_black_beside_a_sector_but_dark_spots_within_it():
    heat = HeatMap(np.full((8, 8), 0.95, np.float32), (64, 64), Roi(200, 100, 200, 200), 7)
    frame = black()
    cv2.fillPoly(frame.planes[0], [np.array([(290, 100), (310, 100), (400, 300), (200, 300)])], 90)
    cv2.circle(frame.planes[0], (300, 240), 12, 16, -1)
    Overlay(IDENTITY).draw(frame, reading(heat=heat, heatmap=True, field=Roi(200, 100, 200, 200)), LIT)
    red = frame.planes[2]
    assert red[120, 150] > 150, "a cyst"
    assert red[60, 105] == red[60, 195] == 128, "beside the sector"


def test_corners_lie_around_the_field_and_hide_nothing_of_it():
    field, frame, clean = Roi(200, 60, 180, 300), black(), black()
    Overlay(IDENTITY).draw(frame, reading(field=field, place=(450, 0)), LIT)
    inner = np.s_[field.y : field.bottom, field.x : field.right]
    assert np.array_equal(frame.planes[0][inner], clean.planes[0][inner])
    assert frame.planes[0][58, 200] > 100


def test_panel_may_lie_in_a_black_corner_of_the_sector_but_not_on_its_dark_spots():
    lit, bounds = LIT.copy(), Roi(0, 0, 640, 480)
    cv2.fillPoly(lit, [np.array([(70, 0), (90, 0), (159, 89), (0, 89)])], 90)
    cv2.circle(lit, (80, 60), 8, 0, -1)
    _, place = find_place([(120, 100)], bounds, bounds, lit)
    assert place.y < 40
    assert place.right < 280 or place.x > 360


def test_panel_that_is_moved_keeps_its_size():
    overlay = Overlay(IDENTITY)
    overlay.draw(black(), reading(field=Roi(150, 0, 490, 480)), LIT)
    size = (overlay.place.width, overlay.place.height)
    overlay.draw(black(), reading(field=Roi(150, 0, 490, 480), place=(20, 40)), LIT)
    assert (overlay.place.width, overlay.place.height) == size


def test_heat_map_is_made_once_for_all_the_pictures_that_show_it(monkeypatch):
    made = []
    make = HeatMap.activation.fget
    monkeypatch.setattr(HeatMap, "activation", property(lambda heat: made.append(heat) or make(heat)))
    overlay, whole = Overlay(IDENTITY), np.full((8, 8), 0.9, np.float32)
    for number in (7, 7, 8, 8):
        heat = HeatMap(whole, (64, 64), Roi(220, 100, 120, 120), number)
        overlay.draw(black(), reading(heat=heat, heatmap=True), LIT)
    assert [heat.sequence for heat in made] == [7, 8]


def test_heat_of_a_wide_region_is_cut_from_the_letterboxed_tensor():
    activation = np.zeros((8, 8), np.float32)
    activation[2:6] = 1.0  # a region twice as wide as high fills the middle half
    assert HeatMap(activation, (64, 64), Roi(0, 0, 200, 100), 1).activation.mean() > 0.9


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
    pen._font.cache_clear()
    monkeypatch.setattr(pen.ImageFont, "load_default", lambda size: object())
    with pytest.raises(UnavailableError, match="Pillow"):
        Overlay(IDENTITY)


def test_network_that_is_slowed_for_heat_says_so_on_the_panel():
    assert content_of(replace(reading(0.71), slowed="warm: risk slowed")).flag == "warm: risk slowed"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_name_and_value_of_a_feature_never_lie_on_each_other(width, height, monkeypatch):
    drawn = []
    paste = Pen._paste
    monkeypatch.setattr(
        Pen,
        "_paste",
        lambda pen, mask, x, top, colour: (
            drawn.append((top, x, x + mask.width)) or paste(pen, mask, x, top, colour)
        ),
    )
    said = content_of(reading(features=True, findings=FOUND))
    for size in panel_sizes(width, height, IDENTITY, features=True):
        panel_module._drawn.cache_clear()
        drawn.clear()
        draw_panel(said, IDENTITY, size, height, RGB)
        rows = {}
        for top, left, right in drawn:
            rows.setdefault(top, []).append((left, right))
        pairs = [sorted(row) for top, row in rows.items() if 420 < top < 420 + 176]
        assert len(pairs) == 6
        for row in pairs:  # the value alone where there is no room for both
            for (_, end), (begin, _) in pairwise(row):
                assert end - 9 <= begin, "each mask is 9 pixels wider than its letters"


@pytest.mark.parametrize(("width", "height"), [(32, 8), (32, 32), (32, 256), (270, 2160)])
def test_smallest_pictures_that_are_taken_have_a_panel(width, height):
    assert width == max(LEAST_WIDTH, height // 8)
    for said in (reading(field=None), reading(field=None, reason="looking for the ultrasound field")):
        frame = black(width, height)
        assert Overlay(IDENTITY).draw(frame, said, np.ones((8, 8), np.uint8))
