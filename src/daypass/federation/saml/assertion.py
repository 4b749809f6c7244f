"""The content of an assertion as values.

Owns the grammar of an assertion below its signature. An unknown element is refused, since it may be a restriction.
Leaves the checks of conditions and attributes to others. verify.py passes in the verified element; only `saml inspect`
reads unverified ones.
Rules: SAML core 2.3 to 2.7.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from lxml import etree

from daypass.federation.saml.element_text import find_instant, read_name, require_attribute
from daypass.federation.saml.saml_faults import malformed
from daypass.federation.saml.schema_checks import sort_children
from daypass.federation.saml.xml_names import ds, saml

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
# The name of the confirming party is not part of a bearer's proof.
_CONFIRMATION: Mapping[str, tuple[int, int]] = {saml("NameID"): _MAYBE, saml("SubjectConfirmationData"): _ONE}
_CONDITIONS: Mapping[str, tuple[int, int]] = {
    saml("AudienceRestriction"): _ANY,
    saml("OneTimeUse"): _MAYBE,
    # It limits derived assertions; Daypass does not derive any.
    saml("ProxyRestriction"): _MAYBE,
}


class NameId(msgspec.Struct, frozen=True):
    """The subject of the assertion, as its issuer names it."""

    value: str
    format: str


class Confirmation(msgspec.Struct, frozen=True):
    """The proof that the bearer may present the assertion."""

    method: str
    recipient: str
    not_before: datetime | None
    not_on_or_after: datetime
    in_response_to: str | None


class Conditions(msgspec.Struct, frozen=True):
    """The time and the audience for which the assertion is valid."""

    not_before: datetime | None
    not_on_or_after: datetime | None
    audiences: tuple[tuple[str, ...], ...]  # every restriction must match; one matching audience is enough for it
    one_time_use: bool


class SamlAttribute(msgspec.Struct, frozen=True):
    """An attribute. None is a value that is not plain text."""

    name: str
    values: tuple[str | None, ...]


class ParsedAssertion(msgspec.Struct, frozen=True):
    """The parts of an assertion that Daypass reads."""

    identifier: str
    version: str
    issued: datetime
    issuer: str
    issuer_format: str | None
    subject: NameId
    confirmation: Confirmation
    conditions: Conditions
    authenticated: datetime  # the latest AuthnInstant
    session_ends: datetime | None
    attributes: tuple[SamlAttribute, ...]


def read_assertion(assertion: etree._Element) -> ParsedAssertion:
    """Return the content of an assertion. Raises a Fault if it is malformed."""
    parts = sort_children(assertion, _ASSERTION)
    issued = find_instant(assertion, "IssueInstant")
    if issued is None:
        raise malformed("Assertion has no IssueInstant")
    issuer = parts[saml("Issuer")][0]
    subject = sort_children(parts[saml("Subject")][0], _SUBJECT)
    return ParsedAssertion(
        identifier=require_attribute(assertion, "ID"),
        version=require_attribute(assertion, "Version"),
        issued=issued,
        issuer=read_name(issuer),
        issuer_format=issuer.get("Format"),
        subject=_read_name_id(subject[saml("NameID")][0]),
        confirmation=_read_confirmation(subject[saml("SubjectConfirmation")][0]),
        conditions=_read_conditions(parts[saml("Conditions")][0]),
        authenticated=_latest_authentication(parts[saml("AuthnStatement")]),
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
        # Some providers write an empty one if there was no request.
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


def _latest_authentication(statements: list[etree._Element]) -> datetime:
    instants = [find_instant(statement, "AuthnInstant") for statement in statements]
    found = [instant for instant in instants if instant is not None]
    if len(found) < len(statements):
        raise malformed("AuthnStatement has no AuthnInstant")
    return max(found)


def _earliest_session_end(statements: list[etree._Element]) -> datetime | None:
    ends = [find_instant(statement, "SessionNotOnOrAfter") for statement in statements]
    return min((end for end in ends if end is not None), default=None)


def _read_attributes(statements: list[etree._Element]) -> tuple[SamlAttribute, ...]:
    # Only an Attribute: an EncryptedAttribute could be a Role.
    found = [
        attribute
        for assertion in statements
        for attribute in sort_children(assertion, {saml("Attribute"): _ANY}).get(saml("Attribute"), [])
    ]
    if len(found) > _ATTRIBUTES:
        raise malformed(f"more than {_ATTRIBUTES} attributes")
    return tuple(_read_attribute(attribute) for attribute in found)


def _read_attribute(element: etree._Element) -> SamlAttribute:
    values = sort_children(element, {saml("AttributeValue"): _ANY}).get(saml("AttributeValue"), [])
    name = require_attribute(element, "Name")
    return SamlAttribute(name, tuple(_read_value(value, nested=name == TARGETED_ID) for value in values))


def _read_value(element: etree._Element, *, nested: bool) -> str | None:
    if not len(element):
        return element.text or ""
    inner = element[0]
    if nested and len(element) == 1 and inner.tag == saml("NameID") and not len(inner):
        return inner.text or ""
    return None
