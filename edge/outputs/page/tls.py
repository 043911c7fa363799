"""The page's certificate and key."""

from __future__ import annotations

import ssl
from pathlib import Path

from edge.errors import ConfigError


def load_tls(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """What TLS is served with; without `key` it stands in the certificate's file.

    Raises:
        ConfigError: they are no pair that can be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError) as error:  # SSLError is an OSError; named for the reader
        raise ConfigError(
            f"the page's certificate '{certificate}' with key '{key or certificate}' "
            f"cannot be used: {error.strerror or error}. Expected a pair of PEM files without password"
        ) from error
    return context


def _no_password() -> str:
    """Instead of asking at a terminal."""
    return ""
