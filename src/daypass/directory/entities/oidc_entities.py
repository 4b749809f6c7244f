"""The OpenID Connect providers of an account.

Owns their fields and names. Leaves the meaning of their settings to federation/oidc and their storage to records.py.
Source: IAM API Reference, CreateOpenIDConnectProvider.
"""

from daypass.arn import Arn
from daypass.directory.entities.iam_entities import Named

_RESOURCE = "oidc-provider/"


class OidcProvider(Named, frozen=True, kw_only=True):
    """An issuer that an account trusts.

    `name` is its URL without https://, with path and last slash. `further_claims` are an operator's additions to the
    claims that conditions can test. `pinned_keys` is a JWK Set that replaces the fetched keys, or empty.
    """

    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    further_claims: tuple[str, ...] = ()
    pinned_keys: str = ""

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
