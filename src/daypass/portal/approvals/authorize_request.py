"""The request of a program for an authorization code, in a query.

Owns the check of its query (RFC 6749 section 4.1.1, RFC 7636). The rules:

* Each member occurs exactly once, and no other member is accepted: an ignored one may be a restriction.
* The client is registered for the grant, and the redirect URI is one of its own at any port (RFC 8252 section 7.3).
* PKCE with S256 is required.
* A refusal is a page. Nothing is sent to the redirect URI before a person decided, because anyone can register one.
"""

import re
from urllib.parse import urlencode, urlsplit

import msgspec

from daypass.directory.entities.sso_client_entities import SsoClient
from daypass.operations.request_context import RequestContext
from daypass.sign_in.clients import find_client, is_registered_uri
from daypass.sign_in.grants import is_challenge
from daypass.wire.form import read_form
from daypass.wire.rest_faults import InvalidRequestException, InvalidScopeException, UnauthorizedClientException

PATH = "/authorize"
_MEMBERS = frozenset(
    {"response_type", "client_id", "redirect_uri", "state", "code_challenge_method", "code_challenge", "scopes"}
)
_LONGEST_QUERY = 1_200
_STATE = re.compile(r"[!-~]{1,512}")
_GRANT = "authorization_code"


class AuthorizeRequest(msgspec.Struct, frozen=True, array_like=True):
    """A checked request."""

    client_id: str
    redirect_uri: str
    state: str
    challenge: str

    @property
    def origin(self) -> str:
        """Return the origin to which the browser takes the code."""
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}"

    def response(self, **members: str) -> str:
        """Return the redirect URI with the response, and with the state."""
        return f"{self.redirect_uri}?{urlencode({**members, 'state': self.state})}"


def parse_authorize_request(query: bytes, ctx: RequestContext) -> tuple[AuthorizeRequest, SsoClient]:
    """Return the request in a query string, and its client.

    Raises a JsonFault.
    """
    if len(query) > _LONGEST_QUERY:
        raise InvalidRequestException(f"The request of the program is longer than {_LONGEST_QUERY} characters.")
    members = read_form(query)
    if query.count(b"&") + 1 != len(members) or members.keys() != _MEMBERS:
        raise InvalidRequestException(
            f"The request of the program must have each of {', '.join(sorted(_MEMBERS))} once, and nothing else."
        )
    for name, value in (("response_type", "code"), ("code_challenge_method", "S256")):
        if members[name] != value:
            raise InvalidRequestException(f"{name} must be {value}.")
    if not _STATE.fullmatch(members["state"]):
        raise InvalidRequestException("state must have 1 to 512 visible characters.")
    if not is_challenge(members["code_challenge"]):
        raise InvalidRequestException("code_challenge must be the SHA-256 of the code verifier in base64url.")
    client = _find_client(members["client_id"], members["redirect_uri"], ctx)
    if not frozenset(members["scopes"].split(" ")) <= frozenset(client.scopes):
        raise InvalidScopeException(f"scopes must be {' '.join(client.scopes)}.")
    found = AuthorizeRequest(client.id, members["redirect_uri"], members["state"], members["code_challenge"])
    return found, client


def _find_client(client_id: str, redirect_uri: str, ctx: RequestContext) -> SsoClient:
    client = find_client(client_id, ctx)
    if client is None:
        raise InvalidRequestException("The program is not registered, or its registration has expired. Sign in again.")
    if _GRANT not in client.grant_types:
        raise UnauthorizedClientException(f"The program is not registered for the grant {_GRANT}.")
    if not is_registered_uri(redirect_uri, client):
        raise InvalidRequestException("redirect_uri is not one of those that the program registered.")
    return client
