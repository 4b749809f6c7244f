"""The sink `webhook`: batches by HTTPS POST.

Owns the bodies, the signature of a batch, and the meaning of answers. The rules of the connection are those of the
webhooks of delegation requests, except for addresses: the operator names this one, and it is often a private network.

- Only TLS, with a verified certificate; plain HTTP on a loopback address. No redirects, no proxies, no cookies.
- One time limit for the whole exchange, so that an answer in small pieces cannot hold it.
- 2xx accepts a batch. 413 makes the next attempt smaller. All other answers are retried; Retry-After is obeyed.
- `Daypass-Signature: t=SECONDS,v1=HEX`: HMAC-SHA256 over the seconds, a full stop and the body, in Stripe's form.
"""

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from daypass.audit.delivery.destination import DeliveryError, Format
from daypass.audit.delivery.sink_settings import AuditSinkSetting
from daypass.audit.delivery.tls import describe_failure, sink_context
from daypass.key_files import KeyFileError, read_key_file

if TYPE_CHECKING:
    import ssl

SIGNATURE = "Daypass-Signature"
_LONGEST_SECRET = 8_192
_SHORTEST_KEY = 16  # bytes
_LONGEST_PAUSE = 3_600
_TOO_LARGE = 413
_ADVICE: Mapping[int, str] = MappingProxyType(
    {401: "check token_file", 403: "check token_file", 404: "check url", 405: "check url"}
)


def _ndjson(lines: Sequence[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n"


def _array(lines: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(lines) + b"]"


class _SplunkTime(msgspec.Struct):
    event_time: datetime | None = msgspec.field(default=None, name="eventTime")
    milliseconds: int = msgspec.field(default=0, name="time")  # of OCSF


_read_time = msgspec.json.Decoder(_SplunkTime).decode


def _splunk(lines: Sequence[bytes]) -> bytes:
    # Splunk, "Format events for HTTP Event Collector": objects with `event`, one behind the other.
    return b"\n".join(map(_splunk_event, lines))


def _splunk_event(line: bytes) -> bytes:
    read = _read_time(line)
    seconds = read.milliseconds // 1000 if read.event_time is None else int(read.event_time.timestamp())
    return b'{"time":%d,"source":"daypass","sourcetype":"_json","event":%b}' % (seconds, line)


_BODIES: Mapping[str, tuple[str, Callable[[Sequence[bytes]], bytes]]] = MappingProxyType(
    {
        "ndjson": ("application/x-ndjson", _ndjson),
        "json": ("application/json", _array),
        "splunk": ("application/json", _splunk),
    }
)


class WebhookSink:
    """Posts each batch over a connection of its own."""

    def __init__(self, sink: AuditSinkSetting, change: Format) -> None:
        self._sink = sink
        self._change = change
        self._type, self._join = _BODIES[sink.body]
        self._context = sink_context(sink) if sink.url.startswith("https:") else None
        self._read_secrets()  # a wrong file is an error at the start, not at the first event

    def send(self, lines: Sequence[bytes]) -> None:
        """Post a batch."""
        try:
            token, key = self._read_secrets()
        except ValueError as error:
            raise DeliveryError(str(error)) from error
        body = self._join([self._change(line) for line in lines])
        headers = {"Content-Type": self._type, "User-Agent": "daypass"}
        if token:
            headers["Authorization"] = f"{self._sink.authorization} {token}"
        if key:
            headers[SIGNATURE] = sign_batch(key, body, at=int(time.time()))
        status, retry_after = self._exchange(body, headers)
        if not 200 <= status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
            advice = _ADVICE.get(status, "check url" if 300 <= status < 400 else "")  # noqa: PLR2004
            reason = f"the receiver answered {status}" + (f"; {advice}" if advice else "")
            raise DeliveryError(reason, retry_after=retry_after, is_too_large=status == _TOO_LARGE)

    def close(self) -> None:
        """Do not close: no connection stays open."""

    def _read_secrets(self) -> tuple[str, bytes]:
        """Return the token and the key of the signature, which may change while the server runs."""
        token = self._read("token_file").decode("ascii", "replace").strip()
        if not token.isascii() or not token.isprintable():
            raise ValueError(f"token_file {self._sink.token_file} must be one line of printable ASCII")
        key = self._read("hmac_key_file").strip()
        if self._sink.hmac_key_file and len(key) < _SHORTEST_KEY:
            raise ValueError(f"hmac_key_file {self._sink.hmac_key_file} must have at least {_SHORTEST_KEY} bytes")
        return token, key

    def _read(self, setting: str) -> bytes:
        path: str = getattr(self._sink, setting)
        if not path:
            return b""
        try:
            return read_key_file(Path(path), most_bytes=_LONGEST_SECRET)
        except KeyFileError as error:
            raise ValueError(f"{setting}: {error}") from error

    def _exchange(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, int]:
        """Return the status of the answer, and its Retry-After in seconds."""
        import aiohttp  # not at the start of the server

        try:
            return asyncio.run(_post(self._sink.url, body, headers, self._context, self._sink.timeout_seconds))
        except aiohttp.ClientConnectorCertificateError as error:
            raise DeliveryError(describe_failure(error.certificate_error)) from error
        except aiohttp.ClientConnectorError as error:
            raise DeliveryError(describe_failure(error.os_error)) from error
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise DeliveryError(describe_failure(error)) from error


def sign_batch(key: bytes, body: bytes, *, at: int) -> str:
    """Return the value of Daypass-Signature.

    >>> sign_batch(b"0123456789abcdef", b"{}", at=0)[:12]
    't=0,v1=9af12'
    """
    digest = hmac.new(key, b"%d." % at + body, "sha256").hexdigest()
    return f"t={at},v1={digest}"


async def _post(
    url: str, body: bytes, headers: Mapping[str, str], context: "ssl.SSLContext | None", seconds: int
) -> tuple[int, int]:
    import aiohttp
    from yarl import URL

    connector = aiohttp.TCPConnector(ssl=context or False, force_close=True)
    async with (
        asyncio.timeout(seconds),
        aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, timeout=aiohttp.ClientTimeout()
        ) as session,
        session.post(URL(url, encoded=True), data=body, headers=headers, allow_redirects=False) as answer,
    ):
        after = answer.headers.get("Retry-After", "")
        # RFC 9110 section 10.2.3 allows a date too; the usual pause then applies.
        is_number = after.isascii() and after.isdigit() and len(after) < 10  # noqa: PLR2004
        return answer.status, min(int(after), _LONGEST_PAUSE) if is_number else 0
