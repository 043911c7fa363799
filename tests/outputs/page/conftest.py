"""A page without tokens over a real server on loopback."""

import pytest

from tests.pages import serve


@pytest.fixture
def page():
    with serve() as served:
        yield served
