"""AWS's error messages for a SAML response that STS refuses.

Owns the messages and their codes. `detail` is the exact reason for the audit event, which the caller sees only if AWS
returns it.
Source: recorded answers of AssumeRoleWithSAML; IAM User Guide, "Troubleshoot SAML federation with IAM".
"""

from daypass.errors import ExpiredTokenException, Fault, IDPRejectedClaim, InvalidIdentityToken

MALFORMED = "Invalid base64 SAMLResponse"
UNSIGNED = "Response (with optional signature) must contain an assertion with a mandatory signature"
SIGNATURE_INVALID = "Response signature invalid"
EXPIRED = "Response has expired"
STALE = "Token must be redeemed within 5 minutes of issuance"
AUDIENCE = "Response does not contain the required audience."
ISSUER = "Issuer not present in specified provider"
NO_ROLE = "SAML Assertion doesn't contain the requested Role and Metadata in the attributes"

# AWS forwards these two messages from an internal service, with the suffix of that service.
_UPSTREAM = frozenset({MALFORMED, UNSIGNED})


def malformed(detail: str) -> Fault:
    """Refuse a response that does not have the one form that STS accepts."""
    return InvalidIdentityToken(MALFORMED, detail=detail)


def unsigned(detail: str) -> Fault:
    """Refuse an assertion without a signature of its own."""
    return InvalidIdentityToken(UNSIGNED, detail=detail)


def not_signed() -> Fault:
    """Refuse an assertion that does not have its own signature."""
    return unsigned("the Assertion does not have its own signature")


def not_encrypted() -> Fault:
    """Refuse a plain assertion where the provider must encrypt them."""
    return malformed(
        "the provider is registered with AssertionEncryptionMode Required, and the assertion is not encrypted"
    )


def bad_signature(detail: str) -> Fault:
    """Refuse a signature that the provider did not make, or of another kind."""
    return InvalidIdentityToken(SIGNATURE_INVALID, detail=detail)


def wrong_audience(detail: str) -> Fault:
    """Refuse an assertion that was written for another audience."""
    return InvalidIdentityToken(AUDIENCE, detail=detail)


def wrong_issuer(detail: str) -> Fault:
    """Refuse an assertion that another identity provider issued."""
    return InvalidIdentityToken(ISSUER, detail=detail)


def no_role(detail: str) -> Fault:
    """Refuse a role that the assertion does not list with its provider."""
    return InvalidIdentityToken(NO_ROLE, detail=detail)


def invalid(message: str, detail: str = "") -> Fault:
    """Refuse an attribute whose value breaks a rule, with its own message."""
    return InvalidIdentityToken(message, detail=detail or message)


def expired(detail: str) -> Fault:
    """Refuse an expired assertion, or one with an expired session."""
    return ExpiredTokenException(EXPIRED, detail=detail)


def stale(detail: str) -> Fault:
    """Refuse an assertion that was issued more than five minutes ago."""
    return ExpiredTokenException(STALE, detail=detail)


def rejected(detail: str) -> Fault:
    """Refuse a response in which the identity provider reports a failure."""
    return IDPRejectedClaim("The identity provider (IdP) reported that authentication failed.", detail=detail)


def as_answered(fault: Fault, *, request_id: str) -> Fault:
    """Return `fault` with the suffix of AWS's answer, if AWS adds one."""
    if fault.message not in _UPSTREAM:
        return fault
    tail = (
        " (Service: AWSOpenIdDiscoveryService; Status Code: 400; "
        f"Error Code: AuthSamlInvalidSamlResponseException; Request ID: {request_id}; Proxy: null)"
    )
    return InvalidIdentityToken(fault.message + tail, detail=fault.detail)
