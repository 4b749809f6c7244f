"""The operator's settings of the service itself, as one frozen value.

Owns the defaults. config.py reads flags, environment and file into it.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from daypass.federation.saml.settings import SamlSettings

if TYPE_CHECKING:
    # The configuration of every process needs these settings, and a gateway does not need the flow of a sign-in.
    from daypass.federation.oidc.issuers.client import Client

LOGO_FORM = "a data: URL of a PNG, JPEG, WebP or SVG image in base64, or a path such as /brand/logo.svg"
"""The valid values of a logo, for messages. A page's content security policy allows no other source of images."""
_LONGEST_LOGO = 65_536
_LOGO = re.compile(
    r"data:image/(?:png|jpeg|webp|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}|/(?!/)[A-Za-z0-9._~/-]{1,500}", re.ASCII
)


def is_logo(text: str) -> bool:
    """Tell whether a string is the address of a logo that a page may show."""
    return len(text) <= _LONGEST_LOGO and _LOGO.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Quotas:
    """AWS's quotas, by name; each can be raised or lowered.

    AWS accepts SAML metadata of 10,000,000 characters. Here all accounts share one server, thus the two quotas for
    metadata are smaller: one for a document, and one for all documents of an account together.
    Source: IAM User Guide, "IAM quotas"; Amazon S3 User Guide, "Bucket quotas".
    """

    access_keys_per_user: int = 2
    groups_per_user: int = 10
    policy_versions: int = 5
    attached_policies: int = 10
    users: int = 5000
    roles: int = 1000
    groups: int = 300
    policies: int = 1500
    instance_profiles: int = 1000
    mfa_devices_per_user: int = 8
    providers: int = 100
    saml_metadata_characters: int = 1_000_000
    saml_metadata_account_characters: int = 8_000_000
    inline_user_characters: int = 2048
    inline_group_characters: int = 5120
    inline_role_characters: int = 10240
    managed_policy_characters: int = 6144
    trust_policy_characters: int = 2048
    tags: int = 50
    buckets: int = 10_000
    oidc_clients: int = 20


class SamlRules(msgspec.Struct, frozen=True):
    """The operator's requirements for SAML assertions.

    `names` are additional audiences and `addresses` additional recipients of ours. With `one_use` each assertion is
    valid for one session.
    """

    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    allow_sha1: bool = False
    one_use: bool = False


@dataclass(frozen=True, slots=True)
class Branding:
    """The organization on the pages of the portal.

    `logo` is a data: URL of an image or a path of this server, `support_url` the link for help. Each may be empty.
    """

    name: str = ""
    logo: str = ""
    support_url: str = ""


@dataclass(frozen=True, slots=True)
class LoginOptionSetting:
    """How the sign-in page shows one identity provider.

    `issuer` is a SAML entity ID or an OpenID Connect issuer. A value of None keeps that of the provider's record.
    """

    issuer: str
    label: str | None = None
    logo: str | None = None
    order: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings of the service.

    `regions` is empty if every region is served. `public_url` is the URL that clients use. `s3_url` is the URL of the
    S3 gateway for new profiles, or empty. `oidc_clients` are the sign-in clients of the settings; operations/
    oidc_clients.py adds those of the store.
    """

    public_url: str = "http://127.0.0.1:7878"
    s3_url: str = ""
    regions: frozenset[str] = frozenset()
    quotas: Quotas = field(default_factory=Quotas)
    saml: SamlRules = field(default_factory=SamlRules)
    branding: Branding = field(default_factory=Branding)
    oidc_clients: "tuple[Client, ...]" = ()
    login_options: tuple[LoginOptionSetting, ...] = ()
    sign_in_session_minutes: int = 480
    sign_in_api: bool = True

    @property
    def saml_consumer(self) -> str:
        """The URL to which browsers post SAML responses."""
        return f"{self.public_url}/saml"

    @property
    def saml_entity_id(self) -> str:
        """Our entity ID for SAML providers, which is also the URL of our metadata."""
        return f"{self.public_url}/saml/metadata.xml"

    def for_saml(self) -> SamlSettings:
        """Return the requirements for an assertion.

        The public URL is a valid audience too.
        """
        return _for_saml(self.public_url, self.saml)


@lru_cache(maxsize=16)
def _for_saml(public_url: str, rules: SamlRules) -> SamlSettings:
    settings = ServiceSettings(public_url=public_url)
    return SamlSettings(
        audiences=frozenset({settings.saml_entity_id, public_url}) | rules.names,
        recipients=frozenset({settings.saml_consumer}) | rules.addresses,
    )
