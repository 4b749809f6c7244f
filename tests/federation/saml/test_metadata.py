"""Metadata documents of providers, with mistakes and with attacks."""

import re
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.federation.saml.conftest import NOW, World

from daypass.errors import Fault, InvalidInput
from daypass.federation.saml.metadata import parse_metadata, read_metadata
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import KeyPair, make_key_pair

_MD = "urn:oasis:names:tc:SAML:2.0:metadata"
_POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"


@pytest.fixture(scope="module")
def keys() -> tuple[KeyPair, KeyPair, KeyPair]:
    """Three keys of different kinds."""
    return make_key_pair(), make_key_pair("p-256"), make_key_pair("p-384")


def _document(world: World, **how: object) -> str:
    return world.idp.metadata_xml(**how)  # type: ignore[arg-type] # the simulator's own arguments


def test_what_a_document_says(world: World) -> None:
    """The document has a name, a key, and a sign-in URL for each binding."""
    metadata = parse_metadata(_document(world), now=NOW)
    assert metadata.entity_id == "https://idp.example.org"
    assert [key.key.public_numbers() for key in metadata.signing_keys] == [
        world.idp.key.private.public_key().public_numbers()
    ]
    assert metadata.find_sign_on(_POST) == metadata.find_sign_on(_REDIRECT) == "https://idp.example.org/sso"
    assert metadata.find_sign_on("urn:oasis:names:tc:SAML:2.0:bindings:SOAP") is None
    assert metadata.valid_until is None


def test_every_signing_certificate_is_kept(keys: tuple[KeyPair, ...]) -> None:
    """A provider shows several certificates during a rotation.

    A repeated certificate counts once.
    """
    idp = SamlIdentityProvider(keys=[*keys, keys[0]])
    metadata = parse_metadata(idp.metadata_xml(), now=NOW)
    assert len(metadata.signing_keys) == 3


def test_a_key_without_use_signs_and_an_encryption_key_does_not(keys: tuple[KeyPair, ...]) -> None:
    """KeyDescriptor's `use` is optional.

    A key that is marked for encryption never verifies a signature.
    """
    idp = SamlIdentityProvider(keys=keys[:1])
    assert parse_metadata(idp.metadata_xml(use=None), now=NOW).signing_keys
    with pytest.raises(InvalidInput, match="no signing certificate"):
        parse_metadata(idp.metadata_xml(use="encryption"), now=NOW)


def test_a_key_without_a_certificate_is_refused_with_what_to_do(keys: tuple[KeyPair, ...]) -> None:
    """AWS requires certificates.

    LemonLDAP::NG publishes a bare key if it does not have a certificate.
    """
    idp = SamlIdentityProvider(keys=keys[:1])
    shown = re.sub("<ds:X509Data>.*</ds:X509Data>", "<ds:KeyValue/>", idp.metadata_xml(), flags=re.DOTALL)
    with pytest.raises(InvalidInput, match=r"no signing certificate; .* X509Certificate"):
        parse_metadata(shown.ljust(1_000), now=NOW)


def test_certificates_wrapped_in_lines_are_read(world: World) -> None:
    """ADFS and others break the base64 into lines, with indentation."""
    encoded = world.idp.key.encoded
    wrapped = "\n      " + "\r\n      ".join(encoded[at : at + 64] for at in range(0, len(encoded), 64)) + "\n    "
    assert parse_metadata(_document(world).replace(encoded, wrapped), now=NOW).signing_keys


def test_an_entity_among_others_is_found(world: World) -> None:
    """Federations publish EntitiesDescriptor, sometimes nested.

    Exactly one identity provider may be in it.
    """
    inner = _document(world).split("\n", 1)[1]
    service = f'<md:EntityDescriptor xmlns:md="{_MD}" entityID="urn:sp"><md:SPSSODescriptor/></md:EntityDescriptor>'
    group = "<md:EntitiesDescriptor>%s</md:EntitiesDescriptor>"
    group = f'<md:EntitiesDescriptor xmlns:md="{_MD}">{service}{group}</md:EntitiesDescriptor>'
    assert parse_metadata(group % inner, now=NOW).entity_id == "https://idp.example.org"
    with pytest.raises(InvalidInput, match="exactly one EntityDescriptor"):
        parse_metadata(group % (inner + inner.replace("idp.example.org", "idp2.example.org")), now=NOW)
    with pytest.raises(InvalidInput, match="exactly one EntityDescriptor"):
        parse_metadata(group % ("<!-- nobody -->" * 100), now=NOW)


def test_valid_until_of_any_level_counts(world: World) -> None:
    """The earliest expiry of the entity and its groups counts.

    An expired document is refused.
    """
    soon = NOW + timedelta(days=1)
    assert parse_metadata(_document(world, valid_until=soon), now=NOW).valid_until == soon
    inner = _document(world, valid_until=soon).split("\n", 1)[1]
    group = f'<md:EntitiesDescriptor xmlns:md="{_MD}" validUntil="2026-03-01T13:00:00Z">{inner}</md:EntitiesDescriptor>'
    assert parse_metadata(group, now=NOW).valid_until == NOW + timedelta(hours=1)
    with pytest.raises(InvalidInput, match="Could not parse metadata: the metadata was valid until"):
        parse_metadata(group, now=NOW + timedelta(hours=1))
    assert read_metadata(group).valid_until == NOW + timedelta(hours=1)


def test_a_certificates_own_dates_do_not_matter_here(world: World) -> None:
    """The dates are kept for the signature check.

    Metadata may be uploaded before a new certificate is valid.
    """
    old = make_key_pair(not_before=datetime(2001, 1, 1, tzinfo=UTC), lifetime=timedelta(days=1))
    key = parse_metadata(SamlIdentityProvider(keys=[old]).metadata_xml(), now=NOW).signing_keys[0]
    assert not key.is_current(NOW)


_BROKEN = {
    "not xml": ("x" * 1_000, "not well-formed"),
    "html": ("<html>" + " " * 1_000 + "</html>", "not an EntityDescriptor"),
    "too short": ("<a/>", "1,000 to 10,000,000"),
    "doctype": ("<!DOCTYPE a>" + " " * 1_000 + "<a/>", "DOCTYPE"),
    "lone surrogate": ("\ud800" * 1_000, "surrogates"),
    "deep": ("<a>" * 150 + "</a>" * 150, "levels deep"),
    "wide": ("<a>" + "<b/>" * 300_000 + "</a>", "pieces of markup"),
}


@pytest.mark.parametrize("name", _BROKEN)
def test_a_document_that_is_not_metadata(name: str) -> None:
    """InvalidInput with IAM's message and the reason."""
    text, words = _BROKEN[name]
    with pytest.raises(InvalidInput, match="Could not parse metadata") as refused:
        parse_metadata(text, now=NOW)
    assert words in refused.value.message


_BENT = {
    "other protocol": ("urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.1:protocol", "exactly one"),
    "no entity id": ('entityID="https://idp.example.org"', "", "entityID is empty"),
    "padded entity id": ('entityID="https', 'entityID=" https', "white space"),
    "bad certificate": ("<ds:X509Certificate>", "<ds:X509Certificate>AAAA", "cannot be read"),
    "bad time": ("<md:EntityDescriptor", '<md:EntityDescriptor validUntil="tomorrow"', "not a UTC time"),
}


@pytest.mark.parametrize("name", _BENT)
def test_metadata_that_says_something_impossible(world: World, name: str) -> None:
    """Each is refused, and the message says what to correct."""
    before, after, words = _BENT[name]
    parse_metadata(_document(world), now=NOW)
    with pytest.raises(InvalidInput, match="Could not parse metadata") as refused:
        parse_metadata(_document(world).replace(before, after), now=NOW)
    assert words in refused.value.message


@pytest.mark.parametrize("kind", ["rsa-1024"])
def test_a_weak_key_is_no_signing_key(world: World, kind: str) -> None:
    """An RSA key of fewer than 2048 bits is not used.

    A good key beside it is used.
    """
    weak = make_key_pair(kind)
    with pytest.raises(InvalidInput, match="1024 bits"):
        parse_metadata(SamlIdentityProvider(keys=[weak]).metadata_xml(), now=NOW)
    both = SamlIdentityProvider(keys=[weak, world.idp.key]).metadata_xml()
    assert len(parse_metadata(both, now=NOW).signing_keys) == 1


def test_comments_in_metadata_split_nothing(world: World) -> None:
    """A value with a comment inside is the whole value."""
    encoded = world.idp.key.encoded
    commented = _document(world).replace(encoded, f"{encoded[:40]}<!-- line -->{encoded[40:]}")
    assert parse_metadata(commented, now=NOW).signing_keys


@given(st.text(alphabet="<>/\"'= mdEntiyDescrpo:IDPSx\n&;", min_size=1_000, max_size=1_100))
def test_any_text_is_metadata_or_refused(text: str) -> None:
    """No other exception is raised."""
    with pytest.raises(Fault):
        parse_metadata(text, now=NOW)


def test_a_large_federation_costs_memory_in_proportion(world: World) -> None:
    """Ten thousand other entities are skipped."""
    inner = _document(world).split("\n", 1)[1]
    other = '<md:EntityDescriptor entityID="urn:sp"><md:SPSSODescriptor/></md:EntityDescriptor>'
    group = f'<md:EntitiesDescriptor xmlns:md="{_MD}">{other * 10_000}{inner}</md:EntitiesDescriptor>'
    tracemalloc.start()
    metadata = parse_metadata(group, now=NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert replace(metadata, sign_on=()).entity_id == "https://idp.example.org"
    assert peak < 64 * 2**20
