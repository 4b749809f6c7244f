"""Fixtures of the SAML tests: a provider, its trust, a fixed clock."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from lxml import etree

from daypass.federation.saml.identity import SamlIdentity, identify
from daypass.federation.saml.metadata import parse_metadata
from daypass.federation.saml.settings import SamlSettings, Trust
from daypass.testing.saml import Assertion, SamlIdentityProvider, encode
from daypass.testing.saml_forge import HONEST, Encryption, KeyPair, Signing, make_key_pair

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/dev"
PROVIDER = "arn:aws:iam::123456789012:saml-provider/idp"
OUR_URL = "https://sts.example.net/saml"
GOOD = Assertion(roles=(f"{ROLE},{PROVIDER}",))


@dataclass(frozen=True, slots=True)
class World:
    """A provider, an attacker with another key, and our settings."""

    idp: SamlIdentityProvider
    attacker: KeyPair
    recipient_key: KeyPair
    trust: Trust
    settings: SamlSettings

    def judge(self, response: str | etree._Element | bytes, **changes: Any) -> SamlIdentity:
        """Return the identity in a response.

        `changes` apply to the trust, the settings or `now`.
        """
        now = changes.pop("now", NOW)
        settings = {key: changes.pop(key) for key in list(changes) if key in SamlSettings.__struct_fields__}
        text = response if isinstance(response, str) else encode(response)
        return identify(
            text,
            trust=replace(self.trust, **changes),
            settings=msgspec.structs.replace(self.settings, **settings),
            now=now,
            request_id="01234567-89ab-cdef-0123-456789abcdef",
        )

    def response(self, assertion: Assertion = GOOD, **how: Any) -> str:
        """Return a response that the provider made."""
        return self.idp.response(assertion, now=how.pop("now", NOW), **how)

    def unsigned(self, assertion: Assertion = GOOD) -> etree._Element:
        """Return the tree of a response to manipulate and then sign."""
        return self.idp.unsigned_response(assertion, now=NOW)

    def sealed(self, root: etree._Element, signed: str = "assertion", how: Signing = HONEST) -> etree._Element:
        """Sign a tree with the provider's key, in place, and return it."""
        self.idp.seal(root, signed=signed, how=how)
        return root

    @property
    def encryption(self) -> Encryption:
        """The encryption of assertions for us."""
        key = self.recipient_key.certificate.public_key()
        return Encryption(to=key)  # type: ignore[arg-type] # make_key_pair returns RSA by default


@pytest.fixture(scope="session")
def world() -> World:
    """Create the keys once: tests do not change them."""
    idp = SamlIdentityProvider(keys=[make_key_pair()])
    recipient_key = make_key_pair(name="sts.example.net")
    metadata = parse_metadata(idp.metadata_xml(), now=NOW)
    private = recipient_key.private
    trust = Trust("123456789012", "idp", metadata, (private,))  # type: ignore[arg-type] # the same
    settings = SamlSettings(recipients=frozenset({OUR_URL}))
    return World(idp, make_key_pair(), recipient_key, trust, settings)
