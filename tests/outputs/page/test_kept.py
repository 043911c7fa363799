"""The list of recordings: by id only, for operators only."""

import httpx
import pytest

from edge.outputs.page.access import Tokens
from edge.outputs.page.serving import Serving
from edge.outputs.recordings import Recordings
from tests.outputs.test_recordings import add
from tests.pages import get, serve
from tests.patience import PATIENCE_S


@pytest.fixture
def kept(tmp_path):
    shelf = Recordings(tmp_path, 1 << 30)
    with serve(Serving(recordings=shelf)) as (_, server):
        headers = {"Origin": server.url.rstrip("/")}
        with httpx.Client(timeout=PATIENCE_S, base_url=server.url, headers=headers) as client:
            yield shelf, client


def test_list_download_protect_delete(kept):
    shelf, client = kept
    clip = add(shelf, 5000)
    (row,) = client.get("recordings/list").json()
    assert (row["id"], row["parts"], row["protected"], row["about"]["state"]) == (
        clip, ["clean"], False, "complete",
    )  # fmt: skip
    answer = client.get(f"recordings/{clip}/clean")
    assert len(answer.content) == 5000
    assert answer.headers["Content-Disposition"] == f'attachment; filename="sonocart-{clip}-clean.mp4"'
    part = client.get(f"recordings/{clip}/clean", headers={"Range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)
    assert client.post("recordings", json={"id": clip, "protect": True}).status_code == 204
    refused = client.post("recordings", json={"id": clip, "delete": True})
    assert (refused.status_code, "protected" in refused.text) == (422, True)
    client.post("recordings", json={"id": clip, "protect": False})
    assert client.post("recordings", json={"id": clip, "delete": True}).status_code == 204
    assert client.get("recordings/list").json() == []
    assert "text/html" in client.get("recordings").headers["Content-Type"]


@pytest.mark.parametrize(
    "path", ["recordings/..%2F../clean", "recordings/000001/..%2Fx", "recordings/9/clean"]
)
def test_nothing_but_recordings_is_downloaded(kept, path):
    add(kept[0])
    assert kept[1].get(path).status_code == 404


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id": "000001", "x": 1}', b'{"id": "../x", "delete": true}'])
def test_odd_changes_are_refused(kept, body):
    add(kept[0])
    assert kept[1].post("recordings", content=body).status_code == 422
    assert len(kept[0].clips()) == 1


def test_viewers_get_nothing(tmp_path):
    tokens = Tokens("operator-token-0123", "viewer-token-456789")
    with serve(Serving(tokens, recordings=Recordings(tmp_path, 1 << 30))) as (_, server):
        headers = {"Authorization": "Bearer viewer-token-456789"}
        assert get(server.url + "recordings/list", headers=headers).status_code == 403


def test_without_a_folder_it_says_so():
    with serve() as (_, server):
        answer = get(server.url + "recordings/list")
        assert (answer.status_code, "--recordings" in answer.text) == (404, True)
