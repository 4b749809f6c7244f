"""The identity providers that people may sign in with, as the sign-in page lists them.

Owns what of a registered SAML provider is shown: the host that the browser will be sent to, never a name that whoever
registered it chose. Many accounts may have registered the same provider; it stands there once.
"""

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from daypass.directory import records
from daypass.directory.saml_entities import SamlProvider
from daypass.directory.store import Reader
from daypass.errors import Fault
from daypass.federation.saml.authn_request import POST, REDIRECT
from daypass.federation.saml.metadata import IdentityProviderMetadata, read_metadata

_BATCH = 200
_MOST = 500
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_ADDRESS = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?(?:[/?][A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*)?"
)


@dataclass(frozen=True, slots=True)
class SamlDoor:
    """One SAML provider's sign-in. `post` is empty where the browser can be redirected."""

    key: str
    entity_id: str
    host: str
    redirect: str
    post: str
    accounts: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where on the host the browser is sent: it tells apart what one host has several of."""
        return (self.redirect or self.post).partition("://")[2].removeprefix(self.host)


def load_saml_doors(reader: Reader) -> tuple[SamlDoor, ...]:
    """Return every SAML provider that can be asked to sign somebody in, by host."""
    found: dict[str, SamlDoor] = {}
    kind, after = records.kind_name(SamlProvider), ""
    while len(found) < _MOST and (page := reader.page(kind, None, after=after, limit=_BATCH)):
        for record in page:
            door = _door(records.to_entity(SamlProvider, record))
            if door is not None:
                known = found.get(door.key, door)
                accounts = tuple(sorted({*known.accounts, *door.accounts}))
                found[door.key] = SamlDoor(door.key, door.entity_id, door.host, door.redirect, door.post, accounts)
        after = page[-1].place
    return tuple(sorted(found.values(), key=lambda door: (door.host, door.entity_id)))


def _door(provider: SamlProvider) -> SamlDoor | None:
    try:
        metadata = read_metadata(provider.metadata)
    except Fault:
        return None
    redirect, post = _location(metadata, REDIRECT), _location(metadata, POST)
    if not (redirect or post):
        return None
    name = f"{metadata.entity_id}\n{redirect}\n{post}"
    key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    host = urlsplit(redirect or post).netloc
    return SamlDoor(key, metadata.entity_id, host, redirect, "" if redirect else post, (provider.account,))


def _location(metadata: IdentityProviderMetadata, binding: str) -> str:
    """Return where a provider signs people in, or nothing: no address but a web address is ever followed."""
    location = metadata.find_sign_on(binding) or ""
    if not _ADDRESS.fullmatch(location):
        return ""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    return location if parts.scheme == "https" or parts.hostname in _LOOPBACK else ""
