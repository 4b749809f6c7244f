"""The sign-in side of the issuer for tests: an authorization endpoint that asks nobody, a token endpoint that checks.

Owns what an honest provider holds a client to: the redirect address that it registered, its secret and the way in which
it shows it, PKCE, and a code that is good once. `claims` are put into the ID tokens.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

AUTHORIZE, TOKEN = "/authorize", "/token"
Claims = dict[str, Any]


@dataclass(slots=True)
class SignInPages:
    """Signs everybody in as whoever `claims` say. `method` is the one in which the client shows its secret.

    With `error` it answers that instead of a code, as `description` has it. `names_itself` puts `iss` into its answers,
    and `checks_verifier` is the whole of PKCE; a provider may leave out either.
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

    def discovery(self, root: str) -> Claims:
        """Return what the discovery document says of sign-in."""
        return {"authorization_endpoint": root + AUTHORIZE, "token_endpoint": root + TOKEN}

    def authorize(self, path: str, issuer: str) -> str | None:
        """Return where an authorization request is answered to, or None where it cannot be."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if (asked.get("client_id"), asked.get("redirect_uri")) != (self.client_id, self.redirect_uri):
            return None
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
            return None
        answer = {"state": asked.get("state", "")} | ({"iss": issuer} if self.names_itself else {})
        if self.error:
            said = {"error": self.error, "error_description": self.description}
            return f"{self.redirect_uri}?{urlencode({**answer, **said})}"
        code = secrets.token_urlsafe(24)
        self.codes[code] = asked
        return f"{self.redirect_uri}?{urlencode({**answer, 'code': code})}"

    def redeem(self, body: str, authorization: str, sign: Callable[[Claims], str]) -> tuple[int, Claims]:
        """Return the status of the answer to a token request, and the answer."""
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or form.get("redirect_uri") != self.redirect_uri:
            return 400, {"error": "invalid_grant"}
        if self.checks_verifier and asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        claims = {"aud": self.client_id, "nonce": asked.get("nonce"), **self.claims}
        return 200, {"access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "id_token": sign(claims)}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if not self.secret:
            return form.get("client_id") == self.client_id
        if authorization:
            method, given = "client_secret_basic", base64.b64decode(authorization.removeprefix("Basic ")).decode()
            shown = [unquote(part) for part in given.split(":")]
        else:
            method, shown = "client_secret_post", [form.get("client_id", ""), form.get("client_secret", "")]
        return method == self.method and shown == [self.client_id, self.secret]
