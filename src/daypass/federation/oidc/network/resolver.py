"""Resolve an issuer's host to addresses to which connections are allowed.

Owns name resolution for fetching: aiohttp connects to exactly the returned addresses, so a second lookup with another
result (DNS rebinding) cannot happen. A slow name server delays only its own hosts.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING

from daypass.federation.oidc.network.addresses import Network, is_allowed
from daypass.federation.oidc.shares import Shares

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver, ResolveResult
else:
    AbstractResolver = object  # aiohttp tests no type, and importing it would delay the start of the server

MAX_PENDING = 256
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]


class AddressRefusedError(OSError):
    """The host has no allowed address."""


class TooManyLookupsError(OSError):
    """Too many names are being resolved for these accounts.

    This does not mean that the host failed.
    """


class VettingResolver(AbstractResolver):
    """Resolves through `lookup` and drops every address that is not allowed."""

    def __init__(self, lookup: Lookup, networks: Sequence[Network]) -> None:
        self._lookup = lookup
        self._networks = tuple(networks)

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp's signature; any will do
    ) -> "list[ResolveResult]":
        """Return the allowed addresses of `host`.

        Raises AddressRefusedError if it has no allowed one.
        """
        found = await self._lookup(host, port)
        allowed = [address for address in found if is_allowed(address, self._networks)]
        if not allowed:
            raise AddressRefusedError(f"no allowed address among {len(found)}")
        return [_result(host, port, address) for address in allowed]

    async def close(self) -> None:
        """Keep the method of the interface, without resources to close."""


class SystemLookup:
    """The system's resolver, in threads of its own.

    A name server that hangs would block all of the event loop's few threads. Here each host has at most one running
    lookup, and the number of all lookups is limited. Accounts share that limit, because a tenant may operate the name
    server that hangs. The threads are daemons, because the system's resolver cannot be interrupted and must not delay
    the end of the process.
    """

    def __init__(self) -> None:
        self._pending: dict[str, asyncio.Future[Sequence[str]]] = {}
        self._shares = Shares(MAX_PENDING)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`, in the system's order of preference."""
        return await self._look_up(host, port, ("",))

    def on_behalf_of(self, accounts: Collection[str]) -> Lookup:
        """Return a lookup for these accounts.

        It counts for the account with the fewest running.
        """

        async def look_up(host: str, port: int) -> Sequence[str]:
            return await self._look_up(host, port, accounts)

        return look_up

    async def _look_up(self, host: str, port: int, accounts: Collection[str]) -> Sequence[str]:
        pending = self._pending.get(host)
        if pending is None:
            account = min(accounts, key=self._shares.taken_by)
            if not self._shares.take(account):
                raise TooManyLookupsError("too many names are being resolved")
            pending = self._start(host, port, account)
        # A caller that gives up must not cancel the lookup for the others.
        return await asyncio.shield(pending)

    def _start(self, host: str, port: int, account: str) -> "asyncio.Future[Sequence[str]]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[str]] = loop.create_future()
        self._pending[host] = future

        def finish(found: Sequence[str] | OSError) -> None:
            self._pending.pop(host, None)
            self._shares.give_back(account)
            if future.done():
                return
            if isinstance(found, OSError):
                future.set_exception(found)
                future.exception()  # All callers may have given up.
            else:
                future.set_result(found)

        def work() -> None:
            found = _ask_system(host, port)
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish, found)

        threading.Thread(target=work, name="oidc-lookup", daemon=True).start()
        return future


def _ask_system(host: str, port: int) -> Sequence[str] | OSError:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as fault:
        return fault
    except UnicodeError:
        return OSError("the host's name cannot be encoded")
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _result(host: str, port: int, address: str) -> "ResolveResult":
    return {
        "hostname": host,
        "host": address,
        "port": port,
        "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
        "proto": 0,
        "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    }
