"""Advice for a person after a refusal, in addition to the message of AWS.

Owns the table of advice. The API owns the messages. Scripts get only the messages, without this advice.
"""

from collections.abc import Mapping, Sequence

from daypass.federation.saml import saml_faults

_CLOSED = (
    "Your identity provider signed you in, but no role here allows you to assume it. Ask your administrator: the "
    "trust policies of the roles decide this."
)
_NONE_NAMED = (
    "Your identity provider signed you in, but did not send a role of this server for you. Ask the administrator of "
    "the identity provider to assign one."
)
_AGAIN = (
    "Start again at the sign-in page, and choose a role within five minutes. If this happens again at once, ask your "
    "administrator to check the clocks of the identity provider and of this server."
)
_NOT_TAKEN = (
    "This is not your mistake: this server cannot accept the response of your identity provider. An administrator "
    "has to correct the configuration."
)
_BUSY = "Your network sent too many requests. Wait a minute, then try again."
_LATER = "This is an error of the server. Try again in a moment."

# Error code, prefix of the message, and advice. The first matching row applies.
STEPS: Sequence[tuple[str, str, str]] = (
    ("AccessDenied", "Not authorized to perform sts:AssumeRoleWith", _CLOSED),
    ("AccessDenied", "No role trusts", _CLOSED),
    ("ExpiredTokenException", saml_faults.EXPIRED, _AGAIN),
    ("ExpiredTokenException", saml_faults.STALE, _AGAIN),
    ("InvalidIdentityToken", saml_faults.NO_ROLE, _NONE_NAMED),
    ("InvalidIdentityToken", saml_faults.MALFORMED, _NOT_TAKEN),
    ("InvalidIdentityToken", saml_faults.UNSIGNED, _NOT_TAKEN),
    ("InvalidIdentityToken", saml_faults.SIGNATURE_INVALID, _NOT_TAKEN),
    ("InvalidIdentityToken", saml_faults.AUDIENCE, _NOT_TAKEN),
    ("InvalidIdentityToken", saml_faults.ISSUER, _NOT_TAKEN),
    ("IDPRejectedClaim", "", "Start again at the sign-in page, or sign in as another user."),
    ("Throttling", "", _BUSY),
    ("InternalFailure", "", _LATER),
)


def next_step(error: Mapping[str, str]) -> str:
    """Return advice for an error, or "" if its message is sufficient."""
    code, message = error.get("Code", ""), error.get("Message", "")
    return next((step for each, begins, step in STEPS if code == each and message.startswith(begins)), "")
