"""A bundle: the folder in which a model travels from training to the cart.

    model.onnx  model.int8.onnx ...  model.json  golden/  reports/  MODEL_CARD.md
    manifest.json  manifest.sha256  manifest.sig

`manifest.json` lists every other file with its SHA-256 and, for a file made from another, its parent's hash;
`manifest.sha256` holds the manifest's own hash. Nothing is parsed before the whole chain holds, and a file
is only ever handed out as bytes that have just been hashed. A bundle is never changed in place: a new folder
is written beside it and swapped in.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.contract.signing import SIGNATURE, Signed, TrustStore, public_bytes, sign_manifest
from edge.contract.spec import SCHEMA, ModelSpec, decode_spec
from edge.errors import CannotCreateError, NoInputError, RefusedError

MANIFEST = "manifest.json"
MANIFEST_HASH = "manifest.sha256"
SPEC = "model.json"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_RENAME_EXCHANGE = 2  # linux/fs.h


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file: its hash, its size in bytes, and the hash of the file it was derived from."""

    sha256: str
    bytes: int
    parent: str | None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every file of the bundle but the manifest itself, by POSIX path relative to the folder."""

    schema: int
    files: dict[str, Entry]


@dataclass(frozen=True, slots=True)
class NewFile:
    """Content for a bundle and the name of the file in the bundle that it was derived from."""

    data: bytes
    parent: str | None = None


def model_file(precision: str) -> str:
    """Name of the ONNX file of a precision."""
    return "model.onnx" if precision == "fp32" else f"model.{precision}.onnx"


def cpu_file(precision: str) -> str:
    """Name of the arrangement of a precision's graph for CPU kernels, where there is one."""
    return f"cpu/{model_file(precision)}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle whose every byte has been checked. Make one with `open_bundle`."""

    path: Path
    id: str  # first 12 hexadecimal digits of the manifest's SHA-256
    manifest: Manifest
    spec: ModelSpec
    signed: Signed | None  # None where no trust store was asked

    def read(self, name: str) -> bytes:
        """Content of a listed file, hashed as it is handed out."""
        return _read_entry(self.path, name, self._entry(name))

    def has(self, name: str) -> bool:
        """True if the manifest lists `name`."""
        return name in self.manifest.files

    def names(self, folder: str) -> list[str]:
        """Listed files below `folder`, sorted."""
        return sorted(name for name in self.manifest.files if name.startswith(folder.rstrip("/") + "/"))

    def sha256(self, name: str) -> str:
        """Hash of a listed file, hexadecimal."""
        return self._entry(name).sha256

    def model(self, precision: str) -> bytes:
        """The ONNX file of a precision.

        Raises:
            NoInputError: that precision has not been calibrated yet.
        """
        name = model_file(precision)
        if not self.has(name):
            raise NoInputError(
                f"bundle {self.path} has no {precision} model (found: {', '.join(self.precisions())}). "
                f"Run: sonocart calibrate {self.path} --frames STUDY --precision {precision}"
            )
        return self.read(name)

    def precisions(self) -> list[str]:
        """The precisions that the bundle has a graph for, FP32 first."""
        found = ["fp32"] if self.has("model.onnx") else []
        for name in sorted(self.manifest.files):
            match = re.fullmatch(r"model\.(.+)\.onnx", name)
            if match:
                found.append(match[1])
        return found

    def _entry(self, name: str) -> Entry:
        try:
            return self.manifest.files[name]
        except KeyError:
            raise NoInputError(f"bundle {self.path} has no file '{name}'") from None


def open_bundle(path: Path, trust: TrustStore | None = None) -> Bundle:
    """Check the whole hash chain of the bundle at `path`, then read its specification.

    Args:
        path: the folder.
        trust: the keys of which one must have signed the bundle; None asks for no signature.

    Raises:
        NoInputError: no such folder, or not a bundle.
        RefusedError: the signature, a hash, a name, a link or the list of files is not as it must be.
            Nothing was parsed.
        DataError: the specification makes no sense.
    """
    if not path.is_dir():
        raise NoInputError(f"bundle '{path}' is not a folder. Run: sonocart export RUN --out {path}")
    if not (path / MANIFEST).exists():
        raise NoInputError(f"'{path}' has no {MANIFEST}, so it is not a bundle. Make one: sonocart export")
    raw = _read_plain(path, MANIFEST)
    digest = hashlib.sha256(raw).hexdigest()
    signed = None if trust is None else trust.check(path, raw, _read_signature(path))
    if _read_plain(path, MANIFEST_HASH) != f"{digest}\n".encode():
        raise RefusedError(f"{path / MANIFEST} does not have the hash in {MANIFEST_HASH}; restore the bundle")
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RefusedError(f"{path / MANIFEST} is not a manifest: {error}") from error
    if manifest.schema != SCHEMA:
        raise RefusedError(
            f"{path / MANIFEST} has schema {manifest.schema}, this version reads {SCHEMA}; train and "
            "export it again. Run: sonocart export RUN --out BUNDLE"
        )
    _check_listing(path, manifest)
    for name, entry in manifest.files.items():
        _read_entry(path, name, entry)
    spec = decode_spec(_read_entry(path, SPEC, manifest.files[SPEC]))
    return Bundle(path, digest[:12], manifest, spec, signed)


def sign_bundle(path: Path, key: Ed25519PrivateKey, version: int) -> Signed:
    """Check the bundle at `path` and add its signature; the folder is swapped as a whole.

    Raises:
        RefusedError: the hash chain does not hold; nothing is signed.
        UsageError: `version` is no version.
    """
    bundle = open_bundle(path)
    content = {name: bundle.read(name) for name in bundle.manifest.files}
    raw = _read_plain(path, MANIFEST)
    digest = hashlib.sha256(raw).hexdigest()
    if digest[:12] != bundle.id:
        raise RefusedError(f"{path / MANIFEST} changed while it was signed; sign the bundle again")
    signature = sign_manifest(raw, key, version)
    hashed = f"{digest}\n".encode()
    _write_folder(path, {**content, MANIFEST: raw, MANIFEST_HASH: hashed, SIGNATURE: signature})
    return TrustStore(path, {"own": public_bytes(key)}, version).check(path, raw, signature)


def copy_bundle(bundle: Bundle, path: Path) -> None:
    """A copy of `bundle` at `path`, with its signature, swapped in as a whole; nothing if it is there.

    Raises:
        CannotCreateError: it cannot be written, or `path` is something else than a bundle.
    """
    raw = _read_plain(bundle.path, MANIFEST)
    if (path / MANIFEST).exists():
        if (path / MANIFEST).read_bytes() == raw and _read_signature(path) == _read_signature(bundle.path):
            return
    elif path.exists():
        raise CannotCreateError(f"'{path}' exists and is no bundle; give another folder")
    content = {name: bundle.read(name) for name in bundle.manifest.files}
    content |= {MANIFEST: raw, MANIFEST_HASH: _read_plain(bundle.path, MANIFEST_HASH)}
    signature = _read_signature(bundle.path)
    _write_folder(path, content if signature is None else {**content, SIGNATURE: signature})


def create_bundle(path: Path, files: Mapping[str, NewFile], *, replace: bool = False) -> Bundle:
    """Write a new bundle; the folder appears complete or not at all.

    Args:
        path: where; must not exist, or be a bundle and `replace` be set.
        files: content by name.
        replace: swap an existing bundle for the new one.
    """
    if path.exists() and not (replace and (path / MANIFEST).exists()):
        raise CannotCreateError(f"'{path}' exists already; choose another --out or remove it first")
    hashes = {name: hashlib.sha256(file.data).hexdigest() for name, file in files.items()}
    entries = {
        name: Entry(
            sha256=hashes[name],
            bytes=len(file.data),
            parent=None if file.parent is None else hashes[file.parent],
        )
        for name, file in sorted(files.items())
    }
    for name in entries:
        if not _NAME.fullmatch(name):
            raise CannotCreateError(f"'{name}' is no name for a file in a bundle")
    raw = msgspec.json.format(
        msgspec.json.encode(Manifest(schema=SCHEMA, files=entries), order="sorted"), indent=2
    )
    content = {name: file.data for name, file in files.items()}
    content[MANIFEST] = raw
    content[MANIFEST_HASH] = f"{hashlib.sha256(raw).hexdigest()}\n".encode()
    _write_folder(path, content)
    return open_bundle(path)


def amend_bundle(bundle: Bundle, files: Mapping[str, NewFile]) -> Bundle:
    """The same bundle with `files` added or replaced, swapped in atomically; the old one is gone.

    What was derived from a file that is replaced is not kept: a report or an engine of another model would
    claim the new one as its parent.
    """
    hashes = {entry.sha256: name for name, entry in bundle.manifest.files.items()}
    parents = {
        name: None if entry.parent is None else hashes[entry.parent]
        for name, entry in bundle.manifest.files.items()
    }

    def derived(name: str | None) -> bool:
        return name is not None and (name in files or derived(parents[name]))

    kept = {name: NewFile(bundle.read(name), parents[name]) for name in parents if not derived(name)}
    return create_bundle(bundle.path, {**kept, **files}, replace=True)


def _write_folder(path: Path, content: Mapping[str, bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise CannotCreateError(f"cannot write the bundle '{path}': {error.strerror or error}") from error
    try:
        partial.chmod(0o755)
        for name, data in content.items():
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        if path.exists():
            _exchange(partial, path)
        else:
            partial.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise CannotCreateError(f"cannot write the bundle '{path}': {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # after a swap this is the old bundle


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders in one step (renameat2, Linux 3.15), so that no reader ever finds none."""
    libc = ctypes.CDLL(None, use_errno=True)
    at_cwd = -100
    done = libc.renameat2(at_cwd, os.fsencode(new), at_cwd, os.fsencode(old), _RENAME_EXCHANGE)
    if done == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS):  # file systems that cannot exchange
        raise OSError(code, os.strerror(code))
    aside = new.with_name(f"{new.name}.old")
    old.rename(aside)
    new.rename(old)
    aside.rename(new)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _walk(path: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(path, followlinks=False):
        for name in folders:
            if (Path(folder) / name).is_symlink():
                raise RefusedError(f"bundle {path} holds a symbolic link, '{name}'; restore the bundle")
        for name in files:
            yield (Path(folder) / name).relative_to(path).as_posix()


def _check_listing(path: Path, manifest: Manifest) -> None:
    known = {entry.sha256 for entry in manifest.files.values()}
    for name, entry in manifest.files.items():
        if not _NAME.fullmatch(name):
            raise RefusedError(f"bundle {path} lists '{name}', which is no plain relative name")
        if entry.parent is not None and entry.parent not in known:
            raise RefusedError(
                f"'{name}' in bundle {path} was made from a file that the bundle does not hold"
            )
    if SPEC not in manifest.files:
        raise RefusedError(f"bundle {path} does not list {SPEC}")
    found = set(_walk(path)) - {MANIFEST, MANIFEST_HASH, SIGNATURE}
    listed = set(manifest.files)
    for name in sorted(found - listed):
        raise RefusedError(f"bundle {path} holds '{name}', which its manifest does not list; remove it")
    for name in sorted(listed - found):
        raise RefusedError(f"bundle {path} lacks '{name}'; restore the bundle")


def _read_signature(path: Path) -> bytes | None:
    return _read_plain(path, SIGNATURE, limit=1024) if os.path.lexists(path / SIGNATURE) else None


def _read_entry(path: Path, name: str, entry: Entry) -> bytes:
    data = _read_plain(path, name, limit=entry.bytes)
    if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise RefusedError(
            f"'{name}' in bundle {path} was altered: its hash is not the manifest's; restore it"
        )
    return data


def _read_plain(path: Path, name: str, limit: int = 1 << 24) -> bytes:
    """At most `limit` + 1 bytes of a regular file that is no link of any kind."""
    try:
        handle = os.open(path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise RefusedError(f"'{name}' in bundle {path} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise RefusedError(f"'{name}' in bundle {path} is a link or no regular file; restore the bundle")
        return file.read(max(0, min(limit, status.st_size)) + 1)
