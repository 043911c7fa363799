"""The synthetic scanner as a source."""

from contextlib import closing

from edge.sources.base import Pace
from edge.sources.open import open_source


def test_nothing_is_printed_where_nobody_watches_its_progress(capfd):
    with closing(open_source("phantom:size=320x240", pace=Pace.MAX, repeat=False)) as source:
        assert source.info.width == 320
    assert capfd.readouterr() == ("", "")
