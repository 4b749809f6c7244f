"""Sign in with an OpenID Connect provider directly.

Owns the authorization code flow with PKCE, state, nonce and a loopback redirect, and the checks of the response. STS,
which knows the issuer's keys, verifies the token.
Source: OpenID Connect Core 1.0, 3.1; RFC 8252; RFC 9207; RFC 9700.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from daypass.client.json_http import checked_url, request_json
from daypass.client.problems import BrowserSignInError, ExpiredError, MisconfiguredError, RefusedError
from daypass.client.sign_in.loopback import Listener
from daypass.client.sign_in.pkce import make_pkce, make_state
from daypass.client.sign_in.token_claims import read_claims
from daypass.client.text_format import printable, sentence

_OK = 200
_DENIED = frozenset({401, 403})
_MINUTES = 5 * 60


@dataclass(frozen=True, slots=True)
class Provider:
    """The endpoints of an OpenID Connect provider."""

    issuer: str
    authorization: str
    token: str
    names_itself: bool


@dataclass(frozen=True, slots=True)
class OidcClient:
    """Our client at the provider.

    `secret` is for providers that require one from desktop programs too.
    """

    issuer: str
    client_id: str
    scopes: str = "openid"
    secret: str = ""
    port: int = 0

    def __repr__(self) -> str:
        return f"OidcClient({self.issuer}, {self.client_id})"


def discover(issuer: str) -> Provider:
    """Fetch the provider's discovery document. Raises UserFacingError."""
    issuer = checked_url(issuer, "The issuer", loopback=False)
    status, document = request_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if status != _OK:
        raise MisconfiguredError(
            f"The issuer {printable(issuer)} has no discovery document (status {status}). Check the URL."
        )
    if document.get("issuer") != issuer:
        named = printable(document.get("issuer"))
        raise MisconfiguredError(
            f"The issuer's discovery document names {named!r}, not {printable(issuer)!r}. Use that URL."
        )
    return Provider(
        issuer,
        checked_url(str(document.get("authorization_endpoint", "")), "The authorization endpoint", loopback=False),
        checked_url(str(document.get("token_endpoint", "")), "The token endpoint", loopback=False),
        document.get("authorization_response_iss_parameter_supported") is True,
    )


def sign_in(client: OidcClient, tell: Callable[[str], None], *, now: Callable[[], datetime]) -> str:
    """Return an ID token.

    `tell` shows the URL to the person and opens the browser.
    """
    provider = discover(client.issuer)
    pkce, state, nonce = make_pkce(), make_state(), make_state()
    with Listener(state, port=client.port) as listener:
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": listener.redirect_uri,
            "scope": client.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
        }
        tell(f"{provider.authorization}{'&' if '?' in provider.authorization else '?'}{urlencode(query)}")
        brought = listener.wait(_MINUTES)
        redirect_uri = listener.redirect_uri
    code = _code(brought, provider)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": client.client_id,
        "code_verifier": pkce.verifier,
    }
    token = _trade(provider, form, (client.client_id, client.secret) if client.secret else None)
    _check(token, provider, client, nonce, now())
    return token


def _code(brought: Mapping[str, str], provider: Provider) -> str:
    # RFC 9207: a code from another provider must not be sent to this one.
    named = brought.get("iss")
    if (named is None and provider.names_itself) or (named is not None and named != provider.issuer):
        raise BrowserSignInError("The browser returned from another identity provider. Run the command again.")
    if not brought.get("code"):
        raise BrowserSignInError("The browser returned without a code. Run the command again.")
    return brought["code"]


def _trade(provider: Provider, form: Mapping[str, str], client: tuple[str, str] | None) -> str:
    status, answer = request_json(provider.token, form=form, client=client)
    if client is not None and status in _DENIED:
        # Some providers accept the client secret only in the form.
        status, answer = request_json(provider.token, form={**form, "client_secret": client[1]})
    token: Any = answer.get("id_token")
    if status != _OK:
        said = printable(answer.get("error_description") or answer.get("error") or f"status {status}")
        raise RefusedError(
            f"The identity provider rejected the code: {sentence(said)} Check the client ID and its redirect URL."
        )
    if not isinstance(token, str):
        raise RefusedError("The identity provider did not return an ID token. Request the scope openid.")
    return token


def _check(token: str, provider: Provider, client: OidcClient, nonce: str, now: datetime) -> None:
    """Check the claims that OpenID Connect Core 1.0, 3.1.3.7 requires for a token from the provider over TLS."""
    claims = read_claims(token)
    if claims.issuer != provider.issuer or client.client_id not in claims.audience:
        raise RefusedError("The identity provider returned a token for another client. It was not used.")
    if not hmac.compare_digest(claims.nonce.encode(), nonce.encode()):
        raise RefusedError("The identity provider returned a token of another sign-in. It was not used.")
    if claims.expires <= now.timestamp():
        raise ExpiredError(
            "The identity provider's token has already expired. Check this machine's clock with `daypass doctor`."
        )
