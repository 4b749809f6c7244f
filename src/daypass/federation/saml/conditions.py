"""Check the conditions of a verified assertion: issuer, audience, time.

Owns the checks as one table, in order. Each reads values only and raises the Fault of STS. `saml inspect` runs the same
table and continues after a failure.
Rules: SAML profiles 4.1.4.2 and 4.1.4.3; recorded behaviour of AWS; docs/decisions/0002-saml-choices.md lists the
stricter checks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from daypass.federation.saml.assertion import ParsedAssertion
from daypass.federation.saml.envelope import Envelope
from daypass.federation.saml.saml_faults import expired, malformed, stale, wrong_audience, wrong_issuer
from daypass.federation.saml.settings import SamlSettings, Trust
from daypass.federation.saml.verify import SKEW
from daypass.federation.saml.xml_names import BEARER, ENTITY_FORMAT

REDEEMABLE = timedelta(minutes=5)


class ValidationContext(msgspec.Struct, frozen=True):
    """The values that a check may read."""

    assertion: ParsedAssertion
    envelope: Envelope
    trust: Trust
    settings: SamlSettings
    now: datetime


@dataclass(frozen=True, slots=True)
class Check:
    """One check of an assertion.

    `hint` is for the operator of the identity provider.
    """

    name: str
    verify: Callable[[ValidationContext], None]
    hint: str
    # AWS was recorded without this check, and a lax provider has none either.
    aws_lets_pass: bool = False
    # It needs the provider that should have sent the response.
    of_provider: bool = False

    def is_waived(self, trust: Trust) -> bool:
        """Return whether an operator waived this check for the provider."""
        return self.aws_lets_pass and trust.lax_like_aws


def check_conditions(validation: ValidationContext) -> None:
    """Run every check. Raises the Fault of the first one that fails."""
    for check in CHECKS:
        if not check.is_waived(validation.trust):
            check.verify(validation)


def _version(validation: ValidationContext) -> None:
    if validation.assertion.version != "2.0":
        raise malformed("the Assertion is not of version 2.0")


def _issuer(validation: ValidationContext) -> None:
    assertion, expected = validation.assertion, validation.trust.metadata.entity_id
    if assertion.issuer != expected:
        raise wrong_issuer(f"the Assertion's Issuer is {assertion.issuer!r}, the provider's is {expected!r}")
    if assertion.issuer_format not in {None, ENTITY_FORMAT}:
        raise wrong_issuer("the Assertion's Issuer is not an entity identifier")


def _response_issuer(validation: ValidationContext) -> None:
    envelope, expected = validation.envelope, validation.trust.metadata.entity_id
    if envelope.issuer is not None and envelope.issuer != expected:
        raise wrong_issuer(f"the Response's Issuer is {envelope.issuer!r}, the provider's is {expected!r}")
    if envelope.issuer_format not in {None, ENTITY_FORMAT}:
        raise wrong_issuer("the Response's Issuer is not an entity identifier")


def _bearer(validation: ValidationContext) -> None:
    if validation.assertion.confirmation.method != BEARER:
        raise malformed("the SubjectConfirmation is not of the bearer method")


def _recipient(validation: ValidationContext) -> None:
    recipient = validation.assertion.confirmation.recipient
    if not validation.settings.is_recipient(recipient):
        raise wrong_audience(f"the Recipient {recipient!r} is not an address of this server or of AWS")


def _destination(validation: ValidationContext) -> None:
    destination = validation.envelope.destination
    if destination is not None and not validation.settings.is_recipient(destination):
        raise wrong_audience(f"the Destination {destination!r} is not an address of this server or of AWS")


def _in_response_to(validation: ValidationContext) -> None:
    expected = validation.settings.expected_in_response_to
    if expected is None:
        return
    if validation.assertion.confirmation.in_response_to != expected:
        raise malformed("the SubjectConfirmationData does not answer our AuthnRequest (InResponseTo)")
    if validation.envelope.in_response_to not in {None, expected}:
        raise malformed("the Response does not answer our AuthnRequest (InResponseTo)")


def _audience(validation: ValidationContext) -> None:
    restrictions = validation.assertion.conditions.audiences
    if not restrictions:
        raise wrong_audience("the Conditions do not contain an Audience")
    for audiences in restrictions:
        if not any(validation.settings.is_audience(audience) for audience in audiences):
            raise wrong_audience(f"neither this server nor AWS is one of the audiences {', '.join(audiences)}")


def _issued(validation: ValidationContext) -> None:
    # Subtraction, never addition: an instant in the year 9999 must not overflow.
    if validation.assertion.issued - validation.now > SKEW:
        raise malformed(f"the Assertion was issued in the future, at {validation.assertion.issued}")
    if validation.envelope.issued - validation.now > SKEW:
        raise malformed(f"the Response was issued in the future, at {validation.envelope.issued}")


def _authenticated(validation: ValidationContext) -> None:
    if validation.assertion.authenticated - validation.now > SKEW:
        raise malformed(f"the AuthnInstant is in the future, at {validation.assertion.authenticated}")


def _confirmation_begins(validation: ValidationContext) -> None:
    begins = validation.assertion.confirmation.not_before
    # Not allowed for a bearer, but some providers write a NotBefore, in the past.
    if begins is not None and begins - validation.now > SKEW:
        raise malformed(f"the SubjectConfirmationData is not valid before {begins}")


def _begins(validation: ValidationContext) -> None:
    begins = validation.assertion.conditions.not_before
    if begins is not None and begins - validation.now > SKEW:
        raise malformed(f"the Conditions are not valid before {begins}")


def _has_end(validation: ValidationContext) -> None:
    if validation.assertion.conditions.not_on_or_after is None:
        raise malformed("the Conditions have no NotOnOrAfter")


def _ends(validation: ValidationContext) -> None:
    assertion = validation.assertion
    ends = {
        "SubjectConfirmationData": assertion.confirmation.not_on_or_after,
        "Conditions": assertion.conditions.not_on_or_after,
        "AuthnStatement's session": assertion.session_ends,
    }
    for what, end in ends.items():
        if end is not None and end <= validation.now:
            raise expired(f"the {what} ended at {end}")


def _fresh(validation: ValidationContext) -> None:
    if validation.now - validation.assertion.issued > REDEEMABLE:
        raise stale(f"the Assertion was issued more than five minutes ago, at {validation.assertion.issued}")


_AHEAD = "The provider's clock is more than five minutes ahead of ours. Synchronise both (NTP)."

CHECKS: Sequence[Check] = (
    Check("version", _version, "Send SAML 2.0."),
    Check(
        "issuer",
        _issuer,
        "The Assertion's Issuer must be the entityID of the metadata that is registered for this provider. "
        "Update the metadata (UpdateSAMLProvider) or the provider's entity ID.",
        of_provider=True,
    ),
    Check(
        "response issuer",
        _response_issuer,
        "The Response's Issuer must be the same entityID as the Assertion's.",
        aws_lets_pass=True,
        of_provider=True,
    ),
    Check("bearer", _bearer, "Use the confirmation method urn:oasis:names:tc:SAML:2.0:cm:bearer."),
    Check(
        "recipient",
        _recipient,
        "Set the assertion consumer service (ACS) URL to this server's /saml address or to a sign-in address of AWS, "
        "such as https://signin.aws.amazon.com/saml, or add the address to DAYPASS_SAML_RECIPIENTS. If it is this "
        "server's own address, set DAYPASS_PUBLIC_URL or --public-url to it.",
        aws_lets_pass=True,
    ),
    Check(
        "destination",
        _destination,
        "Set the Response's Destination to an assertion consumer service (ACS) URL of this server, or omit it.",
        aws_lets_pass=True,
    ),
    Check("in response to", _in_response_to, "Start the sign-in again. The response must answer its AuthnRequest."),
    Check(
        "audience",
        _audience,
        "Set the audience (SP entity ID, relying party identifier) to this server's entity ID, to "
        "urn:amazon:webservices or to a sign-in address of AWS, or add it to DAYPASS_SAML_AUDIENCES. Upper case and "
        "trailing slashes matter.",
        aws_lets_pass=True,
    ),
    Check("issue time", _issued, _AHEAD),
    Check("authentication time", _authenticated, _AHEAD),
    Check("confirmation begins", _confirmation_begins, _AHEAD),
    Check("begins", _begins, _AHEAD, aws_lets_pass=True),
    Check("has an end", _has_end, "Add a NotOnOrAfter to the Conditions.", aws_lets_pass=True),
    Check(
        "not ended",
        _ends,
        "The assertion, or the session at the provider, has expired. Sign in again, or check both clocks.",
    ),
    Check("fresh", _fresh, "An assertion can be redeemed for five minutes from its IssueInstant. Sign in again."),
)
