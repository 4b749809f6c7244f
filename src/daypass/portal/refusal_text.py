"""The headings and advice of the portal's error pages.

Owns the table that chooses them by the error code and the beginning of AWS's message. The message itself belongs to the
error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daypass.federation.proof_length import SAML_ASSERTION, WEB_IDENTITY_TOKEN
from daypass.federation.saml import saml_faults


@dataclass(frozen=True, slots=True)
class RefusalText:
    """The heading of an error page, and the advice below its message.

    `advice` may be empty. `for_operators` adds how an administrator finds the reason.
    """

    heading: str
    advice: str = ""
    for_operators: bool = False


_CLOSED = (
    "Your identity provider signed you in, but no role here allows you to assume it. Ask your administrator: the "
    "trust policies of the roles decide this."
)
_NONE_NAMED = (
    "Your identity provider signed you in, but did not send a role of this server for you. Ask the administrator of "
    "the identity provider to assign one."
)
_AGAIN = (
    "Start again at the sign-in page. If this happens again at once, ask your administrator to check the clocks of the "
    "identity provider and of this server."
)
_NOT_TAKEN = (
    "This is not your mistake: this server cannot accept the response of your identity provider. An administrator "
    "has to correct the configuration."
)
_BUSY = "Your network sent too many requests. Wait a minute, then try again."
_LATER = "This is an error of the server. Try again in a moment."
_NO_ROLE, _AGE = "You cannot use any role here", "Your sign-in is too old"
_RESPONSE, _PROVIDER = "The identity provider's response was not accepted", "The identity provider is not available"
_LENGTH = "1 validation error detected: Value at '"
_OTHERS = RefusalText("The request failed", for_operators=True)

# Error code, beginning of the message, and text. The first matching row applies.
ROWS: Sequence[tuple[str, str, RefusalText]] = (
    ("AccessDenied", "Not authorized to perform sts:AssumeRoleWith", RefusalText(_NO_ROLE, _CLOSED)),
    ("AccessDenied", "No role trusts", RefusalText(_NO_ROLE, _CLOSED)),
    ("AccessDenied", "This request comes from another site", RefusalText("This request was blocked")),
    ("AccessDenied", "This server accepts forms only at", RefusalText("Wrong address of this server")),
    ("AccessDenied", "You are signed in as", RefusalText("Another person is signed in here")),
    ("AccessDenied", "The command request", RefusalText("This role does not fit the command")),
    ("AccessDenied", "", RefusalText("You are not allowed to do this")),
    ("ExpiredTokenException", saml_faults.EXPIRED, RefusalText(_AGE, _AGAIN)),
    ("ExpiredTokenException", saml_faults.STALE, RefusalText(_AGE, _AGAIN)),
    ("ExpiredTokenException", "Enter the code", RefusalText("This link needs a code")),
    ("ExpiredTokenException", "This address belongs", RefusalText("Choose the role again")),
    ("ExpiredTokenException", "", RefusalText("Your sign-in has ended")),
    ("InvalidIdentityToken", saml_faults.NO_ROLE, RefusalText("You have no role here", _NONE_NAMED)),
    ("InvalidIdentityToken", saml_faults.MALFORMED, RefusalText(_RESPONSE, _NOT_TAKEN, for_operators=True)),
    ("InvalidIdentityToken", saml_faults.UNSIGNED, RefusalText(_RESPONSE, _NOT_TAKEN, for_operators=True)),
    ("InvalidIdentityToken", saml_faults.SIGNATURE_INVALID, RefusalText(_RESPONSE, _NOT_TAKEN, for_operators=True)),
    ("InvalidIdentityToken", saml_faults.AUDIENCE, RefusalText(_RESPONSE, _NOT_TAKEN, for_operators=True)),
    ("InvalidIdentityToken", saml_faults.ISSUER, RefusalText(_RESPONSE, _NOT_TAKEN, for_operators=True)),
    ("InvalidIdentityToken", "This sign-in has expired", RefusalText("Start the sign-in again")),
    ("InvalidIdentityToken", "", RefusalText(_RESPONSE, for_operators=True)),
    (
        "IDPRejectedClaim",
        "",
        RefusalText("You were not signed in", "Start again at the sign-in page, or sign in as another user."),
    ),
    ("IDPCommunicationError", "", RefusalText(_PROVIDER)),
    ("NoSuchEntity", "", RefusalText("Unknown identity provider", "Choose one on the sign-in page.")),
    ("Throttling", "", RefusalText("Too many requests", _BUSY)),
    ("ValidationError", f"{_LENGTH}{SAML_ASSERTION.name}'", RefusalText(_RESPONSE, _NOT_TAKEN, for_operators=True)),
    ("ValidationError", f"{_LENGTH}{WEB_IDENTITY_TOKEN.name}'", RefusalText(_RESPONSE, _NOT_TAKEN, for_operators=True)),
    ("ServiceUnavailable", "", RefusalText("The server is not available", "Try again in a moment.")),
    ("InternalFailure", "", RefusalText("The server has a problem", _LATER, for_operators=True)),
    ("InvalidParameterValue", "", RefusalText("The form is not valid")),
)


def refusal_text(error: Mapping[str, str]) -> RefusalText:
    """Return heading and advice for an error."""
    code, message = error.get("Code", ""), error.get("Message", "")
    found = (text for each, begins, text in ROWS if code == each and message.startswith(begins))
    return next(found, _OTHERS)
