"""Real providers' discovery documents, key sets and tokens, with keys of our own.

The files in `shapes` are named after the provider and its version; the tests insert names, times and addresses.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.federation.oidc.world import MovedClock, exchange, fetcher, terms

from daypass.errors import Fault, InvalidIdentityToken
from daypass.federation.oidc.claims import WebIdentity
from daypass.federation.oidc.extra_claims import ExtraClaim
from daypass.federation.oidc.issuers.client import Client, discover
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.testing.oidc import KEYS, OidcIssuer
from daypass.testing.tokens import SigningKey, compact

SHAPES = {path.stem: path for path in Path(__file__).with_name("shapes").glob("*.json")}
# The claims of each that a trust policy can test, with its groups and roles exposed.
KEYS_OF: dict[str, dict[str, Any]] = {
    "glewlwyd-2.7.5": {
        "sub": "NdbjyBTPi1rkUDMv5asF4nSBebGBNLOH",
        "azp": "daypass",
        "amr": ("password",),
        "email": "alice@example.org",
        "groups": ("ops", "dev"),
    },
    "lemonldap-ng-2.16.1": {
        "sub": "dwho",
        "azp": "daypass",
        "email": "dwho@badwolf.org",
        "groups": ("users", "timelords"),
    },
    "oauth2-mock-server-8.2.3": {"sub": "johndoe"},
    "oidc-provider-9.13.3": {
        "sub": "alice",
        "email": "alice@example.org",
        "groups": ("ops", "dev"),
        "roles": ("admin",),
    },
}
EXPOSED = tuple(ExtraClaim.parse(text) for text in ("groups", "realm_access/roles=roles"))


@dataclass(frozen=True)
class Provider:
    """An issuer that writes documents and tokens like a provider."""

    issuer: OidcIssuer
    shape: dict[str, Any]
    clock: MovedClock

    @property
    def key(self) -> SigningKey:
        """The signing key."""
        return self.issuer.signing["RS256"]

    def token(self, **changes: Any) -> str:
        """Return a token at the clock's time."""
        header = self.filled(self.shape["header"])
        return compact(header, {**self.filled(self.shape["claims"]), **changes}, self.key)

    def publish(self) -> None:
        """Publish the provider's discovery document and keys."""
        self.issuer.discovery_changes.update(self.filled(self.shape["discovery"]))
        public = {name: value for name, value in self.key.jwk().items() if name not in {"kid", "alg", "use"}}
        self.issuer.published[:] = [{**public, **self.filled(self.shape["jwk"])}]

    def filled(self, part: dict[str, Any]) -> dict[str, Any]:
        """Insert our names and times into a part of the shape."""
        text = json.dumps(part).replace("$root", self.issuer.root).replace("$keys", KEYS)
        text = text.replace('"$kid"', json.dumps(self.key.kid))
        now = int(self.clock.epoch())
        found: dict[str, Any] = json.loads(re.sub(r'"\$time([+-]\d+)"', lambda at: str(now + int(at[1])), text))
        return found


@contextmanager
def running(name: str) -> Iterator[Provider]:
    """Run an issuer of that shape."""
    shape = json.loads(SHAPES[name].read_text(encoding="utf-8"))
    with OidcIssuer(path=shape["path"]) as issuer:
        issuer.rotate("RS256", SigningKey.generate("RS256", shape["kid"]))
        provider = Provider(issuer, shape, MovedClock())
        provider.publish()
        yield provider


def identify(provider: Provider, token: str) -> WebIdentity:
    """Exchange a token as STS does, with a provider registered for the client."""
    keys = IssuerKeys(fetcher(provider.issuer), provider.clock)
    registered = terms(provider.issuer, client_ids=frozenset({"daypass"}), further_claims=EXPOSED)

    async def run() -> WebIdentity:
        try:
            return await exchange(keys, registered, token, provider.clock)
        finally:
            await keys.close()

    return asyncio.run(run())


def test_each_provider_has_its_shape() -> None:
    """A provider without its file would not be tested."""
    assert set(SHAPES) == set(KEYS_OF)


@pytest.mark.parametrize("name", KEYS_OF)
def test_a_provider_s_token_is_taken(name: str) -> None:
    """Its keys are found at the URL in its discovery document, and every claim becomes the expected key."""
    with running(name) as provider:
        identity = identify(provider, provider.token())
        prefix = provider.issuer.url.removeprefix("https://")
        expected = {"aud": "daypass", "oaud": "daypass", **KEYS_OF[name]}
        assert dict(identity.condition_keys) == {f"{prefix}:{key}": value for key, value in expected.items()}


@pytest.mark.parametrize("name", KEYS_OF)
def test_a_provider_s_token_for_another_client_is_refused(name: str) -> None:
    """The claim azp takes precedence over aud, in the spelling of each provider."""
    with running(name) as provider:
        claims = provider.shape["claims"]
        other = {party: "somebody-else" for party in ("azp", "aud") if party in claims}
        with pytest.raises(InvalidIdentityToken):
            identify(provider, provider.token(**other))


@pytest.mark.parametrize("name", KEYS_OF)
def test_a_provider_s_token_is_refused_once_touched(name: str) -> None:
    """The signature covers every part."""
    with running(name) as provider:
        head, _, tail = provider.token().split(".")
        body = provider.token(sub="root").split(".")[1]
        with pytest.raises(Fault):
            identify(provider, f"{head}.{body}.{tail}")


@pytest.mark.parametrize("name", KEYS_OF)
def test_people_can_be_sent_to_a_provider(name: str) -> None:
    """Sign-in reads the same document: the authorization endpoint and the token endpoint."""
    with running(name) as provider:
        found = asyncio.run(discover(Client(provider.issuer.url, "daypass"), fetcher(provider.issuer)))
        discovery = provider.filled(provider.shape["discovery"])
        assert (found.authorization, found.token) == (discovery["authorization_endpoint"], discovery["token_endpoint"])
