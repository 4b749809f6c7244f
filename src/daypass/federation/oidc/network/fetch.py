"""Fetch one document from an issuer, or send it one form.

Owns the only way to read from an identity provider, which may be hostile: https, checked addresses, no redirects,
proxies, decompression or cookies, limited time and size. issuer_keys.py interprets the documents.
Source: RFC 8725 sections 3.9 and 3.10; OWASP, "Server-Side Request Forgery Prevention".
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from daypass.federation.oidc.network.addresses import Network, is_allowed
from daypass.federation.oidc.network.resolver import (
    AddressRefusedError,
    Lookup,
    SystemLookup,
    TooManyLookupsError,
    VettingResolver,
)
from daypass.federation.oidc.network.trust_store import ThumbprintMismatchError, create_context
from daypass.federation.oidc.provider import is_keys_url

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.connector import AddrInfoType

MAX_DOCUMENT = 256 * 1024
_CHUNK = 16 * 1024
_OK, _TOO_MANY, _SERVER_FAULTS = 200, 429, 500
_DENIED, _REDIRECTS = frozenset({401, 403}), range(300, 400)
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache",
    "User-Agent": "daypass",
}


class IssuerUnreachableError(Exception):
    """The issuer did not answer in time, or failed. A retry may help."""


class CrowdedError(IssuerUnreachableError):
    """The issuer was not contacted: too many fetches of the accounts run.

    This does not mean that the issuer failed.
    """


class UnacceptableAnswerError(Exception):
    """The issuer or its answer does not meet our requirements.

    A retry does not help.
    """


class WrongThumbprintError(UnacceptableAnswerError):
    """The issuer's certificate is trusted, but the operator requires another."""


class UnauthorizedFetchError(UnacceptableAnswerError):
    """The issuer answered 401 or 403: it rejects our client authentication."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """The operator's limits for fetching.

    `seconds` is for both documents of an issuer together.
    """

    networks: tuple[Network, ...] = ()
    ca_bundle: Path | None = None
    seconds: float = 5.0


class Fetcher:
    """Reads documents of issuers, each over a connection of its own."""

    def __init__(self, limits: FetchLimits, lookup: Lookup | None = None, accounts: Collection[str] = ()) -> None:
        self._limits = limits
        self._lookup = lookup or SystemLookup()
        self._accounts = accounts

    @property
    def seconds(self) -> float:
        """Return how long an issuer may take altogether."""
        return self._limits.seconds

    def on_behalf_of(self, accounts: Collection[str]) -> "Fetcher":
        """Return a fetcher that counts its work for these accounts."""
        lookup = self._lookup
        counted = lookup.on_behalf_of(accounts) if isinstance(lookup, SystemLookup) else lookup
        return Fetcher(self._limits, counted, accounts)

    async def get(self, url: str, thumbprints: frozenset[str] = frozenset()) -> bytes:
        """Return the document at `url`.

        Raises IssuerUnreachableError or UnacceptableAnswerError, and no other exception.
        """
        return await self._request("GET", url, thumbprints, None, {})

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        """Send a form and return the document in the answer.

        Raises IssuerUnreachableError or UnacceptableAnswerError, and no other exception.
        """
        return await self._request("POST", url, frozenset(), form, headers)

    async def _request(
        self,
        method: str,
        url: str,
        thumbprints: frozenset[str],
        form: Mapping[str, str] | None,
        headers: Mapping[str, str],
    ) -> bytes:
        if not is_keys_url(url):
            raise UnacceptableAnswerError("the address is not a plain https URL")
        await self._prepare()
        import aiohttp

        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._read(method, url, thumbprints, form, headers)
        except TimeoutError:
            raise IssuerUnreachableError("no complete answer in time") from None
        except (ssl.SSLError, aiohttp.ClientSSLError) as fault:
            raise _certificate_fault(fault) from None
        except (aiohttp.InvalidURL, aiohttp.ClientResponseError) as fault:
            raise UnacceptableAnswerError(f"its address or answer cannot be read: {type(fault).__name__}") from None
        except (aiohttp.ClientError, OSError) as fault:
            raise _connection_fault(fault) from None

    async def _prepare(self) -> None:
        """Import aiohttp and read the authorities before the first fetch.

        Both take a tenth of a second: too long for the start of a server, for the event loop and for a fetch's time.
        """
        if not _prepared.is_set():
            await asyncio.to_thread(_import_and_read, self._limits.ca_bundle)
            _prepared.set()

    async def _read(
        self,
        method: str,
        url: str,
        thumbprints: frozenset[str],
        form: Mapping[str, str] | None,
        headers: Mapping[str, str],
    ) -> bytes:
        import aiohttp
        from yarl import URL

        context = create_context(self._limits.ca_bundle, thumbprints, self._accounts)
        async with (
            _FetchSockets(self._limits.networks) as line,
            aiohttp.ClientSession(
                connector=self._connector(context, line),
                timeout=aiohttp.ClientTimeout(total=self._limits.seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={**_HEADERS, **headers},
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.request(method, URL(url, encoded=True), data=form, allow_redirects=False) as response,
        ):
            _check_answer(response)
            return await _read_body(response)

    def _connector(self, context: ssl.SSLContext, line: "_FetchSockets") -> "aiohttp.TCPConnector":
        import aiohttp

        return aiohttp.TCPConnector(
            ssl=context,
            resolver=VettingResolver(self._lookup, self._limits.networks),
            use_dns_cache=False,
            force_close=True,
            socket_factory=line.open_socket,
        )


_prepared = threading.Event()


def _import_and_read(ca_bundle: Path | None) -> None:
    import aiohttp  # noqa: F401 - for the imports in Fetcher, which then take no time

    with suppress(OSError):  # The fetch meets the same error and translates it.
        create_context(ca_bundle, frozenset())


class _FetchSockets:
    """The sockets of one fetch, only to allowed addresses.

    They are shut down when the fetch ends: TLS would wait half a minute for a close message that a hanging issuer never
    sends.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._opened: list[socket.socket] = []

    def open_socket(self, address: "AddrInfoType") -> socket.socket:
        """Return a new socket for an address, or raise AddressRefusedError."""
        # The only check for literal addresses, which aiohttp does not resolve.
        family, kind, protocol, _, target = address
        if not is_allowed(str(target[0]), self._networks):
            raise AddressRefusedError("a literal address that is not allowed")
        opened = socket.socket(family, kind, protocol)
        # A duplicate: by the shutdown, the first number may belong to another connection.
        self._opened.append(opened.dup())
        return opened

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for opened in self._opened:
            with opened, suppress(OSError):  # never connected, or closed by the issuer
                opened.shutdown(socket.SHUT_RDWR)


def _check_answer(response: "aiohttp.ClientResponse") -> None:
    if response.status == _TOO_MANY or response.status >= _SERVER_FAULTS:
        raise IssuerUnreachableError(f"it answered {response.status}")
    if response.status in _DENIED:
        raise UnauthorizedFetchError(f"it answered {response.status}")
    if response.status != _OK:
        moved = ", and redirects are not followed" if response.status in _REDIRECTS else ""
        raise UnacceptableAnswerError(f"it answered {response.status}{moved}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnacceptableAnswerError("its answer is compressed")
    if (response.content_length or 0) > MAX_DOCUMENT:
        raise UnacceptableAnswerError("its answer is larger than 256 KiB")


async def _read_body(response: "aiohttp.ClientResponse") -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_DOCUMENT:
            raise UnacceptableAnswerError("its answer is larger than 256 KiB")
    return bytes(body)


def _certificate_fault(fault: Exception) -> UnacceptableAnswerError:
    cause = getattr(fault, "certificate_error", fault)
    if isinstance(cause, ThumbprintMismatchError):
        return WrongThumbprintError("no certificate of its chain has a thumbprint of the provider")
    reason = getattr(cause, "verify_message", None) or type(cause).__name__
    return UnacceptableAnswerError(
        f"its certificate is not trusted: {reason}; DAYPASS_OIDC_CA_BUNDLE adds trusted authorities"
    )


def _connection_fault(fault: Exception) -> IssuerUnreachableError | UnacceptableAnswerError:
    causes: Sequence[BaseException | None] = (fault, fault.__cause__, getattr(fault, "os_error", None))
    if any(isinstance(cause, TooManyLookupsError) for cause in causes):
        return CrowdedError("too many names are being resolved for the same account")
    if any(isinstance(cause, AddressRefusedError) for cause in causes):
        return UnacceptableAnswerError(
            "the host has private addresses, which DAYPASS_OIDC_ALLOWED_NETWORKS does not allow"
        )
    reasons = (cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror)
    return IssuerUnreachableError(f"no connection: {next(reasons, type(fault).__name__)}")
