"""Settings for SAML responses, and the registered provider.

Owns the rule which addresses and audiences are ours. The values come from the configuration and the directory, never
from the response.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The configuration of every process needs the settings, and a gateway needs neither XML nor RSA.
    from cryptography.hazmat.primitives.asymmetric import rsa

    from daypass.directory.entities.propagation_entities import ContextProvider
    from daypass.federation.saml.metadata import IdentityProviderMetadata

AWS_AUDIENCE = "urn:amazon:webservices"
_AWS_RECIPIENT = re.compile(r"https://(?:[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.)?signin\.aws\.amazon\.com/saml")


@dataclass(frozen=True, slots=True)
class Trust:
    """A registered provider.

    It has its name in the directory, its metadata, and the keys that decrypt its assertions.
    """

    account: str
    provider_name: str
    metadata: "IdentityProviderMetadata"
    decryption_keys: "tuple[rsa.RSAPrivateKey, ...]" = ()
    # AWS's AssertionEncryptionMode: True for Required.
    require_encryption: bool = False
    # False is the secure setting. True accepts the responses that AWS accepts: docs/decisions/0002-saml-choices.md has
    # the list.
    lax_like_aws: bool = False
    allow_sha1: bool = False
    # The attributes that a session carries.
    context_provider: "ContextProvider | None" = None

    @property
    def provider_arn(self) -> str:
        """The provider's ARN."""
        return f"arn:aws:iam::{self.account}:saml-provider/{self.provider_name}"


@dataclass(frozen=True, slots=True)
class SamlSettings:
    """The audiences and addresses of this server.

    `expected_in_response_to` is the identifier of our request. None disables the check: no request was sent.
    """

    audiences: frozenset[str] = frozenset({AWS_AUDIENCE})
    recipients: frozenset[str] = frozenset()
    expected_in_response_to: str | None = None

    def is_recipient(self, address: str) -> bool:
        """Return whether `address` is ours, or an AWS endpoint that we replace."""
        return address in self.recipients or _AWS_RECIPIENT.fullmatch(address) is not None

    def is_audience(self, name: str) -> bool:
        """Return whether `name` is one of our audiences.

        The comparison is exact.
        """
        return name in self.audiences
