"""What this installation asks of a SAML response, and what it knows about the provider that sends one.

Owns the rule for which addresses and audiences are ours. Built by the operation and the assertion consumer
service from configuration and the directory; nothing here comes from the response.
"""

import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from daypass.federation.saml.metadata import IdentityProviderMetadata

AWS_AUDIENCE = "urn:amazon:webservices"
_AWS_RECIPIENT = re.compile(r"https://(?:[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.)?signin\.aws\.amazon\.com/saml")


@dataclass(frozen=True, slots=True)
class Trust:
    """One registered provider.

    Where it is in the directory, its metadata, and the keys that open what it encrypts.
    """

    account: str
    provider_name: str
    metadata: IdentityProviderMetadata
    decryption_keys: tuple[rsa.RSAPrivateKey, ...] = ()
    # AWS's AssertionEncryptionMode: True for Required.
    require_encryption: bool = False
    # Off is safe. On takes what AWS was seen to take: docs/decisions/0002-saml-choices.md lists it.
    lax_like_aws: bool = False
    allow_sha1: bool = False

    @property
    def provider_arn(self) -> str:
        """The provider's ARN."""
        return f"arn:aws:iam::{self.account}:saml-provider/{self.provider_name}"


@dataclass(frozen=True, slots=True)
class SamlSettings:
    """Who we are: the audiences and addresses under which assertions may be meant for us.

    `expected_in_response_to` is the identifier of our own request, where we sent one; None asks nothing.
    """

    audiences: frozenset[str] = frozenset({AWS_AUDIENCE})
    recipients: frozenset[str] = frozenset()
    expected_in_response_to: str | None = None

    def is_recipient(self, address: str) -> bool:
        """Tell whether `address` is one of ours, or one of the AWS endpoints that we stand in for."""
        return address in self.recipients or _AWS_RECIPIENT.fullmatch(address) is not None

    def is_audience(self, name: str) -> bool:
        """Tell whether an assertion written for `name` was written for us. Compared exactly, case and all."""
        return name in self.audiences
