"""SAML providers and our own SAML keys as frozen values.

Owns their fields. Leaves the meaning of metadata to federation/saml, and the trust in a provider to the trust policies
of roles. Source: IAM API Reference, CreateSAMLProvider and GetSAMLProvider.
"""

from datetime import datetime
from typing import Literal

from daypass.arn import iam_arn
from daypass.directory.entities.iam_entities import Entity, Named
from daypass.directory.entities.propagation_entities import ContextProvider

EncryptionMode = Literal["Allowed", "Required"]


class ProviderKey(Entity, frozen=True, kw_only=True):
    """A private key that decrypts assertions, encrypted under the master key."""

    id: str
    created: datetime
    sealed: bytes


class MetadataSummary(Entity, frozen=True, kw_only=True):
    """The parts of a metadata document that sign-ins need.

    The document is parsed once, at registration. `digest` is the document's SHA-256: a summary of another one does not
    count. `certificates` are the signing certificates in DER, `sign_on` pairs of a binding and its first address.
    """

    digest: str
    certificates: tuple[bytes, ...]
    sign_on: tuple[tuple[str, str], ...] = ()
    wants_signed_requests: bool = False


class SamlProvider(Named, frozen=True, kw_only=True):
    """A registered identity provider.

    `entity_id` and `valid_until` are from its metadata. Only an operator can set `lax` and `allow_sha1`: no permission
    of IAM can weaken a check. Only an operator sets `label`, `logo` and `order`, which the sign-in page shows: an
    account could imitate the provider of another one. `summary` is None in a record of a version before 0.2. Without a
    `context_provider`, sessions carry no origin identity.
    """

    metadata: str
    entity_id: str
    valid_until: datetime | None = None
    encryption: EncryptionMode | None = None
    keys: tuple[ProviderKey, ...] = ()
    lax: bool = False
    allow_sha1: bool = False
    summary: MetadataSummary | None = None
    label: str = ""
    logo: str = ""
    order: int = 0
    context_provider: ContextProvider | None = None

    @property
    def arn(self) -> str:
        """Return the ARN of the provider. It has no path."""
        return iam_arn(self.account, "saml-provider", "/", self.name)

    def key_name(self, key_id: str) -> str:
        """Return the name that a sealed key is bound to: this provider only."""
        return f"saml-key:{self.id}:{key_id}"


class SamlRequestKey(Entity, frozen=True, kw_only=True):
    """A key that signs our requests to providers.

    The private key is encrypted at rest under the master key. Times are whole seconds since 1970.
    """

    id: str
    certificate: bytes
    sealed_private: bytes
    created: int
    activates: int

    @property
    def key_name(self) -> str:
        """Return the name that the sealed key is bound to: this key only."""
        return f"saml-request-key:{self.id}"
