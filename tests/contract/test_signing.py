"""A cart that trusts some keys opens what one of them signed, whole and new enough, and nothing else."""

import json

import pytest

from edge.cli import run
from edge.contract.bundle import NewFile, amend_bundle, create_bundle, open_bundle, sign_bundle
from edge.contract.signing import SIGNATURE, load_key, load_trust, make_key
from edge.contract.spec import encode_spec
from edge.errors import CannotCreateError, ConfigError, NoInputError, RefusedError, UsageError
from tests.fakes import spec


@pytest.fixture
def bundle(tmp_path):
    files = {"model.json": NewFile(encode_spec(spec())), "model.onnx": NewFile(b"graph" * 100)}
    return create_bundle(tmp_path / "bundle", files)


@pytest.fixture
def key(tmp_path):
    make_key(tmp_path / "maker.key")
    return tmp_path / "maker.key"


@pytest.fixture
def trust(tmp_path, key):
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / "maker.pub").write_bytes(key.with_name("maker.pub").read_bytes())
    return folder


def sign(bundle, key, version=1):
    return sign_bundle(bundle.path, load_key(key), version)


def test_signed_bundle_opens_with_its_version_and_key(bundle, key, trust):
    signed = sign(bundle, key, 7)
    opened = open_bundle(bundle.path, load_trust(trust))
    assert opened.signed == signed
    assert signed.version == 7
    assert opened.id == bundle.id


def test_unsigned_bundle_is_refused_and_the_trusted_key_named(bundle, trust):
    with pytest.raises(RefusedError, match=r"is not signed; trusted.*maker [0-9a-f]{16}"):
        open_bundle(bundle.path, load_trust(trust))


def test_foreign_key_is_refused_and_both_keys_named(bundle, key, trust, tmp_path):
    found = make_key(tmp_path / "other.key")
    expected = sign(bundle, key).key
    sign(bundle, tmp_path / "other.key")
    with pytest.raises(RefusedError) as error:
        open_bundle(bundle.path, load_trust(trust))
    assert found in str(error.value)
    assert expected in str(error.value)


def test_every_bit_of_the_signature_counts(bundle, key, trust):
    sign(bundle, key)
    path = bundle.path / SIGNATURE
    good = path.read_bytes()
    for offset in range(len(good)):
        bad = bytearray(good)
        bad[offset] ^= 1 << (offset % 8)
        path.write_bytes(bad)
        with pytest.raises(RefusedError):
            open_bundle(bundle.path, load_trust(trust))
    for cut in (b"", good[:-1], good + b"x"):
        path.write_bytes(cut)
        with pytest.raises(RefusedError):
            open_bundle(bundle.path, load_trust(trust))


def test_altered_manifest_is_refused_before_it_is_parsed(bundle, key, trust, monkeypatch):
    import edge.contract.bundle as module

    sign(bundle, key)
    manifest = bundle.path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"schema"', b'"sch3ma"'))
    monkeypatch.setattr(module.msgspec.json, "decode", lambda *a, **k: pytest.fail("parsed"))
    with pytest.raises(RefusedError, match="does not fit its manifest"):
        open_bundle(bundle.path, load_trust(trust))


def test_linked_signature_is_refused(bundle, key, trust, tmp_path):
    sign(bundle, key)
    (bundle.path / SIGNATURE).rename(tmp_path / "elsewhere")
    (bundle.path / SIGNATURE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="cannot be read"):
        open_bundle(bundle.path, load_trust(trust))


def test_older_than_the_minimum_version_is_refused(bundle, key, trust):
    sign(bundle, key, 4)
    (trust / "minimum-version").write_text("5\n")
    with pytest.raises(RefusedError, match="version 4, older than the minimum 5"):
        open_bundle(bundle.path, load_trust(trust))
    sign(bundle, key, 5)
    open_bundle(bundle.path, load_trust(trust))


def test_amended_bundle_loses_its_signature(bundle, key, trust):
    sign(bundle, key)
    amend_bundle(open_bundle(bundle.path), {"reports/x.json": NewFile(b"{}")})
    with pytest.raises(RefusedError, match="not signed"):
        open_bundle(bundle.path, load_trust(trust))


def test_altered_bundle_is_not_signed(bundle, key):
    (bundle.path / "model.onnx").write_bytes(b"other" * 100)
    with pytest.raises(RefusedError, match="altered"):
        sign(bundle, key)
    assert not (bundle.path / SIGNATURE).exists()


def test_private_key_is_readable_by_its_owner_alone(key):
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    with pytest.raises(RefusedError, match="chmod 600"):
        load_key(key)


def test_keys_are_never_overwritten(key):
    before = key.read_bytes()
    with pytest.raises(CannotCreateError, match="File exists"):
        make_key(key)
    key.unlink()
    with pytest.raises(CannotCreateError, match="File exists"):
        make_key(key)  # its .pub is still there
    assert not key.exists()
    assert before


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
def test_trust_store_with_a_broken_key_is_a_configuration_error(trust, content):
    (trust / "broken.pub").write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.pub"):
        load_trust(trust)


def test_trust_store_without_keys_or_with_a_strange_minimum(trust, tmp_path):
    (trust / "minimum-version").write_text("soon")
    with pytest.raises(ConfigError, match="whole number"):
        load_trust(trust)
    with pytest.raises(ConfigError, match="not a folder"):
        load_trust(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no \.pub"):
        load_trust(tmp_path / "empty")


def test_key_of_another_kind_is_told(tmp_path):
    wrong = tmp_path / "wrong.key"
    wrong.write_text("secret")
    wrong.chmod(0o600)
    with pytest.raises(NoInputError, match="PEM"):
        load_key(wrong)
    with pytest.raises(NoInputError, match="--new-key"):
        load_key(tmp_path / "none.key")


def test_verbs_make_a_key_sign_and_verify(bundle, tmp_path, capsys):
    key = tmp_path / "k.key"
    store = tmp_path / "store"
    store.mkdir()
    assert run(["sign", "--new-key", str(key)]) == 0
    key.with_name("k.pub").rename(store / "k.pub")
    assert run(["sign", str(bundle.path), "--key", str(key), "--version", "3"]) == 0
    capsys.readouterr()
    assert run(["verify", str(bundle.path), "--trust", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["files"], found["bundle"]) == (3, 2, bundle.id)
    assert found["signature"] == "good"
    assert run(["verify", str(bundle.path)]) == 0
    said = capsys.readouterr().out
    assert f"key {found['key']} as version 3" in said
    assert "nobody has checked" in said


def test_verify_says_that_a_bundle_is_not_signed(bundle, capsys):
    assert run(["verify", str(bundle.path)]) == 0
    assert "not signed" in capsys.readouterr().out
    assert run(["verify", str(bundle.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signature"] == "none"


def test_verify_of_an_altered_bundle_is_json_too_with_its_reason(bundle, capsys):
    with (bundle.path / "model.json").open("ab") as file:
        file.write(b" ")
    with pytest.raises(RefusedError, match="was altered"):
        run(["verify", str(bundle.path)])
    assert run(["verify", str(bundle.path), "--json"]) == 77
    found = json.loads(capsys.readouterr().out)
    assert found["holds"] is False
    assert "'model.json'" in found["reason"]


def test_verify_of_an_unsigned_bundle_with_trust_is_json_too(bundle, tmp_path, capsys):
    run(["sign", "--new-key", str(tmp_path / "k.key")])
    capsys.readouterr()
    assert run(["verify", str(bundle.path), "--trust", str(tmp_path), "--json"]) == 77
    assert "not signed" in json.loads(capsys.readouterr().out)["reason"]


@pytest.mark.parametrize("arguments", [[], ["B"], ["B", "--key", "K"], ["B", "--new-key", "K"]])
def test_incomplete_command_lines(arguments):
    with pytest.raises(UsageError):
        run(["sign", *arguments])


def test_key_with_a_passphrase_signs_only_with_it(bundle, tmp_path, capsys, monkeypatch):
    key, right, wrong = tmp_path / "safe.key", tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse\nsecond line")
    wrong.write_text("battery staple")
    run(["sign", "--new-key", str(key), "--passphrase-file", str(right)])
    assert b"ENCRYPTED" in key.read_bytes()
    signing = ["sign", str(bundle.path), "--key", str(key), "--version", "1"]
    with pytest.raises(RefusedError, match=r"passphrase of key .* is wrong"):
        run([*signing, "--passphrase-file", str(wrong)])
    monkeypatch.delenv("SONOCART_PASSPHRASE", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(RefusedError, match="--passphrase-file"):
        run(signing)
    assert open_bundle(bundle.path).id == bundle.id
    assert run([*signing, "--passphrase-file", str(right)]) == 0
    monkeypatch.setenv("SONOCART_PASSPHRASE", "correct horse")
    assert run(signing) == 0


def test_passphrase_is_asked_twice_on_a_terminal(tmp_path, monkeypatch):
    answers = iter(["one", "two", "one", "one"])
    monkeypatch.delenv("SONOCART_PASSPHRASE", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    key = tmp_path / "asked.key"
    with pytest.raises(UsageError, match="differ"):
        run(["sign", "--new-key", str(key)])
    assert not key.exists()
    run(["sign", "--new-key", str(key)])
    assert load_key(key, lambda: b"one")


def test_going_down_with_the_version_is_warned_of(bundle, key, capsys):
    given = ["sign", str(bundle.path), "--key", str(key), "--version"]
    for version in ("7", "8"):
        run([*given, version])
        assert capsys.readouterr().err == ""
    run([*given, "3"])
    assert "version 3 is lower than 8" in capsys.readouterr().err
