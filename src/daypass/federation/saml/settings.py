"""Settings for SAML responses, and the registered provider.

Owns the rule which addresses and audiences are ours, and AWS's own names, which Daypass replaces. The other values come
from the configuration and the directory, never from the response.
Source: IAM User Guide, "Configure SAML assertions"; botocore's endpoint rules of AWS Sign-In for the hosts.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    # The configuration of every process needs the settings, and a gateway needs neither XML nor RSA.
    from cryptography.hazmat.primitives.asymmetric import rsa

    from daypass.directory.entities.propagation_entities import ContextProvider
    from daypass.federation.saml.metadata import IdentityProviderMetadata

# The host of AWS Sign-In in each partition. A region may stand before it.
_SIGN_IN_HOSTS = (
    "signin.aws.amazon.com",
    "signin.amazonaws.cn",
    "signin.amazonaws-us-gov.com",
    "signin-fips.amazonaws-us-gov.com",
    "signin.amazonaws-eusc.eu",
    "signin.c2shome.ic.gov",
    "signin.sc2shome.sgov.gov",
    "signin.csphome.adc-e.uk",
    "signin.csphome.hci.ic.gov",
)
_REGION = r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}"
# Where encryption is required, AWS appends the identifier that it gave to the provider.
_AWS_ADDRESS = re.compile(
    rf"https://(?:{_REGION}\.)?(?:{'|'.join(map(re.escape, _SIGN_IN_HOSTS))})/saml(?:/acs/[A-Za-z0-9-]{{1,64}})?"
)
# In GovCloud and in China, the entity ID in AWS's metadata has a suffix. Other suffixes, such as clientvpn, belong to
# other services of AWS.
_AWS_AUDIENCE = re.compile(rf"urn:amazon:webservices(?::(?:govcloud|{_REGION}))?")


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


class SamlSettings(msgspec.Struct, frozen=True):
    """The audiences and addresses of this server, besides AWS's own names.

    `expected_in_response_to` is the identifier of our request. None disables the check: no request was sent.
    """

    audiences: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    expected_in_response_to: str | None = None

    def is_recipient(self, address: str) -> bool:
        """Return whether `address` is ours, or a sign-in address of AWS."""
        return address in self.recipients or _AWS_ADDRESS.fullmatch(address) is not None

    def is_audience(self, name: str) -> bool:
        """Return whether `name` is ours, or a name of AWS Sign-In.

        The comparison is exact.
        """
        if name in self.audiences:
            return True
        # The AWS gallery application of Entra ID sends AWS's sign-in address as the audience.
        return _AWS_AUDIENCE.fullmatch(name) is not None or _AWS_ADDRESS.fullmatch(name) is not None
