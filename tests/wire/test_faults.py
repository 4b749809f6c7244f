"""Refusals and responses as bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from msgspec import json

from daypass.errors import (
    AccessDenied,
    Fault,
    InternalFailure,
    InvalidAction,
    MalformedInput,
    MissingAction,
    QueryTooLong,
    RequestEntityTooLarge,
    ValidationError,
)
from daypass.wire.faults import answer, render_fault
from daypass.wire.http import HttpResponse


def xml_of(fault: Fault, service: str | None = "sts") -> HttpResponse:
    """Return the refusal in XML."""
    return render_fault(fault, request_id="id-1", service=service, wants_json=False)


def test_a_refusal_is_awss() -> None:
    """Every AWS SDK parses this document."""
    response = xml_of(AccessDenied("User: <x> & y", detail="not for the caller"))
    assert response.status == 403
    assert response.body.decode() == (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        "<Code>AccessDenied</Code><Message>User: &lt;x&gt; &amp; y</Message></Error>"
        "<RequestId>id-1</RequestId></ErrorResponse>"
    )
    assert dict(response.headers) == {
        b"content-type": b"text/xml",
        b"x-amzn-requestid": b"id-1",
        b"vary": b"Accept",
        b"x-content-type-options": b"nosniff",
        b"cache-control": b"no-store",
    }


@pytest.mark.parametrize(
    ("fault", "service", "namespace"),
    [
        (ValidationError("x"), "iam", "https://iam.amazonaws.com/doc/2010-05-08/"),
        (ValidationError("x"), None, "https://sts.amazonaws.com/doc/2011-06-15/"),
        (InvalidAction("x"), None, "http://webservices.amazon.com/AWSFault/2005-15-09"),
        (InvalidAction("x"), "sts", "http://webservices.amazon.com/AWSFault/2005-15-09"),
    ],
)
def test_namespaces(fault: Fault, service: str | None, namespace: str) -> None:
    """The namespace is the service's, or AWS's own for an unknown call."""
    assert f'xmlns="{namespace}"'.encode() in xml_of(fault, service).body


def test_malformed_input_has_no_message() -> None:
    """MalformedInput has no message in XML and JSON."""
    assert b"<Code>MalformedInput</Code></Error>" in xml_of(MalformedInput(detail="x")).body
    response = render_fault(MalformedInput(), request_id="id", service="sts", wants_json=True)
    assert json.decode(response.body)["Error"] == {"Type": "Sender", "Code": "MalformedInput"}


def test_our_own_failures_are_the_receivers() -> None:
    """SDKs retry these errors."""
    response = xml_of(InternalFailure())
    assert (response.status, b"<Type>Receiver</Type>" in response.body) == (500, True)


def test_refusals_in_json() -> None:
    """The JSON contains no markup characters."""
    response = render_fault(AccessDenied("a<b>&"), request_id="id", service="sts", wants_json=True)
    assert response.body == (
        rb'{"Error":{"Type":"Sender","Code":"AccessDenied","Message":"a\u003cb\u003e\u0026"},"RequestId":"id"}'
    )
    assert dict(response.headers)[b"content-type"] == b"application/json"


@pytest.mark.parametrize(("fault", "status"), [(RequestEntityTooLarge(), 413), (QueryTooLong(), 400)])
def test_what_is_too_large_gets_no_word(fault: Fault, status: int) -> None:
    """The body is empty, as at AWS's front end."""
    response = xml_of(fault)
    assert (response.status, response.body) == (status, b"")
    assert b"content-type" not in dict(response.headers)


def test_a_browser_is_shown_the_way_in() -> None:
    """A browser is redirected to the sign-in page.

    AWS redirects it to its product page.
    """
    response = xml_of(MissingAction())
    assert (response.status, response.body) == (302, b"")
    assert dict(response.headers)[b"location"] == b"/login"


def test_a_denial_carries_its_encoded_message_beside_it() -> None:
    """The encoded message is only in a header, which SDKs ignore."""
    response = xml_of(AccessDenied("no", encoded="e" * 60))
    assert dict(response.headers)[b"x-daypass-authorization-message"] == b"e" * 60
    assert b"eee" not in response.body
    assert b"x-daypass-authorization-message" not in dict(xml_of(AccessDenied("no")).headers)


def test_a_success_has_the_same_headers() -> None:
    """A success also has the headers that the caller adds."""
    response = answer(b"<x/>", request_id="id", wants_json=False, extra=((b"a", b"b"),))
    assert (response.status, response.body) == (200, b"<x/>")
    assert dict(response.headers).keys() > {b"x-amzn-requestid", b"vary", b"cache-control", b"a"}


@given(message=st.text(st.characters(codec=None), max_size=30))
@settings(max_examples=200, deadline=None)
def test_every_message_is_well_formed(message: str) -> None:
    """Messages with control characters, surrogates and markup are well formed."""
    fault = AccessDenied(message)
    error = etree.fromstring(xml_of(fault).body)
    text = error.findtext("{*}Error/{*}Message") or ""
    assert len(text) == len(message)
    response = render_fault(fault, request_id="id", service="sts", wants_json=True)
    assert len(json.decode(response.body)["Error"].get("Message", "")) == len(message)


@pytest.mark.parametrize(
    ("given_", "read"), [("\x00\x1b\ufffe\ud800", "\ufffd" * 4), ("a\r\n\t\x85\x7f", "a\r\n\t\x85\x7f")]
)
def test_what_xml_cannot_say(given_: str, read: str) -> None:
    """Illegal characters are replaced; a carriage return is preserved."""
    error = etree.fromstring(xml_of(AccessDenied(given_)).body)
    assert error.findtext("{*}Error/{*}Message") == read
