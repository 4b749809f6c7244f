"""Sign people in at an OpenID Connect provider.

Owns the authorization code flow as a relying party: the browser's URL, the redemption of a code, and the checks of an
ID token beyond those of every web identity token. fetch.py fetches, verify.py verifies.
Rules: OpenID Connect Core 1.0, 3.1 and 9; RFC 7636 (PKCE, only S256); RFC 9207; RFC 7523.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from daypass.base64url import to_base64url
from daypass.directory.entities.oidc_entities import ClientAuthentication, client_key
from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc.issuers.client_assertion import AssertionSigner
from daypass.federation.oidc.issuers.issuer_keys import DISCOVERY_PATH, require_name
from daypass.federation.oidc.network.fetch import Fetcher, UnacceptableAnswerError, UnauthorizedFetchError
from daypass.federation.oidc.provider import SCHEME, is_issuer_url, is_keys_url
from daypass.strict_json import NotStrictJsonError, parse_object

FORM_POST = "form_post"
"""The response mode of OAuth 2.0 Form Post Response Mode."""
_SCOPES = ("openid", "email", "profile")


@dataclass(frozen=True, slots=True)
class Client:
    """Our client registration at a provider.

    `account` and `record` are its owner and the name of its record, both empty for a client of the settings. Without a
    secret or key only PKCE protects the code. `authentication`, `scopes` and `response_mode` are empty if the discovery
    document decides.
    """

    issuer: str
    client_id: str
    secret: str = field(default="", repr=False)
    account: str = ""
    record: str = ""
    authentication: ClientAuthentication = ""
    scopes: tuple[str, ...] = ()
    response_mode: str = ""
    label: str = ""
    logo: str = ""
    order: int = 0
    signer: AssertionSigner | None = None

    @property
    def key(self) -> str:
        """Return the identifier of the client in links."""
        return client_key(self.account, self.issuer, self.client_id)

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

    `names_itself` promises an `iss` parameter in each answer (RFC 9207). `scopes` are the supported ones, or None if
    the document does not list them. `prefers_form_post`: the provider answers with a form, and not in the URL.
    """

    authorization: str
    token: str
    takes_basic: bool
    names_itself: bool
    scopes: frozenset[str] | None
    prefers_form_post: bool = False


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
        scopes=_strings(document.get("scopes_supported")),
        prefers_form_post=_prefers_form_post(document.get("response_modes_supported")),
    )


def _strings(listed: object) -> frozenset[str] | None:
    return frozenset(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else None


def _prefers_form_post(supported: object) -> bool:
    # Without the member, a provider supports query and fragment (OpenID Connect Discovery 1.0 section 3).
    modes = _strings(supported)
    return modes is not None and FORM_POST in modes and "query" not in modes


def uses_form_post(client: Client, endpoints: Endpoints) -> bool:
    """Return whether the provider answers with a form that is posted to us."""
    return client.response_mode == FORM_POST or (not client.response_mode and endpoints.prefers_form_post)


def _scopes(client: Client, endpoints: Endpoints) -> str:
    """Return the scopes to request.

    By default the session's name comes from the last two, which a provider may not support. An operator's scopes are
    requested whatever the document lists.
    """
    if client.scopes:
        return " ".join(("openid", *(scope for scope in client.scopes if scope != "openid")))
    return " ".join(
        scope for scope in _SCOPES if scope == "openid" or endpoints.scopes is None or scope in endpoints.scopes
    )


def authorization_url(
    client: Client, endpoints: Endpoints, *, redirect_uri: str, state: str, nonce: str, verifier: str
) -> str:
    """Return the URL to which the browser is sent."""
    digest = hashlib.sha256(verifier.encode()).digest()
    mode = {"response_mode": FORM_POST} if uses_form_post(client, endpoints) else {}
    query = urlencode(
        {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": redirect_uri,
            "scope": _scopes(client, endpoints),
            "state": state,
            "nonce": nonce,
            "code_challenge": to_base64url(digest),
            "code_challenge_method": "S256",
            **mode,
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
    in_form = {**form, "client_secret": client.secret}
    if client.signer is not None:
        return await fetcher.post(
            endpoints.token, {**form, **client.signer.fields(client.client_id, endpoints.token)}, {}
        )
    if not client.secret:
        return await fetcher.post(endpoints.token, form, {})
    is_chosen = bool(client.authentication)
    if client.authentication == "client_secret_post" or not (is_chosen or endpoints.takes_basic):
        return await fetcher.post(endpoints.token, in_form, {})
    # RFC 6749 section 2.3.1: both parts are form-encoded first.
    pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
    basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    try:
        return await fetcher.post(endpoints.token, form, basic)
    except UnauthorizedFetchError:
        if is_chosen:
            raise
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
