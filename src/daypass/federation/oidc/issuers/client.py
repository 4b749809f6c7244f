"""Sign people in at an OpenID Connect provider.

Owns the authorization code flow as a relying party: the browser's URL, the redemption of a code, and the checks of an
ID token beyond those of every web identity token. fetch.py fetches, verify.py verifies.
Rules: OpenID Connect Core 1.0, 3.1; RFC 7636 (PKCE, only S256); RFC 9207.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from daypass.base64url import to_base64url
from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc.issuers.issuer_keys import DISCOVERY_PATH, require_name
from daypass.federation.oidc.network.fetch import Fetcher, UnacceptableAnswerError, UnauthorizedFetchError
from daypass.federation.oidc.provider import SCHEME, is_issuer_url, is_keys_url
from daypass.strict_json import NotStrictJsonError, parse_object

_SCOPES = ("openid", "email", "profile")


@dataclass(frozen=True, slots=True)
class Client:
    """Our client registration at a provider.

    Without a secret only PKCE protects the code.
    """

    issuer: str
    client_id: str
    secret: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """Return the identifier of the client in links."""
        return hashlib.sha256(f"{self.issuer}\n{self.client_id}".encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """Return the issuer without its scheme, as in condition keys and our URLs."""
        return self.issuer.removeprefix(SCHEME)

    @property
    def host(self) -> str:
        """Return the host to which people are sent."""
        return self.issuer.partition("://")[2].partition("/")[0]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints in a provider's discovery document.

    `names_itself` promises an `iss` parameter in each answer (RFC 9207).
    """

    authorization: str
    token: str
    takes_basic: bool
    names_itself: bool
    scopes: str


async def discover(client: Client, fetcher: Fetcher) -> Endpoints:
    """Return a provider's endpoints.

    Raises IssuerUnreachableError or UnacceptableAnswerError.
    """
    if not is_issuer_url(client.issuer):
        raise UnacceptableAnswerError("the issuer is not a plain https URL")
    document = _read(await fetcher.get(client.issuer.rstrip("/") + DISCOVERY_PATH))
    require_name(document, client.issuer)
    found = [document.get(name) for name in ("authorization_endpoint", "token_endpoint")]
    authorization, token = (each if isinstance(each, str) and is_keys_url(each) else "" for each in found)
    if not authorization or not token:
        raise UnacceptableAnswerError("its discovery document has no https endpoints for sign-in")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Endpoints(
        authorization,
        token,
        takes_basic=isinstance(methods, list) and "client_secret_basic" in methods,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        scopes=_scopes(document.get("scopes_supported")),
    )


def _scopes(supported: object) -> str:
    """Return the scopes to request.

    The session's name comes from the last two, which a provider may not support.
    """
    listed = supported if isinstance(supported, list) else _SCOPES
    return " ".join(scope for scope in _SCOPES if scope == "openid" or scope in listed)


def authorization_url(
    client: Client, endpoints: Endpoints, *, redirect_uri: str, state: str, nonce: str, verifier: str
) -> str:
    """Return the URL to which the browser is sent."""
    digest = hashlib.sha256(verifier.encode()).digest()
    query = urlencode(
        {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": redirect_uri,
            "scope": endpoints.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": to_base64url(digest),
            "code_challenge_method": "S256",
        }
    )
    return f"{endpoints.authorization}{'&' if '?' in endpoints.authorization else '?'}{query}"


async def redeem_code(
    client: Client, endpoints: Endpoints, fetcher: Fetcher, *, code: str, redirect_uri: str, verifier: str
) -> str:
    """Redeem a code and return the unverified ID token.

    Raises IssuerUnreachableError or UnacceptableAnswerError.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": client.client_id,
        "code_verifier": verifier,
    }
    answer = _read(await _authenticated(client, endpoints, fetcher, form))
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise UnacceptableAnswerError("its answer has no id_token")
    return token


async def _authenticated(client: Client, endpoints: Endpoints, fetcher: Fetcher, form: Mapping[str, str]) -> bytes:
    """Send a form with our client authentication."""
    in_form = {**form, "client_secret": client.secret} if client.secret else form
    if not (client.secret and endpoints.takes_basic):
        return await fetcher.post(endpoints.token, in_form, {})
    # RFC 6749 section 2.3.1: both parts are form-encoded first.
    pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
    basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    try:
        return await fetcher.post(endpoints.token, form, basic)
    except UnauthorizedFetchError:
        # Glewlwyd and others allow each client one method, which discovery does not tell.
        return await fetcher.post(endpoints.token, in_form, {})


def require_nonce(claims: Mapping[str, Any], nonce: str) -> None:
    """Refuse an ID token that was not issued for this sign-in."""
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise InvalidIdentityToken("The ID token was not made for this sign-in.", detail="another nonce")


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        return parse_object(body)
    except NotStrictJsonError as fault:
        raise UnacceptableAnswerError(str(fault)) from None
