"""The certificates that an issuer may present.

Owns the TLS settings of fetching: the system's and the operator's authorities and, if enforced, the provider's
thumbprints, which never replace an authority.
Source: IAM User Guide, "Obtain the thumbprint for an OpenID Connect identity provider": the SHA-1 of the topmost
certificate. Here any certificate of the verified chain counts, not one merely sent with it.
"""

import hashlib
import ssl
import threading
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from daypass.federation.oidc import oidc_messages

MOST_CONTEXTS = 256
_Demands: TypeAlias = tuple[Path | None, frozenset[str]]


class ThumbprintMismatchError(ssl.SSLCertVerificationError):
    """The chain is trusted, but has no thumbprint of the provider."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The settings for one set of requirements, and their accounts."""

    context: ssl.SSLContext
    accounts: set[str]


class TlsContexts:
    """The TLS settings for each set of requirements.

    Accounts share a limited number. Of too many, the account with the most gives up its least recently used ones, and
    settings without an account are dropped: a tenant's thumbprints must not make the fetches of others read the
    authorities again. Settings without thumbprints stay. Safe for threads.
    """

    def __init__(self, most: int = MOST_CONTEXTS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Demands, _Kept] = OrderedDict()

    def get(self, ca_bundle: Path | None, thumbprints: frozenset[str], accounts: Collection[str]) -> ssl.SSLContext:
        """Return the settings for connections on behalf of accounts."""
        demands = ca_bundle, thumbprints
        with self._lock:
            found = self._find(demands, accounts)
        if found is not None:
            return found
        context = _create_context(ca_bundle, thumbprints)
        with self._lock:
            kept = self._kept.setdefault(demands, _Kept(context, set()))
            kept.accounts.update(accounts or ("",))
            while len(self._kept) > self._most and self._give_up_one():
                pass
        return context

    def _find(self, demands: _Demands, accounts: Collection[str]) -> ssl.SSLContext | None:
        kept = self._kept.get(demands)
        if kept is None:
            return None
        self._kept.move_to_end(demands)
        kept.accounts.update(accounts)
        return kept.context

    def _give_up_one(self) -> bool:
        """Make the account with the most settings give up one.

        Returns False if there are no settings to give up.
        """
        chosen = {demands: kept.accounts for demands, kept in self._kept.items() if demands[1]}
        held = Counter(account for accounts in chosen.values() for account in accounts)
        if not held:
            return False
        most = max(held, key=lambda account: (held[account], account))
        demands = next(demands for demands, accounts in chosen.items() if most in accounts)
        chosen[demands].remove(most)
        if not chosen[demands]:
            del self._kept[demands]
        return True


_contexts = TlsContexts()


def create_context(
    ca_bundle: Path | None, thumbprints: frozenset[str], accounts: Collection[str] = ()
) -> ssl.SSLContext:
    """Return the settings for one connection on behalf of accounts.

    They are cached, because reading the authorities is slow.
    """
    return _contexts.get(ca_bundle, thumbprints, accounts)


def _create_context(ca_bundle: Path | None, thumbprints: frozenset[str]) -> ssl.SSLContext:
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
        """Ends the handshake if the chain has no wanted thumbprint.

        No HTTP has been sent by then.
        """

        def do_handshake(self) -> None:
            super().do_handshake()
            if wanted.isdisjoint(map(_thumbprint, _verified_chain(self))):
                raise ThumbprintMismatchError(oidc_messages.WRONG_THUMBPRINT)

    return EnforcingSSLObject


def _verified_chain(connection: ssl.SSLObject) -> Iterable[bytes]:
    # Public since Python 3.13; before, one level deeper and with certificate objects.
    public = getattr(connection, "get_verified_chain", None)
    if public is not None:
        return list(public())
    inner = connection._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - no public way before 3.13
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in inner.get_verified_chain()]


def _thumbprint(certificate: bytes) -> str:
    return hashlib.sha1(certificate, usedforsecurity=False).hexdigest()
