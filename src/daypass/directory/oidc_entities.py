"""OpenID Connect providers, as an account keeps them.

Owns their fields and names. What a provider's terms mean is federation/oidc's work, how it is stored records.py's.
Source: IAM API Reference, CreateOpenIDConnectProvider.
"""

from daypass.arn import Arn
from daypass.directory.entities import Named

_RESOURCE = "oidc-provider/"


class OidcProvider(Named, frozen=True, kw_only=True):
    """An issuer that an account believes. `name` is its URL without https://, path and last slash kept.

    `further_claims` are an operator's additions to the claims that conditions may test, as they were written.
    `pinned_keys` is a JWK Set that takes the place of fetching, empty where the issuer is asked.
    """

    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    further_claims: tuple[str, ...] = ()
    pinned_keys: str = ""

    @property
    def arn(self) -> str:
        """The provider's ARN, which is what trust policies name."""
        return provider_arn(self.account, self.name)

    @property
    def issuer(self) -> str:
        """What the issuer's tokens say in `iss`, to the letter."""
        return f"https://{self.name}"


def provider_arn(account: str, name: str) -> str:
    """Return the ARN of an account's provider."""
    return f"arn:aws:iam::{account}:{_RESOURCE}{name}"


def find_provider_name(arn: str, account: str) -> str | None:
    """Return the name of the provider that an ARN means, or None where it means none of this account."""
    parts = Arn.find(arn)
    name = "" if parts is None else parts.resource.removeprefix(_RESOURCE)
    # To the letter: policies speak of a provider by this ARN, and a second spelling would slip past them.
    return name if name and arn == provider_arn(account, name) else None
