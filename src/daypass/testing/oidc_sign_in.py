"""The sign-in endpoints of the issuer for tests.

The authorization endpoint signs in without a dialog; the token endpoint checks the registered redirect address, the
client's secret and authentication method, PKCE, and the single use of a code.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

AUTHORIZE, TOKEN = "/authorize", "/token"
Claims = dict[str, Any]


@dataclass(slots=True)
class SignInPages:
    """Endpoints that sign every user in with `claims`.

    `claims` are put into the ID tokens. `method` is the client's authentication method. With `error`, the authorization
    endpoint returns that error and `description` instead of a code. `names_itself` puts `iss` into its responses, and
    `checks_verifier` enables PKCE; a provider may omit either. A request with the response mode form_post is answered
    with a page that posts the response. `check_client` replaces the check of the secret: it gets the form of the token
    request.

    >>> pages = SignInPages("client", "secret", "https://app.example.org/callback", {"sub": "alice"})
    >>> pages.discovery("https://localhost:8443")["token_endpoint"]
    'https://localhost:8443/token'
    """

    client_id: str
    secret: str
    redirect_uri: str
    claims: Claims = field(default_factory=dict)
    error: str = ""
    description: str = ""
    names_itself: bool = True
    checks_verifier: bool = True
    method: str = "client_secret_basic"
    codes: dict[str, Claims] = field(default_factory=dict)
    check_client: Callable[[Claims], bool] | None = None

    def discovery(self, root: str) -> Claims:
        """Return the sign-in members of the discovery document."""
        return {"authorization_endpoint": root + AUTHORIZE, "token_endpoint": root + TOKEN}

    def authorize(self, path: str, issuer: str) -> str | None:
        """Return the redirect for an authorization request.

        Returns None if the request is not valid.
        """
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if (query.get("client_id"), query.get("redirect_uri")) != (self.client_id, self.redirect_uri):
            return None
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return None
        answer = {"state": query.get("state", "")} | ({"iss": issuer} if self.names_itself else {})
        if self.error:
            said = {"error": self.error, "error_description": self.description}
            return f"{self.redirect_uri}?{urlencode({**answer, **said})}"
        code = secrets.token_urlsafe(24)
        self.codes[code] = query
        return f"{self.redirect_uri}?{urlencode({**answer, 'code': code})}"

    @staticmethod
    def form_page(path: str, back: str) -> bytes | None:
        """Return the page that posts a response to its redirect URI.

        Returns None if the authorization request did not choose the response mode form_post.
        """
        if parse_qs(urlsplit(path).query).get("response_mode") != ["form_post"]:
            return None
        address, _, query = back.partition("?")
        inputs = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in parse_qsl(query)
        )
        script = "<script>document.forms[0].submit()</script>"
        return f'<form method="post" action="{escape(address)}">{inputs}</form>{script}'.encode()

    def redeem(self, body: str, authorization: str, sign: Callable[[Claims], str]) -> tuple[int, Claims]:
        """Return the status and the body of the response to a token request."""
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        query = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if query is None or form.get("redirect_uri") != self.redirect_uri:
            return 400, {"error": "invalid_grant"}
        if self.checks_verifier and query["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        claims = {"aud": self.client_id, "nonce": query.get("nonce"), **self.claims}
        return 200, {"access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "id_token": sign(claims)}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if self.check_client is not None:
            return self.check_client(form)
        if not self.secret:
            return form.get("client_id") == self.client_id
        if authorization:
            method, given = "client_secret_basic", base64.b64decode(authorization.removeprefix("Basic ")).decode()
            shown = [unquote(part) for part in given.split(":")]
        else:
            method, shown = "client_secret_post", [form.get("client_id", ""), form.get("client_secret", "")]
        return method == self.method and shown == [self.client_id, self.secret]
