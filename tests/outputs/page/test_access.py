"""Everybody may do what the one table says and no more, over HTTP and over WebSocket alike."""

import datetime
import json

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from edge.errors import ConfigError, NoInputError
from edge.outputs.page.access import COOKIE, WAYS, Role, Tokens, cookie_of, read_tokens
from edge.outputs.page.serving import Serving
from tests.outputs.test_overlay import reading
from tests.pages import get, grey, hear, look, post, serve, stream
from tests.patience import PATIENCE_S

TOKENS = Tokens("operator-token-0123", "viewer-token-456789")
SECRETS = {Role.ANYBODY: None, Role.VIEWER: TOKENS.viewer, Role.OPERATOR: TOKENS.operator}


@pytest.fixture(scope="module")
def locked():
    with serve(Serving(TOKENS)) as (hub, server):
        hub.present(grey(40), reading())
        yield hub, server


def cookie(role):
    return {} if SECRETS[role] is None else {"Cookie": f"{COOKIE}={cookie_of(SECRETS[role])}"}


def bearer(role):
    return {} if SECRETS[role] is None else {"Authorization": f"Bearer {SECRETS[role]}"}


@pytest.mark.parametrize("shows", [cookie, bearer])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_table_holds_for_every_way_and_role(locked, way, role, shows):
    method, path = way
    url = locked[1].url + path.replace("{name}", "app.js").replace("{number:int}", "1")[1:]
    headers = {"Origin": locked[1].url.rstrip("/"), **shows(role)}
    allowed = role >= WAYS[way]
    if method == "WS":
        if allowed:
            with connect(url.replace("http", "ws"), additional_headers=shows(role), origin=headers["Origin"]):
                return
        with pytest.raises(InvalidStatus) as refused:
            connect(
                url.replace("http", "ws"), additional_headers=shows(role), origin=headers["Origin"]
            ).__enter__()
        assert refused.value.response.status_code == 403
        return
    content = None if method == "GET" else TOKENS.operator if path == "/login" else "{}"
    with stream(method, url, headers=headers, content=content) as answer:
        refused = answer.status_code == 403
    assert refused != allowed


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_order_over_the_socket_needs_what_the_order_over_http_needs(locked, role):
    hub, server = locked
    url = server.url.replace("http", "ws") + "live"
    before = hub.desk.noted
    with connect(url, additional_headers=cookie(role), origin=server.url.rstrip("/")) as viewer:
        assert json.loads(viewer.recv(PATIENCE_S))["hello"]["operator"] == (role is Role.OPERATOR)
        hub.present(grey(40), reading())
        look(viewer)
        viewer.send('{"mark": "from the socket"}')
        viewer.send('{"mark": 7}')  # answered in any case, and after the one before
        refusals = [hear(viewer, "error")]
        if role is Role.VIEWER:
            refusals.append(hear(viewer, "error"))
            assert all("operator's token" in refusal for refusal in refusals)
    assert "operator's token" not in refusals[0] or role is Role.VIEWER
    assert (hub.desk.noted > before) == (role is Role.OPERATOR)


def test_health_tells_details_to_those_with_a_token_alone(locked):
    hub, server = locked
    hub.note(reading(reason="no signal: 'rtsp://10.0.0.5/s' does not deliver"))
    assert get(server.url + "health").json().keys() == {"live", "state"}
    assert "10.0.0.5" not in get(server.url + "health", headers={"Accept": "text/html"}).text
    assert "10.0.0.5" in get(server.url + "health", headers=bearer(Role.VIEWER)).json()["reason"]


def test_login_gives_a_cookie_that_scripts_and_other_sites_cannot_use():
    with serve(Serving(TOKENS)) as (_, server), httpx.Client(timeout=PATIENCE_S) as visitor:
        url, visitor.headers["Origin"] = server.url, server.url.rstrip("/")
        assert visitor.get(url + "role").json() == {"role": "anybody", "tokens": True}
        assert visitor.post(url + "login", content="wrong-token-0123456").status_code == 403
        answer = visitor.post(url + "login", content=TOKENS.viewer)
        set_cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in set_cookie
        assert "samesite=strict" in set_cookie
        assert TOKENS.viewer not in set_cookie
        assert visitor.get(url + "role").json()["role"] == "viewer"
        assert visitor.get(url + "events").status_code == 200


@pytest.mark.parametrize("headers", [{"Cookie": "sonocart=\xff;;=;"}, {"Authorization": "Bearer"}])
def test_nonsense_instead_of_a_token_is_nobody(locked, headers):
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    assert get(locked[1].url + "role", headers=encoded).json()["role"] == "anybody"


def test_post_without_origin_is_refused(page):
    assert post(page[1].url + "order", content=b"{}").status_code == 403


@pytest.mark.parametrize(
    ("text", "mode", "error"),
    [
        ('{"operator": "0123456789abcdef"}', 0o644, "chmod 600"),
        ('{"operator": "short"}', 0o600, "16 or more"),
        ('{"operator": "0123456789abcdef", "viewer": "0123456789abcdef"}', 0o600, "give two"),
        ('{"operater": "0123456789abcdef"}', 0o600, "operater"),
        ("[[[", 0o600, "does not hold"),
    ],
)
def test_token_file_that_is_none_is_named(tmp_path, text, mode, error):
    path = tmp_path / "tokens.json"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=error):
        read_tokens(path)
    with pytest.raises(NoInputError):
        read_tokens(tmp_path / "none.json")


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cart.test")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(key, hashes.SHA256())
    )
    pem, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, pem, serialization.NoEncryption()))
    (folder / "cert.pem").write_bytes(made.public_bytes(encoding))
    return folder / "cert.pem", folder / "key.pem"


def test_certificate_makes_the_page_speak_tls(tmp_path):
    cert, key = certificate(tmp_path)
    with serve(Serving(certificate=cert, key=key), verify=False) as (_, server):
        assert server.url.startswith("https://")
        assert get(server.url, verify=False).status_code == 200


def test_certificate_that_is_none_is_named(tmp_path):
    cert, _ = certificate(tmp_path)
    (tmp_path / "bad.pem").write_text("no key")
    for pair in ((cert, tmp_path / "bad.pem"), (tmp_path / "none.pem", None), (cert, None)):
        with (
            pytest.raises(ConfigError, match="certificate"),
            serve(Serving(certificate=pair[0], key=pair[1])),
        ):
            pass


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pictures_stand_in_no_other_sites_page(page, site):
    hub, server = page
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    for path in ("stream.mjpg", "best/1.jpg", "static/app.js"):
        assert get(server.url + path, headers=headers).status_code == 403
    assert not hub.viewers
    linked = get(server.url, headers=headers | {"Sec-Fetch-Mode": "navigate"})
    assert linked.status_code == 200
    assert linked.headers["cross-origin-resource-policy"] == "same-origin"
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"}
    assert get(server.url + "static/app.js", headers=own).status_code == 200


def test_further_names_are_answered_to():
    with serve(Serving(hosts=("cart.test",))) as (_, server):
        for name, code in (("cart.test", 200), ("Cart.Test", 200), ("evil.test", 421)):
            assert get(server.url, headers={"Host": f"{name}:{server.port}"}).status_code == code
