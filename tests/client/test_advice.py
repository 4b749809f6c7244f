"""Each refusal of STS leads to the step that helps, and to no other one."""

import pytest

from daypass.client.sessions.advice import BY_WORDS, find_advice
from daypass.federation.oidc import oidc_messages
from daypass.federation.saml import saml_faults

CLOCK = "clock"
# Code and message -> words of the advice.
CASES = {
    ("SignatureDoesNotMatch", "Signature expired: 20261130T100000Z is now earlier than 20261130T110000Z"): "is behind",
    ("SignatureDoesNotMatch", "Signature not yet current: 20261130T100000Z is still later than x"): "is ahead",
    ("SignatureDoesNotMatch", "Credential should be scoped to a valid region. "): "--region",
    ("SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'. "): "another service",
    ("SignatureDoesNotMatch", "Credential should be scoped with a valid terminator: 'aws4_request'."): "proxy",
    ("SignatureDoesNotMatch", "Date in Credential scope does not match YYYYMMDD from ISO-8601"): "proxy",
    ("SignatureDoesNotMatch", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."): "proxy",
    (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key.",
    ): "secret access key is wrong",
    (
        "AccessDenied",
        "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is",
    ): "--mfa-serial auto",
    ("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. "): "next code",
    ("AccessDenied", "User: a is not authorized to perform: sts:AssumeRole on resource: r"): "trust you",
    ("ExpiredToken", "The security token included in the request is expired"): "Sign in again",
    ("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."): "shorter",
    (
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    ): "at most 1h",
    ("ExpiredTokenException", oidc_messages.EXPIRED.format(earliest=1, expires=1)): "new token",
    ("InvalidIdentityToken", oidc_messages.NOT_YET_VALID.format(latest=1, not_before=2)): "provider's clock",
    ("InvalidIdentityToken", oidc_messages.ISSUED_IN_FUTURE.format(issued=1)): "provider's clock",
    ("InvalidIdentityToken", oidc_messages.NO_PROVIDER.format(issuer="x")): "CreateOpenIDConnectProvider",
    ("InvalidIdentityToken", oidc_messages.NO_KEY): "daypass token inspect",
    ("InvalidIdentityToken", oidc_messages.NOT_A_JWT): "access token",
    ("IDPCommunicationError", oidc_messages.UNREACHABLE): "again in a moment",
    ("ExpiredTokenException", saml_faults.STALE): "five minutes",
    ("ExpiredTokenException", saml_faults.EXPIRED): "new token or assertion",
    ("InvalidIdentityToken", saml_faults.NO_ROLE): "daypass roles",
    ("InvalidIdentityToken", saml_faults.SIGNATURE_INVALID): "daypass saml inspect",
    ("RegionDisabledException", "STS is not activated in this region for account"): "--region",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1][:40]}")
def test_the_advice_fits_the_message(case: tuple[str, str]) -> None:
    """Only a message about time names the clock, and only one about a signature names the secret key."""
    _, advice = find_advice(*case)
    assert CASES[case] in advice
    is_about_time = case[1].startswith(("Signature expired", "Signature not yet", "Token not yet", "Token issued"))
    assert (CLOCK in advice) == is_about_time
    assert ("secret access key" in advice) == ("signature we calculated" in case[1])


def test_the_words_of_one_message_are_not_part_of_an_earlier_one() -> None:
    """The first row that fits is used, so a longer one must not stand after its part."""
    rows = list(BY_WORDS)
    hidden = [later for number, row in enumerate(rows) for later in rows[number + 1 :] if row in later]
    assert hidden == []
