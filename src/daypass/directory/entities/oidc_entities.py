"""The OpenID Connect providers and sign-in clients of an account.

A provider says whose tokens an account trusts. A sign-in client is our registration at an issuer, with which people
sign in at the portal. Owns their fields and names. Leaves the meaning of their settings to federation/oidc and their
storage to records.py.
Source: IAM API Reference, CreateOpenIDConnectProvider; OpenID Connect Core 1.0 section 9.
"""

import hashlib
from datetime import datetime
from typing import Literal

from daypass.arn import Arn
from daypass.directory.entities.iam_entities import Entity, Named
from daypass.directory.entities.propagation_entities import ContextProvider

_RESOURCE = "oidc-provider/"
_CLIENT_ID = "oidc-client:"
ClientAuthentication = Literal["", "client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
"""How a client authenticates at the token endpoint. "" chooses between the two methods with a secret by discovery."""


class OidcProvider(Named, frozen=True, kw_only=True):
    """An issuer that an account trusts.

    `name` is its URL without https://, with path and last slash. `further_claims` are an operator's additions to the
    claims that conditions can test. `pinned_keys` is a JWK Set that replaces the fetched keys, or empty. Without a
    `context_provider`, sessions carry no origin identity.
    """

    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    further_claims: tuple[str, ...] = ()
    pinned_keys: str = ""
    context_provider: ContextProvider | None = None

    @property
    def arn(self) -> str:
        """Return the ARN of the provider, as trust policies name it."""
        return provider_arn(self.account, self.name)

    @property
    def issuer(self) -> str:
        """Return the exact `iss` of the issuer's tokens."""
        return f"https://{self.name}"


def provider_arn(account: str, name: str) -> str:
    """Return the ARN of an account's provider."""
    return f"arn:aws:iam::{account}:{_RESOURCE}{name}"


def find_provider_name(arn: str, account: str) -> str | None:
    """Return the name of the provider of an ARN, or None.

    Returns None if it is not in this account.
    """
    parts = Arn.find(arn)
    name = "" if parts is None else parts.resource.removeprefix(_RESOURCE)
    # Exact comparison: policies name a provider by this ARN, and another spelling would bypass them.
    return name if name and arn == provider_arn(account, name) else None


class OidcClientKey(Entity, frozen=True, kw_only=True):
    """A key that signs client assertions (private_key_jwt).

    The private key is encrypted at rest under the master key. Times are whole seconds since 1970.
    """

    id: str
    sealed_private: bytes
    public: dict[str, str]
    created: int
    activates: int


class OidcSignInClient(Entity, frozen=True, kw_only=True):
    """A client registration at an issuer, owned by an account.

    `name` is the operator's name for it, unique in the account. `issuer` and `client_id` never change. `scopes` are
    requested beside `openid`; without them, `email` and `profile` are. `response_mode` is empty if discovery decides.
    `label` and `logo` are shown on the sign-in page, which `order` sorts: low numbers come first.
    """

    account: str
    name: str
    issuer: str
    client_id: str
    created: datetime
    authentication: ClientAuthentication = ""
    sealed_secret: bytes = b""
    keys: tuple[OidcClientKey, ...] = ()
    key_algorithm: Literal["ES256", "RS256"] = "ES256"
    scopes: tuple[str, ...] = ()
    response_mode: Literal["", "query", "form_post"] = ""
    label: str = ""
    logo: str = ""
    order: int = 0

    @property
    def key(self) -> str:
        """Return the identifier of the client in links."""
        return client_key(self.account, self.issuer, self.client_id)

    @property
    def id(self) -> str:
        """Return the id that marks of files refer to."""
        return self.arn

    @property
    def arn(self) -> str:
        """Return the ARN that permissions name."""
        return oidc_client_arn(self.account, self.name)

    @property
    def secret_name(self) -> str:
        """Return the name that the sealed secret is bound to: this client only."""
        return f"oidc-client-secret:{self.key}"

    def key_name(self, key_id: str) -> str:
        """Return the name that a sealed key is bound to: this client only."""
        return f"oidc-client-key:{self.key}:{key_id}"


def client_key(account: str, issuer: str, client_id: str) -> str:
    """Return the identifier of a client in links.

    `account` is empty for a client of the settings. It is part of the identifier, so that the link to one account's
    client never opens the client of another account.
    """
    owner = f"{account}\n" if account else ""
    return hashlib.sha256(f"{owner}{issuer}\n{client_id}".encode()).hexdigest()[:32]


def client_unique_id(key: str) -> str:
    """Return the unique id of the record behind a link."""
    return _CLIENT_ID + key


def oidc_client_arn(account: str, name: str) -> str:
    """Return the ARN of a sign-in client."""
    return f"arn:aws:daypass::{account}:oidc-client/{name}"
