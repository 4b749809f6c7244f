"""AWS's words for a SAML response that STS does not take.

Owns the texts and their codes. Each function takes the `detail` that the audit event keeps: precisely what
was wrong, which the caller is not told where AWS does not tell.
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

# AWS passes these two on from an inner service, with that service's own tail.
_UPSTREAM = frozenset({MALFORMED, UNSIGNED})


def malformed(detail: str) -> Fault:
    """Refuse a response that is not of the one shape STS reads."""
    return InvalidIdentityToken(MALFORMED, detail=detail)


def unsigned(detail: str) -> Fault:
    """Refuse an assertion without a signature of its own."""
    return InvalidIdentityToken(UNSIGNED, detail=detail)


def bad_signature(detail: str) -> Fault:
    """Refuse a signature that is not the provider's, or not of a kind we verify."""
    return InvalidIdentityToken(SIGNATURE_INVALID, detail=detail)


def wrong_audience(detail: str) -> Fault:
    """Refuse an assertion that was written for somebody else."""
    return InvalidIdentityToken(AUDIENCE, detail=detail)


def wrong_issuer(detail: str) -> Fault:
    """Refuse an assertion that another identity provider issued."""
    return InvalidIdentityToken(ISSUER, detail=detail)


def no_role(detail: str) -> Fault:
    """Refuse a role that the assertion does not name together with its provider."""
    return InvalidIdentityToken(NO_ROLE, detail=detail)


def invalid(message: str, detail: str = "") -> Fault:
    """Refuse an attribute whose value breaks a rule, in words of its own."""
    return InvalidIdentityToken(message, detail=detail or message)


def expired(detail: str) -> Fault:
    """Refuse an assertion, or the session behind it, that is past its end."""
    return ExpiredTokenException(EXPIRED, detail=detail)


def stale(detail: str) -> Fault:
    """Refuse an assertion that was issued more than five minutes ago."""
    return ExpiredTokenException(STALE, detail=detail)


def rejected(detail: str) -> Fault:
    """Pass on that the identity provider itself said no."""
    return IDPRejectedClaim("The identity provider (IdP) reported that authentication failed.", detail=detail)


def as_answered(fault: Fault, *, request_id: str) -> Fault:
    """Return `fault` with the tail that AWS's answer carries for it, if it carries one."""
    if fault.message not in _UPSTREAM:
        return fault
    tail = (
        " (Service: AWSOpenIdDiscoveryService; Status Code: 400; "
        f"Error Code: AuthSamlInvalidSamlResponseException; Request ID: {request_id}; Proxy: null)"
    )
    return InvalidIdentityToken(fault.message + tail, detail=fault.detail)
