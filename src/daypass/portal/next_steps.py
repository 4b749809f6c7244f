"""Advice for a person after a refusal, in addition to the message of AWS.

Owns the table of advice. The API owns the messages. Scripts get only the messages, without this advice.
"""

from collections.abc import Mapping, Sequence

from daypass.federation.saml import refusals

_CLOSED = (
    "Your identity provider signed you in, but the roles here do not let you in. Whoever manages the roles decides "
    "that, in their trust policies."
)
_NONE_NAMED = (
    "Your identity provider signed you in, but named no role of this server for you. Ask whoever manages it for one."
)
_AGAIN = (
    "Begin again at the sign-in page, and choose a role within five minutes. If it happens again at once, a clock is "
    "wrong: your identity provider's, or this server's."
)
_NOT_TAKEN = (
    "Nothing that you did is wrong: your identity provider's answer is not as this server needs it. Tell whoever runs "
    "the server, with the number of the request."
)
_BUSY = "Many requests came from your network. Wait a minute, then try again."
_LATER = "It is not your doing. Try again in a moment."

# Error code, prefix of the message, and advice. The first matching row applies.
STEPS: Sequence[tuple[str, str, str]] = (
    ("AccessDenied", "Not authorized to perform sts:AssumeRoleWith", _CLOSED),
    ("AccessDenied", "No role trusts", _CLOSED),
    ("ExpiredTokenException", refusals.EXPIRED, _AGAIN),
    ("ExpiredTokenException", refusals.STALE, _AGAIN),
    ("InvalidIdentityToken", refusals.NO_ROLE, _NONE_NAMED),
    ("InvalidIdentityToken", refusals.MALFORMED, _NOT_TAKEN),
    ("InvalidIdentityToken", refusals.UNSIGNED, _NOT_TAKEN),
    ("InvalidIdentityToken", refusals.SIGNATURE_INVALID, _NOT_TAKEN),
    ("InvalidIdentityToken", refusals.AUDIENCE, _NOT_TAKEN),
    ("InvalidIdentityToken", refusals.ISSUER, _NOT_TAKEN),
    ("IDPRejectedClaim", "", "Begin again at the sign-in page, perhaps as somebody else."),
    ("Throttling", "", _BUSY),
    ("InternalFailure", "", _LATER),
)


def next_step(error: Mapping[str, str]) -> str:
    """Return advice for an error, or "" if its message is sufficient."""
    code, message = error.get("Code", ""), error.get("Message", "")
    return next((step for each, begins, step in STEPS if code == each and message.startswith(begins)), "")
