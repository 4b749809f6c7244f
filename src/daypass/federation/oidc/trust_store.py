"""Whose certificates an issuer may show.

Owns the TLS settings of fetching: the system's authorities, an operator's further ones, and, where an
operator enforces them, the thumbprints of the provider in addition. A thumbprint never replaces an
authority. Source: IAM User Guide, "Obtain the thumbprint for an OpenID Connect identity provider": the
SHA-1 of the topmost certificate; any certificate of the chain that was verified counts here, and none that
was merely sent along.
"""

import hashlib
import ssl
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from daypass.federation.oidc import words


class ThumbprintMismatch(ssl.SSLCertVerificationError):
    """The chain is trusted, and none of its certificates has a thumbprint that the provider names."""


@lru_cache(maxsize=256)
def create_context(ca_bundle: Path | None, thumbprints: frozenset[str]) -> ssl.SSLContext:
    """Return the settings for one connection's worth of demands. Cached: reading the authorities is slow."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle is not None:
        context.load_verify_locations(cafile=ca_bundle)
    if thumbprints:
        context.sslobject_class = _enforcing(thumbprints)
    return context


def _enforcing(thumbprints: frozenset[str]) -> type[ssl.SSLObject]:
    wanted = {thumbprint.lower() for thumbprint in thumbprints}

    class EnforcingSSLObject(ssl.SSLObject):
        """Ends the handshake where the chain has no wanted thumbprint, before any HTTP is sent."""

        def do_handshake(self) -> None:
            super().do_handshake()
            if wanted.isdisjoint(map(_thumbprint, _verified_chain(self))):
                raise ThumbprintMismatch(words.WRONG_THUMBPRINT)

    return EnforcingSSLObject


def _verified_chain(connection: ssl.SSLObject) -> Iterable[bytes]:
    # A public method from Python 3.13 on. Before, the same one lies one level deeper and gives certificate
    # objects.
    public = getattr(connection, "get_verified_chain", None)
    if public is not None:
        return list(public())
    inner = connection._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - no public way before 3.13
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in inner.get_verified_chain()]


def _thumbprint(certificate: bytes) -> str:
    return hashlib.sha1(certificate, usedforsecurity=False).hexdigest()
