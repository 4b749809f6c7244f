"""SAML providers as frozen values: an account's word that an identity provider may vouch for people; and our own keys.

Owns their fields. What their metadata means is federation/saml's work, which of them trust whom the roles say.
Source: IAM API Reference, CreateSAMLProvider and GetSAMLProvider.
"""

from datetime import datetime
from typing import Literal

from daypass.arn import iam_arn
from daypass.directory.entities import Entity, Named

EncryptionMode = Literal["Allowed", "Required"]


class ProviderKey(Entity, frozen=True, kw_only=True):
    """A private key that opens what the provider encrypts, itself encrypted at rest under the master key."""

    id: str
    created: datetime
    sealed: bytes


class MetadataSummary(Entity, frozen=True, kw_only=True):
    """What sign-ins need of a metadata document. It is read once, when the document is registered.

    `digest` is the SHA-256 of that document: a summary of another document does not count. `certificates` are the
    signing certificates in DER, `sign_on` pairs of a binding and the first address that the document gives for it.
    """

    digest: str
    certificates: tuple[bytes, ...]
    sign_on: tuple[tuple[str, str], ...] = ()
    wants_signed_requests: bool = False


class SamlProvider(Named, frozen=True, kw_only=True):
    """A registered identity provider. `entity_id` and `valid_until` are what its metadata says.

    `lax` and `allow_sha1` are an operator's to set, on the machine that has the store: no permission of IAM's can make
    a check weaker. `summary` is None in a record that a version before 0.2 wrote.
    """

    metadata: str
    entity_id: str
    valid_until: datetime | None = None
    encryption: EncryptionMode | None = None
    keys: tuple[ProviderKey, ...] = ()
    lax: bool = False
    allow_sha1: bool = False
    summary: MetadataSummary | None = None

    @property
    def arn(self) -> str:
        """The provider's ARN. It has no path."""
        return iam_arn(self.account, "saml-provider", "/", self.name)

    def key_name(self, key_id: str) -> str:
        """Return what a sealed private key is bound to: this provider and no other."""
        return f"saml-key:{self.id}:{key_id}"


class SamlRequestKey(Entity, frozen=True, kw_only=True):
    """A key that signs our requests to providers.

    The certificate is for everybody to see; the private key is encrypted at rest under the master key. Times are whole
    seconds since 1970.
    """

    id: str
    certificate: bytes
    sealed_private: bytes
    created: int
    activates: int

    @property
    def key_name(self) -> str:
        """What the sealed private key is bound to: this key and no other."""
        return f"saml-request-key:{self.id}"
