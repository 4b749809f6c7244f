"""What an operator decides about the service itself, as one frozen value.

Owns the defaults. config.py reads flags, environment and file into it.
"""

from dataclasses import dataclass, field

from daypass.federation.saml.settings import AWS_AUDIENCE, SamlSettings


@dataclass(frozen=True, slots=True)
class Quotas:
    """AWS's quotas for IAM, by name; each can be raised or lowered. Source: IAM User Guide, "IAM quotas".

    AWS takes SAML metadata of 10,000,000 characters. Here all accounts share one server, so that the two quotas for it
    are smaller: one document's, and that of all documents of an account together.
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


@dataclass(frozen=True, slots=True)
class SamlRules:
    """What an operator asks of SAML assertions, beside what is always asked.

    `names` are further audiences and `addresses` further recipients that are ours. With `one_use` each assertion is
    good for one session.
    """

    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    allow_sha1: bool = False
    one_use: bool = False


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """`regions` is empty where every region is served. `public_url` is the URL that the world sees."""

    public_url: str = "http://127.0.0.1:7878"
    regions: frozenset[str] = frozenset()
    quotas: Quotas = field(default_factory=Quotas)
    saml: SamlRules = field(default_factory=SamlRules)

    @property
    def saml_consumer(self) -> str:
        """The address at which browsers hand in SAML responses."""
        return f"{self.public_url}/saml"

    @property
    def saml_entity_id(self) -> str:
        """Our name among SAML providers, which is also where our metadata is."""
        return f"{self.public_url}/saml/metadata.xml"

    def for_saml(self) -> SamlSettings:
        """Return what an assertion is held to. The public URL alone is taken for our name too."""
        return SamlSettings(
            audiences=frozenset({AWS_AUDIENCE, self.saml_entity_id, self.public_url}) | self.saml.names,
            recipients=frozenset({self.saml_consumer}) | self.saml.addresses,
        )
