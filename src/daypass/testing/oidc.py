"""An OpenID Connect issuer for tests, which can sign wrongly and fail.

Owns an https server on loopback with a discovery document and a key set, the keys behind them, and the failures of real
issuers: hanging, slow and endless responses, redirects, wrong documents, lost and confused keys. Leaves tokens to
tokens.py.
"""

import gzip
import json
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Any, Self

from daypass.testing.certificates import Authority, Flaw, shared_authority
from daypass.testing.oidc_sign_in import AUTHORIZE, TOKEN, SignInPages
from daypass.testing.tokens import SigningKey, compact

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/keys"
FOREVER = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of the issuer for one path.

    Without `body`, the issuer sends the correct document after `silence` seconds. With `drip`, it waits that many
    seconds before each byte; with `unending`, it repeats the body forever.
    """

    status: int = 200
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    silence: float = 0.0
    drip: float = 0.0
    unending: bool = False
    endless_headers: bool = False

    @classmethod
    def hang(cls) -> Self:
        """Accept the request and send no response."""
        return cls(silence=FOREVER)

    @classmethod
    def trickle(cls, seconds: float = 0.05) -> Self:
        """Send the correct document one byte at a time."""
        return cls(drip=seconds)

    @classmethod
    def flood(cls, size: int = 10_000_000) -> Self:
        """Send `size` bytes of JSON."""
        return cls(body=b'{"keys":[' + b" " * size + b"]}")

    @classmethod
    def endless(cls) -> Self:
        """Send endless bytes without a length."""
        return cls(body=b" " * 65536, unending=True)

    @classmethod
    def header_flood(cls) -> Self:
        """Send endless header lines."""
        return cls(endless_headers=True)

    @classmethod
    def bomb(cls, size: int = 50_000_000) -> Self:
        """Send a small compressed body that claims to expand to `size` bytes."""
        return cls(body=gzip.compress(b" " * size), headers=(("Content-Encoding", "gzip"),))

    @classmethod
    def redirect(cls, url: str, status: int = 302) -> Self:
        """Send a redirect."""
        return cls(status=status, body=b"", headers=(("Location", url),))

    @classmethod
    def fail(cls, status: int = 500) -> Self:
        """Send an error page."""
        return cls(status=status, body=b"<html>sorry</html>")

    @classmethod
    def document(cls, value: object) -> Self:
        """Send a JSON document of the test."""
        return cls(body=json.dumps(value).encode())


class OidcIssuer:
    """An issuer on https://localhost, used as a context manager.

    `url` is its name and `ca_bundle` the file that makes its certificate trusted. `now` is its clock, so that a test
    with a movable clock gets tokens of that time. `answers` maps DISCOVERY, KEYS or TOKEN to a failure.

    >>> with OidcIssuer() as issuer:
    ...     token = issuer.token(sub="repo:acme/site", aud="sts.amazonaws.com")
    ...     issuer.url.startswith("https://localhost:")
    True
    >>> token.count(".")
    2
    """

    def __init__(
        self,
        *,
        path: str = "",
        algorithms: Sequence[str] = ("RS256",),
        now: Callable[[], float] = time.time,
        flaw: Flaw = Flaw.NONE,
        host: str = "localhost",
        authority: Authority | None = None,
    ) -> None:
        self._path = path
        self._now = now
        self._flaw = flaw
        self._host = host
        self._serial = 0
        self.authority = authority or shared_authority()
        self.signing: dict[str, SigningKey] = {}
        self.published: list[dict[str, Any]] = []
        self.answers: dict[str, Answer] = {}
        self.discovery_changes: dict[str, Any] = {}
        self.sign_in: SignInPages | None = None
        self.requests: Counter[str] = Counter()
        for algorithm in algorithms:
            self.rotate(algorithm)

    # Keys ---------------------------------------------------------------------------------------------------

    def rotate(self, alg: str = "RS256", key: SigningKey | None = None) -> SigningKey:
        """Sign with a new key of `alg` from now on.

        It replaces the old one in the published key set.
        """
        self._serial += 1
        new = key or SigningKey.generate(alg, f"{alg}-{self._serial}")
        old = self.signing.get(alg)
        self.published = [entry for entry in self.published if old is None or entry.get("kid") != old.kid]
        self.signing[alg] = new
        self.published.append(new.jwk())
        return new

    def lose(self, alg: str = "RS256") -> SigningKey:
        """Continue to sign with a key that is no longer published; return it."""
        key = self.signing[alg]
        self.published = [entry for entry in self.published if entry.get("kid") != key.kid]
        return key

    def confuse(self, *entries: dict[str, Any]) -> None:
        """Publish further entries, valid or not, before the others."""
        self.published = [*entries, *self.published]

    # Tokens -------------------------------------------------------------------------------------------------

    def claims(self, **changes: object) -> dict[str, Any]:
        """Return the claims of a correct token.

        `changes` replace or add claims; None removes a claim.
        """
        now = int(self._now())
        honest = {
            "iss": self.url,
            "sub": "repo:acme/site",
            "aud": "sts.amazonaws.com",
            "iat": now,
            "exp": now + 600,
        }
        return {name: value for name, value in {**honest, **changes}.items() if value is not None}

    def token(self, claims: dict[str, Any] | None = None, *, alg: str = "RS256", **changes: object) -> str:
        """Return a token that this issuer signed.

        Claims whose names are not Python identifiers come in `claims`.
        """
        key = self.signing[alg]
        header = {"alg": alg, "typ": "JWT", "kid": key.kid}
        return compact(header, {**self.claims(**changes), **(claims or {})}, key)

    # The server ---------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="daypass-oidc-")
        directory = Path(self._directory.name)
        self.ca_bundle = directory / "ca.pem"
        self.ca_bundle.write_bytes(self.authority.pem)
        chain = self.authority.write_server_identity(directory / "server.pem", ["localhost", "127.0.0.1"], self._flaw)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self.stopping = threading.Event()
        self._server = _server_on_new_port(self, context)
        self.url = f"https://{self._host}:{self._server.server_port}{self._path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._directory.cleanup()

    @property
    def root(self) -> str:
        """Return the server's address without the issuer's path."""
        return f"https://{self._host}:{self._server.server_port}"

    def document(self, path: str) -> object | None:
        """Return the correct document at `path`, or None."""
        if path == self._path.rstrip("/") + DISCOVERY:
            pages = {} if self.sign_in is None else self.sign_in.discovery(self.root)
            return {"issuer": self.url, "jwks_uri": self.root + KEYS, **pages, **self.discovery_changes}
        return {"keys": self.published} if path == KEYS else None

    def answer(self, path: str) -> Answer:
        """Return the response to a request, and count the request."""
        name = DISCOVERY if path.endswith(DISCOVERY) else path
        self.requests[name] += 1
        return self.answers.get(name, Answer())


class _IssuerServer(ThreadingHTTPServer):
    """One thread for each connection, so that a hanging response blocks only itself."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, issuer: OidcIssuer, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _IssuerHandler)
        self.issuer = issuer
        self._context = context

    def finish_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Perform the handshake in the connection's own thread.

        A slow client must not block the accepting thread.
        """
        if not isinstance(request, socket):
            return
        request.settimeout(30)
        try:
            with self._context.wrap_socket(request, server_side=True) as secured:
                _IssuerHandler(secured, client_address, self)
        except OSError:
            return  # The client did not trust the certificate, as many tests expect.


class _IssuerHandler(BaseHTTPRequestHandler):
    """Send the responses of the issuer."""

    server: _IssuerServer

    def do_POST(self) -> None:
        pages = self.server.issuer.sign_in
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        answer = self.server.issuer.answer(self.path)
        if answer.silence and self.server.issuer.stopping.wait(answer.silence):
            return
        if answer.body is not None:
            self._plain(answer.status, answer.body)
            return
        status, said = 404, {"error": "not_found"}
        if pages is not None and self.path == TOKEN:
            status, said = pages.redeem(body, self.headers.get("Authorization", ""), self.server.issuer.token)
        self._plain(status, json.dumps(said).encode())

    def _plain(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        issuer = self.server.issuer
        if issuer.sign_in is not None and self.path.startswith(AUTHORIZE + "?"):
            back = issuer.sign_in.authorize(self.path, issuer.url)
            page = None if back is None else issuer.sign_in.form_page(self.path, back)
            if back is None:
                self._plain(400, b"refused")
            elif page is not None:
                self._plain(200, page, **{"Content-Type": "text/html"})
            else:
                self._plain(302, b"", Location=back)
            return
        answer = issuer.answer(self.path)
        if answer.silence and issuer.stopping.wait(answer.silence):
            return
        document = issuer.document(self.path)
        body = json.dumps(document).encode() if answer.body is None else answer.body
        self.send_response(404 if document is None and answer.body is None else answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        while answer.endless_headers and not issuer.stopping.is_set():
            self.wfile.write(b"X-More: and more\r\n" * 64)
        if not answer.unending:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(body, answer)

    def _send(self, body: bytes, answer: Answer) -> None:
        stopping = self.server.issuer.stopping
        step = 1 if answer.drip else len(body) or 1
        while not stopping.is_set():
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                if answer.drip and stopping.wait(answer.drip):
                    return
            if not answer.unending:
                return

    def log_message(self, *_: object) -> None:
        """Log no requests: the test reads `requests`."""


_USED_PORTS: set[int] = set()


def _server_on_new_port(issuer: OidcIssuer, context: ssl.SSLContext) -> _IssuerServer:
    """Listen on a port that no issuer of this process has used.

    A server caches keys by issuer, and would verify tokens with an earlier issuer's keys.
    """
    rejected: list[_IssuerServer] = []
    while (server := _IssuerServer(issuer, context)).server_port in _USED_PORTS:
        rejected.append(server)
    for each in rejected:
        each.server_close()
    _USED_PORTS.add(server.server_port)
    return server
