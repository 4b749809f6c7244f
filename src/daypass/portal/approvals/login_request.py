"""The request of `aws login` for an authorization code.

Owns the check of its query. The rules:

* Each member occurs exactly once, and no other member is accepted: an ignored one may be a restriction.
* The client is one of AWS's two names for a program on this device or on another one. It proves nothing.
* On this device, the code goes to a literal loopback address at any port (RFC 8252 section 7.3). For another device,
  it goes to our own page, which shows it.
* The challenge is that of PKCE with SHA-256 (RFC 7636), which the clients call SHA-256 instead of S256.
* A refusal is a page. Nothing is sent to the redirect URI before a person decided.

Source: AWS CLI 2.36, `awscli/customizations/login/utils.py`.
"""

import re
from urllib.parse import urlencode, urlsplit

import msgspec

from daypass.errors import InvalidParameterValue
from daypass.wire.form import read_form
from daypass.wire.web_origin import find_origin, is_ours

PATH = "/v1/authorize"
CONFIRMATION = "/v1/sessions/confirmation"
SAME_DEVICE = "arn:aws:signin:::devtools/same-device"
CROSS_DEVICE = "arn:aws:signin:::devtools/cross-device"
SCOPE = "openid"
_MEMBERS = frozenset(
    {"response_type", "client_id", "state", "code_challenge_method", "scope", "redirect_uri", "code_challenge"}
)
_LONGEST_QUERY = 1_200
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):([1-9][0-9]{0,4})(?:/[A-Za-z0-9._~-]{1,64}){0,8}/?")
_LAST_PORT = 65_535
_STATE = re.compile(r"[!-~]{1,256}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class LoginRequest(msgspec.Struct, frozen=True, array_like=True):
    """A checked request of a program."""

    client_id: str
    redirect_uri: str
    state: str
    challenge: str

    @property
    def is_remote(self) -> bool:
        """Return whether the program is on another device than the browser."""
        return self.client_id == CROSS_DEVICE

    @property
    def origin(self) -> str:
        """Return the origin to which the browser takes the code."""
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}"

    def response(self, **members: str) -> str:
        """Return the redirect URI with the response, and with the state."""
        return f"{self.redirect_uri}?{urlencode({**members, 'state': self.state})}"


def parse_login_request(query: bytes, public_url: str) -> LoginRequest:
    """Return the request in a query string.

    Raises InvalidParameterValue.
    """
    if len(query) > _LONGEST_QUERY:
        raise InvalidParameterValue(f"The request of the program is longer than {_LONGEST_QUERY} characters.")
    members = read_form(query)
    if query.count(b"&") + 1 != len(members) or members.keys() != _MEMBERS:
        raise InvalidParameterValue(f"The request of the program must have each of {', '.join(sorted(_MEMBERS))} once.")
    required = {"response_type": "code", "scope": SCOPE, "code_challenge_method": "SHA-256"}
    for name, value in required.items():
        if members[name] != value:
            raise InvalidParameterValue(f"{name} must be {value}.")
    if members["client_id"] not in {SAME_DEVICE, CROSS_DEVICE}:
        raise InvalidParameterValue(f"client_id must be {SAME_DEVICE} or {CROSS_DEVICE}.")
    if not _STATE.fullmatch(members["state"]):
        raise InvalidParameterValue("state must have 1 to 256 visible characters.")
    if not _CHALLENGE.fullmatch(members["code_challenge"]):
        raise InvalidParameterValue("code_challenge must be the SHA-256 of the code verifier in base64url.")
    found = LoginRequest(members["client_id"], members["redirect_uri"], members["state"], members["code_challenge"])
    if not _is_allowed(found, public_url):
        where = (
            f"{public_url}{CONFIRMATION}" if found.is_remote else "a loopback address such as http://127.0.0.1:8080/"
        )
        raise InvalidParameterValue(f"redirect_uri must be {where}.")
    return found


def _is_allowed(request: LoginRequest, public_url: str) -> bool:
    uri = request.redirect_uri
    if not request.is_remote:
        match = _LOOPBACK.fullmatch(uri)
        return match is not None and int(match[1]) <= _LAST_PORT
    if not is_ours(find_origin(uri), find_origin(public_url), reached=None):
        return False
    return urlsplit(uri).path == CONFIRMATION and not {"?", "#"} & set(uri)
