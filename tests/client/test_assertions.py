"""Parsing the roles that a SAML response offers, without trusting the response."""

import base64

import pytest
from tests.growth import least_seconds

from daypass.client.problems import ExpiredError
from daypass.client.sign_in.assertions import UnverifiedOffer, offers
from daypass.federation.saml.attributes import find_role_pair

ROLE = "arn:aws:iam::123456789012:role/reader"
PROVIDER = "arn:aws:iam::123456789012:saml-provider/corp"
PAIR = f"{ROLE},{PROVIDER}"
NAMESPACE = "urn:oasis:names:tc:SAML:2.0:assertion"
NAME = "https://aws.amazon.com/SAML/Attributes/Role"


def read(value: str, *, before: str = "", encoding: str = "utf-8") -> tuple[UnverifiedOffer, ...]:
    """Return the offered roles of a response with this value of the role attribute."""
    attribute = f'<a:Attribute Name="{NAME}"><a:AttributeValue>{value}</a:AttributeValue></a:Attribute>'
    text = f'{before}<a:Assertion xmlns:a="{NAMESPACE}">{attribute}</a:Assertion>'
    return offers(base64.b64encode(text.encode(encoding)).decode())


@pytest.mark.parametrize(
    "value",
    [
        PAIR,
        f" {PROVIDER} ,\n {ROLE} ",
        f"{ROLE}<!-- x -->,{PROVIDER}",
        f"<![CDATA[{PAIR}]]>",
        f"<b>{ROLE}</b>,{PROVIDER}",
    ],
)
def test_a_role_is_read_in_each_form(value: str) -> None:
    """The value is all its characters: comments do not cut it."""
    assert read(value) == (UnverifiedOffer(ROLE, PROVIDER),)


@pytest.mark.parametrize(
    "value",
    [
        PAIR,
        f"{PROVIDER},{ROLE}",
        f"\t{ROLE} ,\n{PROVIDER} ",
        f"{ROLE},ops,{PROVIDER}",
        f"{PROVIDER}, {ROLE},ops",
        f"{ROLE},\u00a0{PROVIDER}",
        f"{ROLE},{PROVIDER},{ROLE}",
        f"{ROLE}/,{PROVIDER}",
        f"{ROLE},{PROVIDER.replace('123456789012', '210987654321')}",
        f"{ROLE};{PROVIDER}",
        ROLE,
        "",
    ],
)
def test_the_same_values_are_offered_as_sts_takes(value: str) -> None:
    """The client has a pattern of its own, because it needs nothing of the server."""
    pair = find_role_pair(value)
    assert read(value) == (() if pair is None else (UnverifiedOffer(pair.role, pair.provider),))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_the_declared_encoding_is_followed(encoding: str) -> None:
    """Identity providers declare UTF-8, UTF-16 and Latin-1."""
    assert read(PAIR, before=f'<?xml version="1.0" encoding="{encoding}"?>', encoding=encoding)


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE a [<!ENTITY r SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a [<!ENTITY x "' + "y" * 1000 + '"><!ENTITY r "' + "&x;" * 1000 + '">]>',
    ],
    ids=["external", "file", "bomb"],
)
def test_a_doctype_is_refused_before_an_entity_is_expanded(declared: str) -> None:
    """Entities read files and fill memory (OWASP: XML external entity)."""
    with pytest.raises(ExpiredError, match="DOCTYPE"):
        read("&r;" * 30, before=declared)


@pytest.mark.parametrize(
    "text",
    [
        b"<a",
        b"<a/>x",
        b"<a>&r;</a>",
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b'<?xml version="1.0" encoding="idna"?><a/>',
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
        b"<\xff/>",
    ],
)
def test_a_broken_response_is_one_sentence(text: bytes) -> None:
    """The person copied part of the field, or another field."""
    with pytest.raises(ExpiredError, match="XML"):
        offers(base64.b64encode(text).decode())


def test_a_deeply_nested_response_ends_in_time() -> None:
    """The deepest tree that fits into a response does not crash the process or take seconds."""
    text = base64.b64encode(b"<a>" * 20_000 + b"</a>" * 20_000).decode()

    def read() -> None:
        assert offers(text) == ()

    assert least_seconds(read, 5) < 5
