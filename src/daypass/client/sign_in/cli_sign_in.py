"""CLI sign-in at a Daypass server.

Owns the client's side of docs/handover.md: start, wait for the approval in the browser, by loopback redirect or short
code, redeem, and decrypt an assertion that the server encrypted for us. The caller shows the URL to the person.
"""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daypass.base64url import parse_base64url, to_base64url
from daypass.client.json_http import checked_url, request_json
from daypass.client.operating_system import user_name
from daypass.client.problems import BrowserSignInError, ExpiredError, NoAnswerError, RefusedError, UserFacingError
from daypass.client.sign_in.loopback import Listener
from daypass.client.sign_in.pkce import Pkce, make_pkce, make_state
from daypass.client.text_format import printable, sentence

_INFO = b"daypass assertion 1"
_OK, _NO_SUCH_PAGE = 200, 404
# Error code of the protocol -> the exception and its message.
_ENDINGS: Mapping[str, tuple[type[UserFacingError], str]] = {
    "access_denied": (BrowserSignInError, "The sign-in was declined in the browser. Run the command again to retry."),
    "expired_token": (BrowserSignInError, "The sign-in was not completed within five minutes. Run the command again."),
    "invalid_grant": (RefusedError, "The server rejected the sign-in. Run the command again."),
}


@dataclass(frozen=True, slots=True)
class SignInParams:
    """The request to the server.

    With `sealed`, it returns the assertion instead of credentials.
    """

    server: str
    role: str = ""
    duration: int = 0
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class StartedSignIn:
    """A started sign-in: the URL and the code for the person."""

    url: str
    user_code: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class SignInResult:
    """The result of a sign-in: the response of STS, and possibly an assertion."""

    answer: Mapping[str, Any]
    assertion: str = ""


Tell = Callable[[StartedSignIn], None]


def by_loopback(params: SignInParams, tell: Tell) -> SignInResult:
    """Sign in with the browser of this machine."""
    pkce, state = make_pkce(), make_state()
    with Listener(state, done_url=f"{params.server.rstrip('/')}/handover/done") as listener:
        flow = _SignInFlow(params, pkce, {"mode": "loopback", "redirect_uri": listener.redirect_uri, "state": state})
        started = flow.start()
        tell(started)
        brought = listener.wait(started.expires_in)
    return flow.redeem(code=brought.get("code", ""))


def by_code(params: SignInParams, tell: Tell, *, sleep: Callable[[float], None] = time.sleep) -> SignInResult:
    """Sign in with any browser, in which the person enters the short code."""
    flow = _SignInFlow(params, make_pkce(), {"mode": "device"})
    started = flow.start()
    tell(started)
    return flow.poll(started.expires_in, sleep)


class _SignInFlow:
    """One CLI sign-in, from the start to the result."""

    def __init__(self, params: SignInParams, pkce: Pkce, mode: Mapping[str, str]) -> None:
        self._server = checked_url(params.server, "The server").rstrip("/")
        self._pkce = pkce
        self._handle, self._interval = "", 2.0
        self._document = {**mode, "code_challenge": pkce.challenge, "machine": _machine()}
        if params.role:
            self._document["role"] = params.role
        if params.duration:
            self._document["duration"] = str(params.duration)
        self._private = _new_key() if params.sealed else None
        if self._private is not None:
            self._document |= {"deliver": "assertion", "public_key": to_base64url(_public(self._private))}

    def start(self) -> StartedSignIn:
        try:
            status, answer = self._post("/handover", self._document)
        except NoAnswerError as error:
            if "not a JSON object" not in str(error):
                raise
            raise NoAnswerError(
                f"{printable(self._server)} has no sign-in pages, so it is not a Daypass server. Set one with "
                "--portal-url, or sign in with --via loopback, --via paste, --token-file or --assertion-file."
            ) from error
        if status != _OK:
            raise _ending(self._server, answer)
        try:
            self._handle, self._interval = str(answer["handover"]), min(max(float(answer["interval"]), 0.2), 30.0)
            started = StartedSignIn(
                str(answer["url"]), printable(answer["user_code"]), min(float(answer["expires_in"]), 900.0)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed(self._server) from error
        checked_url(started.url, "The sign-in page")
        return started

    def redeem(self, *, code: str = "") -> SignInResult:
        status, answer = self._try(code)
        if status != _OK:
            raise _ending(self._server, answer)
        return self._opened(answer)

    def poll(self, seconds: float, sleep: Callable[[float], None]) -> SignInResult:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sleep(self._interval)
            status, answer = self._try("")
            if status == _OK:
                return self._opened(answer)
            if answer.get("error") == "slow_down":
                self._interval += 5
            elif answer.get("error") != "authorization_pending":
                raise _ending(self._server, answer)
        raise BrowserSignInError(_ENDINGS["expired_token"][1])

    def _try(self, code: str) -> tuple[int, dict[str, Any]]:
        document = {"handover": self._handle, "code_verifier": self._pkce.verifier}
        return self._post("/handover/token", {**document, "code": code} if code else document)

    def _post(self, path: str, document: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        return request_json(self._server + path, document=document)

    def _opened(self, answer: dict[str, Any]) -> SignInResult:
        if self._private is None:
            return SignInResult(answer)
        return SignInResult(answer, _unseal(answer, self._private, self._pkce.challenge))


def _malformed(server: str) -> NoAnswerError:
    return NoAnswerError(
        f"The response of {printable(server)} to the sign-in is malformed. Check that it is a Daypass server."
    )


def _ending(server: str, answer: Mapping[str, Any]) -> UserFacingError:
    if not isinstance(answer.get("error"), str):
        return _malformed(server)  # RFC 6749 section 5.2: each error response has a code.
    error = printable(answer.get("error", ""))
    if error in _ENDINGS:
        kind, words = _ENDINGS[error]
        return kind(words)
    said = printable(answer.get("error_description") or error)
    return RefusedError(f"The server refused the sign-in: {sentence(said)} Run the command again.")


def _machine() -> str:
    name = f"{user_name()}@{socket.gethostname()}"[:100]
    return name if name.isprintable() else "a command line"


def _new_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.generate()


def _public(private: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    raw: bytes = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return raw


def _unseal(answer: Mapping[str, Any], private: Any, challenge: str) -> str:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    try:
        theirs, sealed = (parse_base64url(str(answer[name])) for name in ("ephemeral_key", "sealed_assertion"))
        secret = private.exchange(X25519PublicKey.from_public_bytes(theirs))
        key = HKDF(algorithm=SHA256(), length=32, salt=theirs + _public(private), info=_INFO).derive(secret)
        return AESGCM(key).decrypt(bytes(12), sealed, challenge.encode()).decode("ascii")
    except (KeyError, ValueError, InvalidTag) as error:
        raise ExpiredError("The assertion from the server cannot be decrypted. Run the command again.") from error
