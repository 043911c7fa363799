"""A bundle is handed out only while every byte of it is what its manifest says."""

import hashlib
import json
import os

import pytest

from edge.contract.bundle import NewFile, amend_bundle, create_bundle, open_bundle
from edge.contract.spec import encode_spec
from edge.errors import CannotCreateError, NoInputError, RefusedError
from tests.fakes import spec


@pytest.fixture
def bundle(tmp_path):
    return create_bundle(
        tmp_path / "bundle",
        {
            "model.json": NewFile(encode_spec(spec())),
            "model.onnx": NewFile(b"graph" * 100),
            "golden/fp32.risk.npy": NewFile(b"risk", parent="model.onnx"),
        },
    )


def test_round_trip(bundle):
    again = open_bundle(bundle.path)
    assert again == bundle
    assert again.read("model.onnx") == b"graph" * 100
    assert again.manifest.files["golden/fp32.risk.npy"].parent == again.sha256("model.onnx")
    assert again.precisions() == ["fp32"]


def test_every_single_bit_flip_is_refused(bundle):
    for path in sorted(p for p in bundle.path.rglob("*") if p.is_file()):
        original = path.read_bytes()
        for offset in {0, len(original) // 2, len(original) - 1}:
            flipped = bytearray(original)
            flipped[offset] ^= 1
            path.write_bytes(flipped)
            with pytest.raises(RefusedError):
                open_bundle(bundle.path)
        path.write_bytes(original)
    open_bundle(bundle.path)


@pytest.mark.parametrize(
    "change", ["truncate", "extend", "remove", "add", "symlink", "hardlink", "fifo", "folder_link"]
)
def test_altered_folder_is_refused(bundle, tmp_path, change):
    model = bundle.path / "model.onnx"
    if change == "truncate":
        model.write_bytes(model.read_bytes()[:-1])
    elif change == "extend":
        model.write_bytes(model.read_bytes() + b"x")
    elif change == "remove":
        model.unlink()
    elif change == "add":
        (bundle.path / "weights.bin").write_bytes(b"external data")
    elif change == "symlink":
        model.rename(tmp_path / "elsewhere")
        model.symlink_to(tmp_path / "elsewhere")
    elif change == "hardlink":
        os.link(model, tmp_path / "second")
    elif change == "fifo":
        model.unlink()
        os.mkfifo(model)
    elif change == "folder_link":
        (bundle.path / "golden").rename(tmp_path / "golden")
        (bundle.path / "golden").symlink_to(tmp_path / "golden")
    with pytest.raises(RefusedError):
        open_bundle(bundle.path)


def test_file_changed_after_opening_is_refused_when_read(bundle):
    (bundle.path / "model.onnx").write_bytes(b"other" * 100)
    with pytest.raises(RefusedError, match="altered"):
        bundle.read("model.onnx")


def test_amended_bundle_replaces_the_old_one_whole(bundle):
    amended = amend_bundle(bundle, {"model.int8.onnx": NewFile(b"int8", parent="model.onnx")})
    assert amended.id != bundle.id
    assert amended.precisions() == ["fp32", "int8"]
    assert amended.manifest.files["golden/fp32.risk.npy"].parent == amended.sha256("model.onnx")
    assert [p.name for p in bundle.path.parent.iterdir()] == ["bundle"]


def test_creating_over_something_else_is_refused_and_leaves_it(tmp_path):
    target = tmp_path / "mine"
    target.mkdir()
    (target / "notes.txt").write_text("keep")
    with pytest.raises(CannotCreateError, match="exists already"):
        create_bundle(target, {"model.json": NewFile(encode_spec(spec()))}, replace=True)
    assert (target / "notes.txt").read_text() == "keep"


def test_missing_bundle_says_how_to_make_one(tmp_path):
    with pytest.raises(NoInputError, match="sonocart export"):
        open_bundle(tmp_path / "nothing")


def test_missing_precision_says_how_to_make_it(bundle):
    with pytest.raises(NoInputError, match="sonocart calibrate"):
        bundle.model("int8")


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../b", ".hidden", "a//b", ""])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    files = {"model.json": NewFile(encode_spec(spec())), name: NewFile(b"x")}
    with pytest.raises(CannotCreateError):
        create_bundle(tmp_path / "bundle", files)
    assert list(tmp_path.iterdir()) == []


def test_what_was_derived_from_a_replaced_file_is_not_kept(bundle):
    noted = amend_bundle(bundle, {"reports/note.json": NewFile(b"{}")})
    assert noted.has("golden/fp32.risk.npy")
    amended = amend_bundle(noted, {"model.onnx": NewFile(b"another graph")})
    assert set(amended.manifest.files) == {"model.json", "model.onnx", "reports/note.json"}


def test_another_schema_of_the_manifest_is_refused(bundle):
    manifest = bundle.path / "manifest.json"
    changed = manifest.read_bytes().replace(b'"schema": 2', b'"schema": 1')
    manifest.write_bytes(changed)
    (bundle.path / "manifest.sha256").write_text(hashlib.sha256(changed).hexdigest() + "\n")
    with pytest.raises(RefusedError, match=r"schema 1.*sonocart export"):
        open_bundle(bundle.path)


@pytest.mark.parametrize("size", [-5, 10**18, 10**30])
def test_a_size_that_no_file_has_is_refused(bundle, size):
    """The chain of hashes holds: whoever has no key can still write one."""
    manifest = bundle.path / "manifest.json"
    described = json.loads(manifest.read_bytes())
    described["files"]["model.onnx"]["bytes"] = size
    raw = json.dumps(described).encode()
    manifest.write_bytes(raw)
    (bundle.path / "manifest.sha256").write_text(hashlib.sha256(raw).hexdigest() + "\n")
    with pytest.raises(RefusedError, match="altered"):
        open_bundle(bundle.path)


def test_a_manifest_that_is_no_text_is_refused(bundle):
    manifest = bundle.path / "manifest.json"
    raw = manifest.read_bytes().replace(b"golden", b"\xfflden")
    manifest.write_bytes(raw)
    (bundle.path / "manifest.sha256").write_text(hashlib.sha256(raw).hexdigest() + "\n")
    with pytest.raises(RefusedError, match="is not a manifest"):
        open_bundle(bundle.path)
