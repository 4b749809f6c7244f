"""The sign-in API of a Daypass server.

It is the API of AWS IAM Identity Center.
Owns the client's side of SSO OIDC (register, authorize, device code, token) and of the SSO portal API (accounts, roles,
credentials, logout). The AWS CLI and the SDKs call the same operations. Does not store tokens.
Source: botocore's models sso-oidc and sso; RFC 6749, RFC 7636, RFC 8252, RFC 8628.
"""

import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from daypass.client.credentials import Credentials, verify_credentials
from daypass.client.json_http import JsonAnswer, checked_url, fetch
from daypass.client.operating_system import user_name
from daypass.client.problems import (
    BrowserSignInError,
    ExpiredError,
    MisconfiguredError,
    NoAnswerError,
    RefusedError,
    SignInNeededError,
    UserFacingError,
)
from daypass.client.sign_in.loopback import Listener
from daypass.client.sign_in.pkce import make_pkce, make_state
from daypass.client.text_format import printable, sentence

SCOPE = "sso:account:access"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_CALLBACK = "http://127.0.0.1/callback"
# Statuses of a server without this API: its path does not exist, it is switched off, or only signed calls are taken.
_WITHOUT_API = frozenset({403, 404, 405})
# The names become parts of ARNs and of the config file.
_ACCOUNT, _ROLE_NAME = re.compile(r"[0-9]{12}"), re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_OK, _UNAUTHORIZED, _MISSING, _TOO_MANY, _FAULTS = 200, 401, 404, 429, 500
_MOST_PAGES = 1_000
_MINUTES = 10 * 60.0
_NOT_IN_TIME = "The sign-in was not completed in time. Run the command again."


@dataclass(frozen=True, slots=True)
class Registration:
    """The registration of this program at a server."""

    client_id: str
    client_secret: str
    ends: float

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class SignInTokens:
    """The tokens of a sign-in.

    `ends` is the end of the sign-in, if the server says it, else 0.
    """

    access: str
    refresh: str
    expires_in: float
    ends: float = 0.0

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class SignInPrompt:
    """The page that the person must open, and the code to type there, if any."""

    url: str
    user_code: str = ""


@dataclass(frozen=True, slots=True, order=True)
class PortalRole:
    """A role that the person can take."""

    account: str
    name: str

    @property
    def arn(self) -> str:
        """The ARN of the role, without its path.

        Names are unique within an account.
        """
        return f"arn:aws:iam::{self.account}:role/{self.name}"


Tell = Callable[[SignInPrompt], None]


def register(server: str) -> Registration | None:
    """Register this program, or return None if the server has no such API.

    Servers of version 0.1.0 do not have it.
    """
    answer = fetch(
        f"{_base(server)}/client/register",
        document={
            "clientName": f"daypass on {_machine()}",
            "clientType": "public",
            "scopes": [SCOPE],
            "grantTypes": ["authorization_code", "refresh_token", _DEVICE],
            "redirectUris": [_CALLBACK],
        },
    )
    if answer.status in _WITHOUT_API:
        return None
    found = _good(answer, server)
    try:
        return Registration(
            _text(found, "clientId"), _text(found, "clientSecret"), float(found["clientSecretExpiresAt"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(server) from error


def is_registered(server: str, client: Registration) -> bool:
    """Return whether the server still knows a registration.

    The browser would show the error, and the command would wait for it in vain. The token in the request is not one:
    a server refuses the client first, then the token.
    """
    return _kind(_token(server, client, "refresh_token", {"refreshToken": "none"})) == "InvalidGrantException"


def by_browser(server: str, client: Registration, tell: Tell) -> SignInTokens:
    """Sign in with the browser of this machine, which returns to loopback."""
    pkce, state = make_pkce(), make_state()
    with Listener(state) as listener:
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": listener.redirect_uri,
            "state": state,
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
            "scopes": SCOPE,
        }
        tell(SignInPrompt(f"{_base(server)}/authorize?{urlencode(query)}"))
        brought = listener.wait(_MINUTES)
        redirect_uri = listener.redirect_uri
    if not brought.get("code"):
        raise BrowserSignInError("The browser returned without a code. Run the command again.")
    more = {"code": brought["code"], "redirectUri": redirect_uri, "codeVerifier": pkce.verifier}
    return _tokens(_token(server, client, "authorization_code", more), server)


def by_device(
    server: str, client: Registration, tell: Tell, *, sleep: Callable[[float], None] = time.sleep
) -> SignInTokens:
    """Sign in with any browser, in which the person enters the short code."""
    answer = fetch(
        f"{_base(server)}/device_authorization",
        document={
            "clientId": client.client_id,
            "clientSecret": client.client_secret,
            "startUrl": find_start_url(server),
        },
    )
    started = _good(answer, server)
    try:
        code, prompt = (
            _text(started, "deviceCode"),
            SignInPrompt(_text(started, "verificationUri"), _text(started, "userCode")),
        )
        interval = min(max(float(started.get("interval", 5)), 0.2), 30.0)
        seconds = min(float(started["expiresIn"]), 1_800.0)
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(server) from error
    checked_url(prompt.url, "The sign-in page")
    tell(prompt)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sleep(interval)
        answer = _token(server, client, _DEVICE, {"deviceCode": code})
        kind = _kind(answer)
        if kind == "SlowDownException":
            interval += 5
        elif kind != "AuthorizationPendingException":
            return _tokens(answer, server)
    raise BrowserSignInError(_NOT_IN_TIME)


def refresh(server: str, client: Registration, token: str) -> SignInTokens:
    """Return new tokens. Raises SignInNeededError if the sign-in has ended."""
    answer = _token(server, client, "refresh_token", {"refreshToken": token})
    if _kind(answer) in _ENDED:
        raise SignInNeededError(over(server))
    return _tokens(answer, server)


def list_roles(server: str, access: str) -> tuple[PortalRole, ...]:
    """Return all roles that the person can take, by account and name."""
    found: set[PortalRole] = set()
    for account in _listed(server, access, "/assignment/accounts", {}, "accountList", "accountId"):
        names = _listed(server, access, "/assignment/roles", {"account_id": account}, "roleList", "roleName")
        found |= {PortalRole(account, name) for name in names}
    if not all(_ACCOUNT.fullmatch(role.account) and _ROLE_NAME.fullmatch(role.name) for role in found):
        raise _malformed(server)
    return tuple(sorted(found))


def role_credentials(server: str, access: str, account: str, name: str) -> Credentials:
    """Return credentials of a role.

    Raises SignInNeededError if the token is not valid.
    """
    query = urlencode({"role_name": name, "account_id": account})
    answer = _portal(server, access, f"/federation/credentials?{query}")
    found = answer.get("roleCredentials")
    if not isinstance(found, dict):
        raise _malformed(server)
    try:
        milliseconds = float(found["expiration"])
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1_000))
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise _malformed(server) from error
    return verify_credentials(
        {
            "AccessKeyId": found.get("accessKeyId"),
            "SecretAccessKey": found.get("secretAccessKey"),
            "SessionToken": found.get("sessionToken"),
            "Expiration": end,
        }
    )


def sign_out(server: str, access: str) -> None:
    """End the sign-in at the server, and all tokens of it."""
    answer = fetch(f"{_base(server)}/logout", method="POST", headers={"x-amz-sso_bearer_token": access}, document={})
    if answer.status not in {_OK, _UNAUTHORIZED}:
        raise _refusal(answer, server)


def find_start_url(server: str) -> str:
    """Return the start URL by which the AWS CLI names the server."""
    answer = fetch(f"{_base(server)}/start", method="HEAD")
    found = next((value for name, value in answer.headers.items() if name.lower() == "location"), "")
    if not found.startswith("https://") or not found.isprintable() or " " in found:
        raise NoAnswerError(f"{printable(server)} has no start URL for AWS tools. Check that it is a Daypass server.")
    return found


def over(server: str) -> str:
    """Return the message for a sign-in that is missing or has ended."""
    return f"Not signed in at {printable(server)}. Run `daypass login --endpoint-url {printable(server)}`."


_ENDED = frozenset(
    {"InvalidGrantException", "ExpiredTokenException", "InvalidClientException", "AccessDeniedException"}
)
# Kind of a refusal of CreateToken -> the exception and its message.
_TOKEN_REFUSALS: Mapping[str, tuple[type[UserFacingError], str]] = {
    "AccessDeniedException": (
        BrowserSignInError,
        "The sign-in was declined in the browser. Run the command again to retry.",
    ),
    "ExpiredTokenException": (BrowserSignInError, _NOT_IN_TIME),
    "InvalidGrantException": (ExpiredError, "The server rejected the code. Run the command again."),
}


def _token(server: str, client: Registration, grant: str, more: Mapping[str, str]) -> JsonAnswer:
    document = {"clientId": client.client_id, "clientSecret": client.client_secret, "grantType": grant, **more}
    return fetch(f"{_base(server)}/token", document=document)


def _tokens(answer: JsonAnswer, server: str) -> SignInTokens:
    kind = _kind(answer)
    if kind in _TOKEN_REFUSALS:
        make, words = _TOKEN_REFUSALS[kind]
        raise make(words)
    found = _good(answer, server)
    try:
        ends = next((value for name, value in answer.headers.items() if name.lower() == "x-daypass-sign-in-ends"), "0")
        return SignInTokens(
            _text(found, "accessToken"), _text(found, "refreshToken"), float(found["expiresIn"]), float(ends)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(server) from error


def _listed(server: str, access: str, path: str, query: Mapping[str, str], member: str, key: str) -> list[str]:
    found: list[str] = []
    token = ""
    for _ in range(_MOST_PAGES):
        pairs = {**query, "max_result": "100", **({"next_token": token} if token else {})}
        answer = _portal(server, access, f"{path}?{urlencode(pairs)}")
        listed = answer.get(member)
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise _malformed(server)
        found += [_text(each, key) for each in listed]
        token = str(answer.get("nextToken") or "")
        if not token:
            return found
    raise _malformed(server)


def _portal(server: str, access: str, path: str) -> dict[str, Any]:
    answer = fetch(f"{_base(server)}{path}", headers={"x-amz-sso_bearer_token": access})
    if answer.status == _UNAUTHORIZED:
        raise SignInNeededError(over(server))
    return _good(answer, server)


def _good(answer: JsonAnswer, server: str) -> dict[str, Any]:
    if answer.status != _OK:
        raise _refusal(answer, server)
    if answer.document is None:
        raise _malformed(server)
    return answer.document


def _refusal(answer: JsonAnswer, server: str) -> UserFacingError:
    place, document = printable(server), answer.document or {}
    if answer.status >= _FAULTS:
        return NoAnswerError(f"{place} returned a server error (status {answer.status}). Try again in a moment.")
    said = document.get("error_description") or document.get("message") or f"status {answer.status}"
    if answer.status == _TOO_MANY:
        return RefusedError(f"{place} refused the request: {sentence(printable(said))} Try again in a moment.")
    return RefusedError(
        f"{place} refused the request: {sentence(printable(said))} `daypass profile sync` shows your roles."
    )


def _kind(answer: JsonAnswer) -> str:
    named = next((value for name, value in answer.headers.items() if name.lower() == "x-amzn-errortype"), "")
    return "" if answer.status == _OK else named.partition(":")[0]


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document[name]
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise ValueError(name)
    return value


def _malformed(server: str) -> NoAnswerError:
    return NoAnswerError(f"The response of {printable(server)} is malformed. Check that it is a Daypass server.")


def _base(server: str) -> str:
    if not server:
        raise MisconfiguredError("The server of the sign-in is not known. Name it with --endpoint-url.")
    return checked_url(server, "The server").rstrip("/")


def _machine() -> str:
    name = f"{user_name()}@{socket.gethostname()}"[:80]
    return name if name.isprintable() else "a command line"
