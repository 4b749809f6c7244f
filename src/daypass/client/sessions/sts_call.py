"""Call STS and IAM, and translate errors for the user.

Each error becomes a sentence with the next step.

- Only this file of the client imports botocore, and it is imported only before a call.
- Errors never quote a response: a cut or changed one may contain a secret key, and botocore quotes data that it cannot
  parse.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import botocore.session
from botocore import UNSIGNED, exceptions
from botocore.compat import compat_shell_split
from botocore.config import Config

from daypass.client.credentials import Credentials, verify_credentials
from daypass.client.problems import (
    BadUsageError,
    MisconfiguredError,
    NoAnswerError,
    RefusedError,
    SignInNeededError,
    UserFacingError,
)
from daypass.client.profiles.endpoints import is_http_url, named_at_hand
from daypass.client.sessions.advice import find_advice
from daypass.client.text_format import printable, sentence

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,127}")
_SERVER_FAULTS = 500
# AWS's codes of server errors come from STS itself, so the exit code is that of a refusal.
_SERVER_CODES = frozenset({"InternalError", "InternalFailure", "ServiceUnavailable"})
# Codes of other services, and of a Daypass server at a path that is not of STS.
_OTHER_SERVICE = frozenset(
    {
        "InvalidAction",
        "InvalidRequest",
        "MethodNotAllowed",
        "NotImplemented",
        "UnknownOperation",
        "UnknownOperationException",
    }
)
# Operation -> members without which a response is not its own. Credentials are verified.
_NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType({"GetCallerIdentity": ("Account", "Arn", "UserId")})
_MESSAGE_HEADER = "x-daypass-authorization-message"


@dataclass(frozen=True, slots=True)
class CallSigner:
    """The signer of a call.

    It is the credentials, or the call is unsigned. `profile` has further settings of the call, such as `ca_bundle`.
    """

    profile: str = ""
    credentials: Credentials | None = None
    unsigned: bool = False


def open_session(profile: str = "") -> Any:
    """Return a botocore session for a profile.

    Without one it uses that of the environment: AWS_PROFILE before AWS_DEFAULT_PROFILE, an empty variable being unset.
    Botocore itself reads them in the other order, and takes an empty one for a name.
    """
    of_environment = next(iter(named_at_hand(os.environ)), None)
    session_vars: dict[str, Any] = {"profile": (None, [], of_environment, None)}
    return botocore.session.Session(session_vars, profile=profile or None)


def connect(service: str, signer: CallSigner, *, endpoint_url: str = "", region: str = "") -> Any:
    """Return a botocore client for a service."""
    if endpoint_url and not is_http_url(endpoint_url.strip()):
        raise MisconfiguredError(
            f"The endpoint {printable(endpoint_url)!r} is not a URL of a server. Use a URL such as "
            "https://sts.example.com in --endpoint-url, AWS_ENDPOINT_URL_STS or the profile."
        )
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
        session = open_session(signer.profile)
        region = region or session.get_config_variable("region") or "us-east-1"
        return session.create_client(
            service, region_name=region, endpoint_url=endpoint_url or None, config=config, **keys
        )
    except ValueError as error:  # the endpoint is not a valid URL
        raise translated(error) from error
    except Exception as error:
        raise _translated_answer(error, "A credentials endpoint") from error


def call(client: Any, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Call an operation by its name in AWS.

    All errors are raised as UserFacingError.
    """
    place = printable(client.meta.endpoint_url)
    try:
        answer: dict[str, Any] = client._make_api_call(operation, dict(parameters))  # noqa: SLF001 - by name, as the CLI does
    except Exception as error:
        raise _translated_answer(error, place, _not_sts) from error
    answer.pop("ResponseMetadata", None)
    if not _is_whole(client, operation, answer):
        # Valid XML but not from STS, such as a proxy's page: botocore returns the members that it knows.
        raise _not_sts(place)
    return answer


def _is_whole(client: Any, operation: str, answer: Mapping[str, Any]) -> bool:
    shape = client.meta.service_model.operation_model(operation).output_shape
    if shape is None or not shape.members:
        return True
    if not answer or any(not answer.get(name) for name in _NEEDED.get(operation, ())):
        return False
    if client.meta.service_model.service_name != "sts" or "Credentials" not in shape.members:
        return True
    try:
        verify_credentials(answer.get("Credentials") or {})
    except RefusedError:
        return False
    return True


def find_endpoint_fault(*, endpoint_url: str, region: str, profile: str = "") -> str:
    """Return the fault of an endpoint that is not one of STS.

    It is empty if the endpoint responds as STS does. The call is unsigned, so that STS refuses it.
    """
    try:
        sts = connect("sts", CallSigner(profile, unsigned=True), endpoint_url=endpoint_url, region=region)
        call(sts, "GetCallerIdentity", {})
    except (NoAnswerError, MisconfiguredError) as problem:
        return str(problem)
    except UserFacingError:
        return ""
    return ""


def split_command(command: str) -> list[str]:
    """Return the words of a command, as AWS's tools split it.

    Raises ValueError.
    """
    return list(compat_shell_split(command))


NO_CREDENTIALS = (
    "No credentials found. Sign in with `daypass login`, choose a profile with --profile, or add one with "
    "`daypass profile add`."
)


def translated_search(error: Exception) -> UserFacingError:
    """Translate an exception of AWS's search for credentials."""
    return _translated_answer(error, "The endpoint that the profile names")


def _unreadable(place: str) -> NoAnswerError:
    return NoAnswerError(
        f"{place} returned a response that cannot be parsed. Try again. If it fails again, check the endpoint with "
        "`daypass doctor`, and check whether a proxy changes or shortens responses."
    )


def _not_sts(place: str) -> NoAnswerError:
    return NoAnswerError(
        f"{place} returned a response that is not from STS. Check --endpoint-url and the configured endpoint: it may "
        "be a web page, another service or a wrong path, or a proxy may change or shorten responses."
    )


def _translated_answer(
    error: Exception, place: str, unreadable: Callable[[str], NoAnswerError] = _unreadable
) -> UserFacingError:
    """Translate an exception of a call, without messages that may quote a response."""
    if isinstance(error, exceptions.ClientError):
        return _refusal(error, place, unreadable)
    if type(error) in _QUOTING or not isinstance(error, exceptions.BotoCoreError | OSError):
        return unreadable(place)
    if isinstance(error, exceptions.CredentialRetrievalError) and "container" in str(error.kwargs.get("provider")):
        return _unreadable("The container's credentials endpoint")
    return translated(error)


def translated(error: Exception) -> UserFacingError:
    """Translate an exception of botocore into a UserFacingError."""
    words = printable(str(error).strip().replace("\n", "; ").replace(":;", ":"))
    for kinds, make in _TRANSLATIONS:
        if isinstance(error, kinds):
            return make(words)
    return MisconfiguredError(f"{sentence(words)} Run `daypass doctor` for more information.")


def _tls_fault(words: str) -> NoAnswerError:
    if "certificate" in words.lower():
        return NoAnswerError(f"{sentence(words)} Set AWS_CA_BUNDLE to the file with your own certificate authorities.")
    return NoAnswerError(
        f"{sentence(words)} The endpoint may not use TLS: check its port, or begin its URL with http://."
    )


def _refusal(error: exceptions.ClientError, place: str, unreadable: Callable[[str], NoAnswerError]) -> UserFacingError:
    detail = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= _SERVER_FAULTS:
        if detail.get("Code") in _SERVER_CODES:
            return RefusedError(f"{place} returned {detail['Code']} (status {status}). Try again in a moment.")
        return NoAnswerError(f"{place} returned a server error (status {status}). Try again in a moment.")
    if not _CODE.fullmatch(str(detail.get("Code", ""))):
        return unreadable(place)
    code, message = printable(detail.get("Code", "")), printable(detail.get("Message", ""))
    if code in _OTHER_SERVICE:
        return MisconfiguredError(
            f"{place} does not serve this operation of STS. {code}: {sentence(message or 'no reason was given')} Check "
            "--endpoint-url and the configured endpoint."
        )
    kind, advice = find_advice(code, message)
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if kind is RefusedError and _MESSAGE_HEADER in headers:
        advice += "; `daypass sts decode-authorization-message` decodes the reason (DAYPASS_DEBUG=1 shows it)"
    refusal = kind(f"{code}: {sentence(message or 'no reason was given')} {advice}.")
    if _MESSAGE_HEADER in headers:
        refusal.add_note(f"encoded message: {printable(headers[_MESSAGE_HEADER])}")
    return refusal


# The messages of these exceptions quote the response.
_QUOTING = frozenset({exceptions.HTTPClientError, exceptions.MetadataRetrievalError})
_TRANSLATIONS: tuple[tuple[Any, Callable[[str], UserFacingError]], ...] = (
    (
        (exceptions.NoCredentialsError, exceptions.TokenRetrievalError, exceptions.SSOError),
        lambda words: SignInNeededError(NO_CREDENTIALS if "locate" in words else f"{sentence(words)} Sign in first."),
    ),
    (
        exceptions.CredentialRetrievalError,
        lambda words: SignInNeededError(
            sentence(words.partition("Error when retrieving credentials from ")[2] or words)
        ),
    ),
    (
        exceptions.ConfigParseError,
        lambda words: MisconfiguredError(f"{sentence(words)} Run `daypass doctor` to find the line."),
    ),
    (
        (exceptions.ProfileNotFound, exceptions.ConfigNotFound),
        lambda words: MisconfiguredError(f"{sentence(words)} Run `daypass profile list` to see all profiles."),
    ),
    (
        (exceptions.ParamValidationError, exceptions.UnknownParameterError),
        lambda words: BadUsageError(sentence(words)),
    ),
    (
        exceptions.ProxyConnectionError,
        lambda words: NoAnswerError(f"{sentence(words)} Check the proxy in HTTPS_PROXY, HTTP_PROXY and NO_PROXY."),
    ),
    (exceptions.SSLError, _tls_fault),
    (
        (exceptions.HTTPClientError, exceptions.ConnectionError, OSError),
        lambda words: NoAnswerError(f"{sentence(words)} Check that the server runs and that the endpoint is right."),
    ),
)
