"""What an assertion says, as values: read once, exactly, without judging it.

Owns the grammar of an assertion below its signature. An element that this file does not know is refused,
since what is not understood may be a restriction. Judging is meaning.py's work, the attributes' sense
attributes.py's.
Rules: SAML core 2.3 to 2.7. verify.py hands in the verified element; `saml inspect` alone reads unverified
ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from daypass.federation.saml.gate import sort_children
from daypass.federation.saml.names import ds, saml
from daypass.federation.saml.refusals import malformed
from daypass.federation.saml.text import find_instant, read_name, require_attribute

_ONE, _MAYBE, _SOME, _ANY = (1, 1), (0, 1), (1, 10_000), (0, 10_000)
_ATTRIBUTES = 1_000
# eduPersonTargetedID is a persistent NameID inside the value (eduPerson 2.2.10).
TARGETED_ID = "urn:oid:1.3.6.1.4.1.5923.1.1.1.10"

_ASSERTION: Mapping[str, tuple[int, int]] = {
    saml("Issuer"): _ONE,
    ds("Signature"): _MAYBE,
    saml("Subject"): _ONE,
    saml("Conditions"): _ONE,
    saml("AuthnStatement"): _SOME,
    saml("AttributeStatement"): _ANY,
}
_SUBJECT: Mapping[str, tuple[int, int]] = {saml("NameID"): _ONE, saml("SubjectConfirmation"): _ONE}
# The confirming party's name says nothing that a bearer must prove.
_CONFIRMATION: Mapping[str, tuple[int, int]] = {saml("NameID"): _MAYBE, saml("SubjectConfirmationData"): _ONE}
_CONDITIONS: Mapping[str, tuple[int, int]] = {
    saml("AudienceRestriction"): _ANY,
    saml("OneTimeUse"): _MAYBE,
    # It limits assertions made from this one. We make none.
    saml("ProxyRestriction"): _MAYBE,
}


@dataclass(frozen=True, slots=True)
class NameId:
    """Who the assertion is about, in the words of its issuer."""

    value: str
    format: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How whoever brings the assertion shows that it is theirs."""

    method: str
    recipient: str
    not_before: datetime | None
    not_on_or_after: datetime
    in_response_to: str | None


@dataclass(frozen=True, slots=True)
class Conditions:
    """When and for whom the assertion is good."""

    not_before: datetime | None
    not_on_or_after: datetime | None
    audiences: tuple[tuple[str, ...], ...]  # every restriction must hold; within one, any audience does
    one_time_use: bool


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. A value that is not plain text is None."""

    name: str
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """Everything that an assertion says and we read."""

    identifier: str
    version: str
    issued: datetime
    issuer: str
    issuer_format: str | None
    subject: NameId
    confirmation: Confirmation
    conditions: Conditions
    session_ends: datetime | None
    attributes: tuple[Attribute, ...]


def read_statement(assertion: etree._Element) -> Statement:
    """Return what `assertion` says; raise the Fault for a malformed response."""
    parts = sort_children(assertion, _ASSERTION)
    issued = find_instant(assertion, "IssueInstant")
    if issued is None:
        raise malformed("Assertion has no IssueInstant")
    issuer = parts[saml("Issuer")][0]
    subject = sort_children(parts[saml("Subject")][0], _SUBJECT)
    return Statement(
        identifier=require_attribute(assertion, "ID"),
        version=require_attribute(assertion, "Version"),
        issued=issued,
        issuer=read_name(issuer),
        issuer_format=issuer.get("Format"),
        subject=_read_name_id(subject[saml("NameID")][0]),
        confirmation=_read_confirmation(subject[saml("SubjectConfirmation")][0]),
        conditions=_read_conditions(parts[saml("Conditions")][0]),
        session_ends=_earliest_session_end(parts[saml("AuthnStatement")]),
        attributes=_read_attributes(parts.get(saml("AttributeStatement"), [])),
    )


def _read_name_id(element: etree._Element) -> NameId:
    return NameId(read_name(element), require_attribute(element, "Format"))


def _read_confirmation(element: etree._Element) -> Confirmation:
    data = sort_children(element, _CONFIRMATION)[saml("SubjectConfirmationData")][0]
    ends = find_instant(data, "NotOnOrAfter")
    if ends is None:
        raise malformed("SubjectConfirmationData has no NotOnOrAfter")
    return Confirmation(
        method=require_attribute(element, "Method"),
        recipient=require_attribute(data, "Recipient"),
        not_before=find_instant(data, "NotBefore"),
        not_on_or_after=ends,
        # Some providers write an empty one where nobody asked.
        in_response_to=data.get("InResponseTo") or None,
    )


def _read_conditions(element: etree._Element) -> Conditions:
    parts = sort_children(element, _CONDITIONS)
    return Conditions(
        not_before=find_instant(element, "NotBefore"),
        not_on_or_after=find_instant(element, "NotOnOrAfter"),
        audiences=tuple(_read_audiences(each) for each in parts.get(saml("AudienceRestriction"), [])),
        one_time_use=saml("OneTimeUse") in parts,
    )


def _read_audiences(restriction: etree._Element) -> tuple[str, ...]:
    return tuple(
        read_name(audience) for audience in sort_children(restriction, {saml("Audience"): _SOME})[saml("Audience")]
    )


def _earliest_session_end(statements: list[etree._Element]) -> datetime | None:
    for statement in statements:
        if find_instant(statement, "AuthnInstant") is None:
            raise malformed("AuthnStatement has no AuthnInstant")
    ends = [find_instant(statement, "SessionNotOnOrAfter") for statement in statements]
    return min((end for end in ends if end is not None), default=None)


def _read_attributes(statements: list[etree._Element]) -> tuple[Attribute, ...]:
    # An EncryptedAttribute is refused with everything else that is not an Attribute: it could be a Role.
    found = [
        attribute
        for statement in statements
        for attribute in sort_children(statement, {saml("Attribute"): _ANY}).get(saml("Attribute"), [])
    ]
    if len(found) > _ATTRIBUTES:
        raise malformed(f"more than {_ATTRIBUTES} attributes")
    return tuple(_read_attribute(attribute) for attribute in found)


def _read_attribute(element: etree._Element) -> Attribute:
    values = sort_children(element, {saml("AttributeValue"): _ANY}).get(saml("AttributeValue"), [])
    name = require_attribute(element, "Name")
    return Attribute(name, tuple(_read_value(value, nested=name == TARGETED_ID) for value in values))


def _read_value(element: etree._Element, *, nested: bool) -> str | None:
    if not len(element):
        return element.text or ""
    inner = element[0]
    if nested and len(element) == 1 and inner.tag == saml("NameID") and not len(inner):
        return inner.text or ""
    return None
