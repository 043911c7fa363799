"""A reload is done as a whole or not at all, and says what needs a restart."""

import logging

import pytest

from edge.errors import ConfigError, DataError
from edge.service.config import read_settings
from edge.service.notify import Notifier
from edge.service.reload import Reload
from edge.settings import Settings
from tests.patience import PATIENCE_S, wait_for


@pytest.fixture
def cart(tmp_path):
    path = tmp_path / "cart.toml"
    path.write_text("[model]\noperating_point = 'a'\n")
    read = lambda: read_settings(path, {"source.address": "phantom:"})  # noqa: E731
    return path, Reload(read, read())


def test_what_can_change_live_changes(cart):
    path, reload = cart
    seen = []
    reload.on("model.operating_point", lambda new: seen.append(new.model.operating_point))
    path.write_text("[model]\noperating_point = 'b'\n")
    assert reload.reload()
    assert seen == ["b"]
    assert reload.settings.model.operating_point == "b"


def test_what_has_not_changed_is_left_alone(cart):
    _, reload = cart
    reload.on("model.operating_point", lambda _: pytest.fail("nothing has changed"))
    assert reload.reload()


def test_what_cannot_change_live_is_named_each_time(cart, caplog):
    path, reload = cart
    path.write_text("[model]\noperating_point = 'a'\nprecision = 'int8'\n")
    for _ in range(2):
        caplog.clear()
        assert reload.reload()
        assert "restart needed for model.precision" in caplog.text
    assert reload.settings.model.precision == "fp32", "not in force"


def test_a_bad_file_keeps_the_old_settings(cart, caplog):
    path, reload = cart
    reload.on("model.operating_point", lambda _: pytest.fail("must not change"))
    old = reload.settings
    path.write_text("[model]\noperating_point = 'b'\nprecison = 'int8'\n")
    assert not reload.reload()
    assert reload.settings is old
    assert "did you mean 'precision'?" in caplog.text
    path.unlink()
    assert not reload.reload()
    assert reload.settings is old


def test_a_change_that_fails_takes_back_those_before_it(cart, caplog):
    path, reload = cart
    points = []

    def refuse(new):
        if new.model.roi == (1, 2, 3, 4):
            raise DataError("outside the picture")

    reload.on("model.operating_point", lambda new: points.append(new.model.operating_point))
    reload.on("model.roi", refuse)
    path.write_text("[model]\noperating_point = 'b'\nroi = [1, 2, 3, 4]\n")
    assert not reload.reload()
    assert points == ["b", "a"]
    assert "outside the picture" in caplog.text


def test_asking_reloads_in_another_thread(cart, caplog):
    caplog.set_level(logging.INFO)
    path, reload = cart
    reload.start()
    path.write_text("[model]\n")
    reload.ask()
    wait_for(lambda: "restart needed" in caplog.text)
    reload.close()
    reload._thread.join(PATIENCE_S)
    assert "restart needed for model.operating_point" in caplog.text
    assert not reload._thread.is_alive()


def test_whatever_breaks_a_reload_is_told_and_the_next_one_works(caplog):
    """systemd waits for READY after each RELOADING."""
    caplog.set_level(logging.INFO)
    said, broken = [], [True]

    class Told(Notifier):
        def send(self, **fields):
            said.append(fields)

    def read():
        if broken[0]:
            raise RecursionError("too deep")
        return Settings()

    reload = Reload(read, Settings(), Told(None))
    reload.start()
    reload.ask()
    wait_for(lambda: said and said[-1].get("READY") == 1)
    assert said[-1]["STATUS"] == "the old configuration stays"
    assert "too deep" in caplog.text
    broken[0] = False
    reload.ask()
    wait_for(lambda: said[-1].get("STATUS") == "configuration read again")
    reload.close()


def test_a_file_that_is_wrong_at_the_start_is_no_start(tmp_path):
    path = tmp_path / "cart.toml"
    path.write_text("[x]\n")
    with pytest.raises(ConfigError):
        Reload(lambda: read_settings(path, {}), read_settings(path, {}))


def test_one_change_for_several_settings_is_made_once(cart):
    path, reload = cart
    seen = []
    for setting in ("model.operating_point", "model.roi"):
        reload.on(setting, seen.append)
    path.write_text("[model]\noperating_point = 'b'\nroi = [1, 2, 30, 40]\nprecision = 'int8'\n")
    assert reload.reload()
    assert [(new.model.operating_point, new.model.roi) for new in seen] == [("b", (1, 2, 30, 40))]
    assert seen[0].model.precision == "fp32", "that waits for a restart"


def test_what_failed_is_not_in_force(cart):
    path, reload = cart

    def refuse(_):
        raise DataError("no")

    reload.on("model.operating_point", refuse)
    path.write_text("[model]\noperating_point = 'c'\n")
    assert not reload.reload()
    assert reload.settings.model.operating_point == "a"
