"""Who vouches for a bundle: Ed25519 signatures (RFC 8032) over its manifest, and the keys that a cart trusts.

The manifest holds every file's hash, so its signature covers the whole bundle. `manifest.sig` has a fixed
layout, so that checking it needs no parser: 8 bytes of magic, the bundle's version (unsigned, big-endian, 8
bytes), the public key (32 bytes) and the signature (64 bytes) over magic, version, key and the manifest's
SHA-256.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from edge.errors import CannotCreateError, ConfigError, NoInputError, RefusedError, UsageError

SIGNATURE = "manifest.sig"
MAX_VERSION = 2**63 - 1

_MAGIC = b"SONOSIG1"
_HEADER = len(_MAGIC) + 8 + 32
_SIZE = _HEADER + 64


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose signature was found good, and what it says.

    Attributes:
        version: of the bundle; its maker counts it up.
        key: fingerprint of the public key.
    """

    version: int
    key: str


@dataclass(frozen=True, slots=True)
class TrustStore:
    """What a cart accepts.

    Attributes:
        path: of the folder, for messages.
        keys: raw public keys (32 bytes) by the name of their file.
        minimum: the lowest version of a bundle that is accepted, against rolling back.
    """

    path: Path
    keys: dict[str, bytes]
    minimum: int

    def check(self, bundle: Path, manifest: bytes, signature: bytes | None) -> Signed:
        """Check a manifest's bytes before anything parses them.

        Raises:
            RefusedError: no signature, of another key, not matching, or of a bundle that is too old.
        """
        trusted = ", ".join(f"{name} {fingerprint(key)}" for name, key in sorted(self.keys.items()))
        if signature is None:
            raise RefusedError(
                f"bundle {bundle} is not signed; trusted in {self.path}: {trusted}. "
                f"Run: sonocart sign {bundle} --key KEY --version N"
            )
        if len(signature) != _SIZE or not signature.startswith(_MAGIC):
            raise RefusedError(f"{bundle / SIGNATURE} is no signature of this kit; sign the bundle again")
        header, proof = signature[:_HEADER], signature[_HEADER:]
        key = header[-32:]
        if key not in self.keys.values():
            raise RefusedError(
                f"bundle {bundle} is signed with key {fingerprint(key)}, which {self.path} does not trust; "
                f"trusted: {trusted}"
            )
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(proof, _message(header, manifest))
        except InvalidSignature:
            raise RefusedError(
                f"the signature of bundle {bundle} with key {fingerprint(key)} does not fit its manifest; "
                "one of them was altered. Restore the bundle"
            ) from None
        version = _version(header)
        if version < self.minimum:
            raise RefusedError(
                f"bundle {bundle} has version {version}, older than the minimum {self.minimum} of {self.path}"
            )
        return Signed(version, fingerprint(key))


def load_trust(path: Path) -> TrustStore:
    """Read a trust store: a folder with `*.pub` files (PEM) and, if wanted, a number in `minimum-version`.

    Raises:
        ConfigError: no folder, no key in it, or a file that is not what its name says.
    """
    if not path.is_dir():
        raise ConfigError(f"trust store '{path}' is not a folder; put the makers' .pub files into one")
    keys = {file.stem: _read_public(file) for file in sorted(path.glob("*.pub"))}
    if not keys:
        raise ConfigError(f"trust store '{path}' has no .pub file; sonocart sign --new-key makes one")
    minimum = path / "minimum-version"
    if not minimum.exists():
        return TrustStore(path, keys, 0)
    try:
        number = int(minimum.read_text())
    except (ValueError, OSError):
        raise ConfigError(f"'{minimum}' must hold one whole number") from None
    return TrustStore(path, keys, number)


def make_key(path: Path, passphrase: bytes | None = None) -> str:
    """Write a new private key (PEM, PKCS 8, mode 0600) to `path` and its public key beside it as `.pub`.

    Args:
        path: new.
        passphrase: that encrypts the private key; None leaves it plain.

    Returns:
        The fingerprint.

    Raises:
        CannotCreateError: one of the files exists already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    public = path.with_name(f"{path.stem}.pub")
    protection = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _create(path, private_pem, 0o600)
    try:
        _create(public, public_pem, 0o644)
    except CannotCreateError:
        path.unlink()
        raise
    return fingerprint(public_bytes(key))


def load_key(path: Path, passphrase: Callable[[], bytes | None] = lambda: None) -> Ed25519PrivateKey:
    """Read a private key.

    Args:
        path: of the key.
        passphrase: asked only where the key is encrypted; None stands for not knowing it.

    Raises:
        NoInputError: there is none, or it is not an Ed25519 key.
        RefusedError: others may read it, or the passphrase is missing or wrong.
    """
    try:
        data = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise NoInputError(
            f"cannot read key '{path}': {error.strerror}. Make one: sonocart sign --new-key {path}"
        ) from error
    if mode & 0o077:
        raise RefusedError(f"key '{path}' can be read by others; run: chmod 600 {path}")
    try:
        given = passphrase() if b"ENCRYPTED" in data else None
        if given is None and b"ENCRYPTED" in data:
            raise RefusedError(f"key '{path}' has a passphrase; give --passphrase-file FILE")
        key = load_pem_private_key(data, password=given)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if b"ENCRYPTED" in data:
            raise RefusedError(f"the passphrase of key '{path}' is wrong, or the key is damaged") from None
        raise NoInputError(f"'{path}' is not a private key in PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise NoInputError(f"'{path}' is not an Ed25519 key. Make one: sonocart sign --new-key {path}")
    return key


def sign_manifest(manifest: bytes, key: Ed25519PrivateKey, version: int) -> bytes:
    """The content of `manifest.sig` for a manifest's bytes."""
    if not 0 <= version <= MAX_VERSION:
        raise UsageError(f"version is {version}, expected 0 to {MAX_VERSION}")
    public = public_bytes(key)
    header = _MAGIC + version.to_bytes(8, "big") + public
    return header + key.sign(_message(header, manifest))


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The raw public key, 32 bytes."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def fingerprint(key: bytes) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a raw public key."""
    return hashlib.sha256(key).hexdigest()[:16]


def claimed_signature(bundle: Path) -> Signed | None:
    """What a bundle's signature says of itself, unchecked; None where none can be read."""
    try:
        signature = (bundle / SIGNATURE).read_bytes()
    except OSError:
        return None
    header = signature[:_HEADER]
    return Signed(_version(header), fingerprint(header[-32:])) if len(signature) == _SIZE else None


def signature_words(good: Signed | None, claimed: Signed | None) -> str:
    """What is known of a bundle's signature: the one that was found good, or what it says of itself."""
    if good is not None:
        return f"signed with key {good.key}, version {good.version}"
    if claimed is not None:
        return (
            f"signed, as it says with key {claimed.key} as version {claimed.version}, which nobody has "
            "checked: add --trust DIR"
        )
    return "not signed"


def _version(header: bytes) -> int:
    return int.from_bytes(header[len(_MAGIC) : -32], "big")


def _message(header: bytes, manifest: bytes) -> bytes:
    return header + hashlib.sha256(manifest).digest()


def _read_public(path: Path) -> bytes:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm, OSError) as error:
        raise ConfigError(f"'{path}' is not a public key in PEM: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"'{path}' is not an Ed25519 key")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _create(path: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise CannotCreateError(f"cannot write key '{path}': {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
