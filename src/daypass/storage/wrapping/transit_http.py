"""Calls to Vault or OpenBao, with bounded times and bounded answers.

Owns the connection, the retries, and the translation of failures into messages. Standard library only: three small
calls at the start of a process need no pool. A redirect is refused, because it would carry the token to another host.

- An attempt ends after 5 seconds, whatever the server sends. A call ends after 15.
- A connection that fails, a sealed or starting server, and 429 are tried again. A refusal is not.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from daypass.storage.refusals import MasterKeyUnavailableError
from daypass.storage.wrapping.transit_address import TransitAddress

CALL_SECONDS = 15.0
_ATTEMPT_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
_MOST_BYTES = 65_536
_LONGEST_REASON = 200
_REDIRECTS = range(300, 400)
# Besides 5xx: too many requests, and a standby or a replica that is not up to date.
_AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.PRECONDITION_FAILED, 472, 473})


class _Data(msgspec.Struct, frozen=True):
    ciphertext: str = ""
    plaintext: str = ""


class _Auth(msgspec.Struct, frozen=True):
    client_token: str = ""

    def __repr__(self) -> str:
        return "<secret>"


class TransitAnswer(msgspec.Struct, frozen=True):
    """The members of an answer that a provider reads."""

    data: _Data | None = None
    auth: _Auth | None = None
    errors: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return "<secret>"


class TransitRefusedError(Exception):
    """The server refused a call. `reason` is its own text, cut and printable."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _TryAgainError(Exception):
    """An attempt failed in a way that may pass."""


class TransitClient:
    """Calls to one server."""

    def __init__(self, address: TransitAddress, *, call_seconds: float = CALL_SECONDS) -> None:
        self._address = address
        self._call_seconds = call_seconds

    def post(self, path: str, body: Mapping[str, str], token: str = "") -> TransitAnswer:
        """Return the answer of a call.

        Raises TransitRefusedError, or MasterKeyUnavailableError if the server does not give an answer in time.
        """
        end, pause = time.monotonic() + self._call_seconds, _FIRST_PAUSE
        while True:
            try:
                return self._attempt(path, body, token, min(_ATTEMPT_SECONDS, end - time.monotonic()))
            except _TryAgainError as error:
                if time.monotonic() + pause >= end:
                    raise self.unavailable(str(error)) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def unavailable(self, reason: str) -> MasterKeyUnavailableError:
        """Return the error that names the key."""
        return MasterKeyUnavailableError(f"the master key {self._address.name} cannot be used: {reason}")

    def _attempt(self, path: str, body: Mapping[str, str], token: str, seconds: float) -> TransitAnswer:
        try:
            status, content = self._exchange(path, msgspec.json.encode(body), token, seconds)
        except ssl.SSLCertVerificationError as error:
            raise self.unavailable(
                f"its certificate is not trusted ({error.verify_message}); "
                "set the option ca to the file of its authority"
            ) from error
        except ssl.SSLError as error:
            raise _TryAgainError(f"TLS failed: {error.reason or 'the connection ended'}") from error
        except TimeoutError as error:
            raise _TryAgainError("it did not answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            raise _TryAgainError(f"the connection failed: {_reason(error)}") from error
        return self._read(status, content)

    def _read(self, status: int, content: bytes) -> TransitAnswer:
        if status in _REDIRECTS:
            raise self.unavailable("it redirects to another server; give the address of the active one")
        if len(content) > _MOST_BYTES:
            raise self.unavailable(f"its answer is longer than {_MOST_BYTES} bytes; is the address right?")
        answer = _decode(content)
        reason = _printable((answer.errors or ("",))[0]) if answer is not None else ""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _AGAIN:
            raise _TryAgainError(f"it answers {status} {reason}".rstrip())
        if status >= HTTPStatus.BAD_REQUEST:
            raise TransitRefusedError(status, reason)
        if answer is None and content:
            raise self.unavailable("its answer is not one of Vault or OpenBao; is the address right?")
        return answer or TransitAnswer()

    def _exchange(self, path: str, body: bytes, token: str, seconds: float) -> tuple[int, bytes]:
        host, port = self._address.host, self._address.port
        headers = {"Content-Type": "application/json", "X-Vault-Request": "true"}
        if token:
            headers["X-Vault-Token"] = token
        if "namespace" in self._address.options:
            headers["X-Vault-Namespace"] = self._address.options["namespace"]
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection((host, port), max(seconds, 0.1)))
            late = stack.enter_context(_cut_after(connection, seconds))
            try:
                if self._address.scheme == "https":
                    connection = stack.enter_context(self._context().wrap_socket(connection, server_hostname=host))
                call = http.client.HTTPConnection(host, port)
                call.sock = connection
                call.request("POST", f"/v1/{path}", body, headers)
                answer = call.getresponse()
                content = answer.read(_MOST_BYTES + 1)
            except (OSError, http.client.HTTPException) as error:
                if late.is_set():
                    raise TimeoutError from error
                raise
            if late.is_set():  # the answer may be a part
                raise TimeoutError
            return answer.status, content

    def _context(self) -> ssl.SSLContext:
        authorities = self._address.options.get("ca")
        try:
            return ssl.create_default_context(cafile=authorities)
        except OSError as error:
            raise self.unavailable(
                f"the file {authorities} of the option ca cannot be used: {_reason(error)}"
            ) from error


@contextlib.contextmanager
def _cut_after(connection: socket.socket, seconds: float) -> Any:
    """End a connection after a time.

    A timeout of the socket alone counts anew with each byte.
    """
    handle = connection.dup()  # wrap_socket takes the original away
    late = threading.Event()

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(seconds, 0.1), cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        timer.join()
        handle.close()


def _decode(content: bytes) -> TransitAnswer | None:
    try:
        return msgspec.json.decode(content, type=TransitAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST_REASON]).strip()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
