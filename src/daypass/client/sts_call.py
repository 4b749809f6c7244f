"""Call STS and IAM, and put a refusal into one sentence with the next step.

Owns botocore: nothing else in the client imports it, and this file is imported only when a call is to be made.
Owns also that no answer is ever repeated in an error: one that was cut off, or that a proxy changed, may hold a secret
key, and botocore quotes what it cannot read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import botocore.session
from botocore import UNSIGNED, exceptions
from botocore.config import Config

from daypass.client.credentials import Credentials, verify_credentials
from daypass.client.problems import (
    BadUsage,
    Expired,
    Misconfigured,
    NoAnswer,
    Problem,
    Refused,
    SignInNeeded,
)
from daypass.client.words import printable, sentence

_WHO = "`daypass whoami` shows who you are"
# Code of a refusal -> its kind and the next step.
ADVICE: Mapping[str, tuple[type[Problem], str]] = MappingProxyType(
    {
        "AccessDenied": (
            Refused,
            f"{_WHO}; a role must be there and trust you, and your own policies must allow the action",
        ),
        "AccessDeniedException": (Refused, f"{_WHO}; your policies must allow the action"),
        "ExpiredToken": (Expired, "Sign in again: `daypass renew`, or `daypass login`"),
        "ExpiredTokenException": (Expired, "Get a new token or assertion and redeem it within its minutes"),
        "InvalidIdentityToken": (Expired, "Check the token with its issuer, and that the account knows the provider"),
        "IDPRejectedClaim": (Expired, "Sign in again with the identity provider"),
        "IDPCommunicationError": (NoAnswer, "The server cannot reach the identity provider; try again in a moment"),
        "InvalidClientTokenId": (
            Refused,
            "The key is unknown at this endpoint; `daypass doctor` shows which key and endpoint count",
        ),
        "UnrecognizedClientException": (
            Refused,
            "The key is unknown at this endpoint; `daypass doctor` shows which key and endpoint count",
        ),
        "SignatureDoesNotMatch": (Refused, "The secret key is wrong, or this machine's clock; see `daypass doctor`"),
        "RequestTimeTooSkewed": (Refused, "Set this machine's clock; `daypass doctor` says how far it is off"),
        "ValidationError": (BadUsage, "Mend the value and try again"),
        "MalformedPolicyDocument": (BadUsage, "Mend the session policy and try again"),
        "PackedPolicyTooLarge": (BadUsage, "Make the session policy or the tags smaller"),
        "RegionDisabledException": (Refused, "Choose another region with --region"),
        "Throttling": (Refused, "Try again in a moment"),
    }
)
_WRONG_CODE = "MultiFactorAuthentication failed"
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,127}")
_SERVER_FAULTS = 500
# AWS's names for a fault of the server. STS itself said so, and the exit code is that of its refusals.
_SERVER_CODES = frozenset({"InternalError", "InternalFailure", "ServiceUnavailable"})
_MESSAGE_HEADER = "x-daypass-authorization-message"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: credentials at hand, else a profile, else whatever AWS's own search finds; or nobody."""

    profile: str = ""
    credentials: Credentials | None = None
    unsigned: bool = False


def open_session(profile: str = "") -> Any:
    """Return botocore's session of a profile."""
    return botocore.session.Session(profile=profile or None)


def connect(service: str, signer: Signer, *, endpoint_url: str = "", region: str = "") -> Any:
    """Return a client."""
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 3},
        user_agent_extra="daypass",
        signature_version=UNSIGNED if signer.unsigned else None,
    )
    keys = {}
    if signer.credentials is not None:
        keys = {
            "aws_access_key_id": signer.credentials.access_key_id,
            "aws_secret_access_key": signer.credentials.secret_access_key,
            "aws_session_token": signer.credentials.session_token or None,
        }
    try:
        session = open_session("" if signer.credentials or signer.unsigned else signer.profile)
        region = region or session.get_config_variable("region") or "us-east-1"
        return session.create_client(
            service, region_name=region, endpoint_url=endpoint_url or None, config=config, **keys
        )
    except ValueError as error:  # an endpoint that is no URL
        raise translated(error) from error
    except Exception as error:
        raise _translated_answer(error, "A credentials endpoint") from error


def call(client: Any, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Call one operation by its AWS name. Raises a Problem, and nothing else, for what can go wrong."""
    try:
        answer: dict[str, Any] = client._make_api_call(operation, dict(parameters))  # noqa: SLF001 - by name, as the CLI does
    except Exception as error:
        raise _translated_answer(error, printable(client.meta.endpoint_url)) from error
    answer.pop("ResponseMetadata", None)
    shape = client.meta.service_model.operation_model(operation).output_shape
    if shape is not None and shape.members and not answer:
        # XML of somebody else's, such as a page of a proxy's: read without complaint, and nothing of it meant us.
        raise _unreadable(printable(client.meta.endpoint_url))
    return answer


def own_credentials(profile: str) -> tuple[Credentials, str]:
    """Return the credentials that AWS's own search finds, and the name of the way they were found."""
    try:
        found = open_session(profile).get_credentials()
        frozen = None if found is None else found.get_frozen_credentials()
    except Exception as error:
        raise _translated_answer(error, "The endpoint that the profile names") from error
    if found is None or frozen is None:
        raise SignInNeeded(_NO_CREDENTIALS)
    form = {"AccessKeyId": frozen.access_key, "SecretAccessKey": frozen.secret_key, "SessionToken": frozen.token}
    form["Expiration"] = getattr(found, "_expiry_time", None)
    return verify_credentials(form), str(found.method)


_NO_CREDENTIALS = (
    "There are no credentials; sign in with `daypass login`, name a profile with --profile, or make one with "
    "`daypass profile add`."
)


def _translated_answer(error: Exception, place: str) -> Problem:
    """Return the Problem that an exception of a call means. What is not known to be safe to repeat is not."""
    if isinstance(error, exceptions.ClientError):
        return _refusal(error, place)
    if type(error) in _QUOTING or not isinstance(error, exceptions.BotoCoreError | OSError):
        return _unreadable(place)
    if isinstance(error, exceptions.CredentialRetrievalError) and "container" in str(error.kwargs.get("provider")):
        return _unreadable("The container's credentials endpoint")
    return translated(error)


def _unreadable(place: str) -> NoAnswer:
    return NoAnswer(
        f"{place} gave an answer that cannot be read. Try again; if it stays so, see with `daypass doctor` whether the "
        "endpoint is the right one, and whether a proxy changes or cuts off its answers."
    )


def translated(error: Exception) -> Problem:
    """Return the Problem that an exception of botocore means."""
    words = printable(str(error).replace("\n", "; ").replace(":;", ":"))
    for kinds, make in _TRANSLATIONS:
        if isinstance(error, kinds):
            return make(words)
    return Misconfigured(f"{sentence(words)} `daypass doctor` may say more.")


def _refusal(error: exceptions.ClientError, place: str) -> Problem:
    detail = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= _SERVER_FAULTS:
        if detail.get("Code") in _SERVER_CODES:
            return Refused(f"{place} answered {detail['Code']} (status {status}). Try again in a moment.")
        return NoAnswer(f"{place} could not answer (status {status}). Try again in a moment.")
    if not _CODE.fullmatch(str(detail.get("Code", ""))):
        return _unreadable(place)
    code, message = printable(detail.get("Code", "")), printable(detail.get("Message", ""))
    kind, advice = ADVICE.get(code, (Refused, _WHO))
    if _WRONG_CODE in message:
        kind, advice = Expired, "Wait for the next code and type that one; each is accepted once"
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if kind is Refused and _MESSAGE_HEADER in headers:
        advice += "; `daypass sts decode-authorization-message` opens the reason (DAYPASS_DEBUG=1 shows it encoded)"
    refusal = kind(f"{code}: {sentence(message or 'no reason was given')} {advice}.")
    if _MESSAGE_HEADER in headers:
        refusal.add_note(f"encoded message: {printable(headers[_MESSAGE_HEADER])}")
    return refusal


# These repeat what they met in place of an answer.
_QUOTING = frozenset({exceptions.HTTPClientError, exceptions.MetadataRetrievalError})
_TRANSLATIONS: tuple[tuple[Any, Callable[[str], Problem]], ...] = (
    (
        (exceptions.NoCredentialsError, exceptions.TokenRetrievalError, exceptions.SSOError),
        lambda words: SignInNeeded(_NO_CREDENTIALS if "locate" in words else f"{sentence(words)} Sign in first."),
    ),
    (
        exceptions.CredentialRetrievalError,
        lambda words: SignInNeeded(sentence(words.partition("Error when retrieving credentials from ")[2] or words)),
    ),
    (
        exceptions.ConfigParseError,
        lambda words: Misconfigured(f"{sentence(words)} `daypass doctor` says which line is wrong."),
    ),
    (
        (exceptions.ProfileNotFound, exceptions.ConfigNotFound),
        lambda words: Misconfigured(f"{sentence(words)} `daypass profile list` shows what there is."),
    ),
    (
        (exceptions.ParamValidationError, exceptions.UnknownParameterError),
        lambda words: BadUsage(sentence(words)),
    ),
    (
        (exceptions.SSLError, exceptions.ProxyConnectionError),
        lambda words: NoAnswer(f"{sentence(words)} AWS_CA_BUNDLE names the file of your own authorities."),
    ),
    (
        (exceptions.HTTPClientError, exceptions.ConnectionError, OSError),
        lambda words: NoAnswer(f"{sentence(words)} Is the server running, and the endpoint right?"),
    ),
)
