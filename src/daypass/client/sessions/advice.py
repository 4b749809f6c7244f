"""The next step for each refusal of STS.

Owns the two tables: by the words of a message, which tell several causes of one code apart, and by the code. Pure.
Source of the messages: answers of AWS STS, which Daypass's server gives too.
"""

from collections.abc import Mapping
from types import MappingProxyType

from daypass.client.problems import BadUsageError, ExpiredError, NoAnswerError, RefusedError, UserFacingError

Advice = tuple[type[UserFacingError], str]

WHO = "`daypass whoami` shows who you are"
_CLOCK = "`daypass doctor` shows the difference"
_PROXY = "check whether a proxy changes requests, and the endpoint with `daypass doctor`"
_NO_KEY = "The key does not exist at this endpoint; `daypass doctor` shows the key and the endpoint in use"
_PROVIDER = "The identity provider's clock differs from the server's; try again in a moment, and correct the clocks"
_NEW_TOKEN = "Get a new token or assertion and use it before it expires"  # noqa: S105 - advice for people
_REGION = "Choose another region with --region or AWS_REGION"

# Words of a message, in the order in which they are looked for -> the kind and the next step.
BY_WORDS: Mapping[str, Advice] = MappingProxyType(
    {
        "verify your MFA serial number": (
            ExpiredError,
            "Use --mfa-serial auto to find your device, or correct the serial number",
        ),
        "MultiFactorAuthentication failed": (
            ExpiredError,
            "Wait for the next code and enter it; each code is accepted once",
        ),
        "Signature expired": (RefusedError, f"This machine's clock is behind the server's. Correct it; {_CLOCK}"),
        "Signature not yet current": (
            RefusedError,
            f"This machine's clock is ahead of the server's. Correct it; {_CLOCK}",
        ),
        "should be scoped to a valid region": (RefusedError, _REGION),
        "should be scoped to correct service": (
            RefusedError,
            "The endpoint is for another service; check it with `daypass doctor`",
        ),
        "should be scoped with a valid terminator": (RefusedError, f"The signature has another form; {_PROXY}"),
        "Date in Credential scope does not match": (RefusedError, f"The signature's dates differ; {_PROXY}"),
        "must be a 'SignedHeader'": (RefusedError, f"The signature lacks a header; {_PROXY}"),
        "signature we calculated does not match": (
            RefusedError,
            "The secret access key is wrong; `daypass doctor` shows the key and its source",
        ),
        "Token issued in the future": (ExpiredError, _PROVIDER),
        "Token not yet valid": (ExpiredError, _PROVIDER),
        "Token expired": (ExpiredError, _NEW_TOKEN),
        "Response has expired": (ExpiredError, _NEW_TOKEN),
        "must be redeemed within": (ExpiredError, "Get a new assertion, and use it within five minutes"),
        "No OpenIDConnect provider found": (
            ExpiredError,
            "Create the provider in the role's account with CreateOpenIDConnectProvider, or correct the role",
        ),
        "Incorrect token audience": (ExpiredError, "Add the token's audience to the provider's client IDs"),
        "more than one audience": (ExpiredError, "Get a token with one audience, or with the claim azp"),
        "Couldn't retrieve verification key": (
            ExpiredError,
            "The provider does not publish the key that signed the token; `daypass token inspect` shows the check",
        ),
        "not a valid JWT": (ExpiredError, "Use the provider's ID token, not its access token"),
        "required audience": (ExpiredError, "Set the server's SAML audience at the identity provider"),
        "Issuer not present": (ExpiredError, "Use the provider whose metadata names this issuer"),
        "Response signature invalid": (
            ExpiredError,
            "Update the provider's metadata with UpdateSAMLProvider; `daypass saml inspect` shows the check",
        ),
        "requested Role and Metadata": (
            ExpiredError,
            "Choose a role that the assertion lists: `daypass roles --assertion-file FILE`",
        ),
        "exceeds the 1 hour session limit": (BadUsageError, "Leave --duration out, or make it at most 1h"),
        "MaxSessionDuration": (BadUsageError, "Make --duration shorter, or raise the role's maximum"),
    }
)
# Code of a refusal -> the same, for all other messages.
BY_CODE: Mapping[str, Advice] = MappingProxyType(
    {
        "AccessDenied": (
            RefusedError,
            f"{WHO}; the role must exist and trust you, and your own policies must allow the action",
        ),
        "AccessDeniedException": (RefusedError, f"{WHO}; your policies must allow the action"),
        "ExpiredToken": (ExpiredError, "Sign in again: `daypass renew`, or `daypass login`"),
        "ExpiredTokenException": (ExpiredError, _NEW_TOKEN),
        "InvalidIdentityToken": (ExpiredError, "Check the token, and that the account has the identity provider"),
        "IDPRejectedClaim": (ExpiredError, "Sign in again with the identity provider"),
        "IDPCommunicationError": (
            NoAnswerError,
            "The server cannot reach the identity provider; try again in a moment",
        ),
        "InvalidClientTokenId": (RefusedError, _NO_KEY),
        "UnrecognizedClientException": (RefusedError, _NO_KEY),
        "SignatureDoesNotMatch": (RefusedError, f"The secret access key is wrong; or {_PROXY}"),
        "IncompleteSignature": (RefusedError, f"The request was changed: {_PROXY}"),
        "MissingAuthenticationToken": (RefusedError, f"The request arrived without its signature: {_PROXY}"),
        "RequestTimeTooSkewed": (RefusedError, f"Correct this machine's clock; {_CLOCK}"),
        "RequestExpired": (RefusedError, f"Correct this machine's clock; {_CLOCK}"),
        "ValidationError": (BadUsageError, "Correct the value and try again"),
        "MalformedPolicyDocument": (BadUsageError, "Correct the session policy and try again"),
        "PackedPolicyTooLarge": (BadUsageError, "Make the session policy or the tags smaller"),
        "RegionDisabledException": (RefusedError, _REGION),
        "Throttling": (RefusedError, "Try again in a moment"),
    }
)


def find_advice(code: str, message: str) -> Advice:
    """Return the kind of a refusal, and its next step."""
    for words, advice in BY_WORDS.items():
        if words in message:
            return advice
    return BY_CODE.get(code, (RefusedError, WHO))
