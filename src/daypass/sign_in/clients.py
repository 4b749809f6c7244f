"""The programs that may sign people in: registered anonymously, as at AWS.

Owns the rules of a registration (RFC 7591, RFC 8252):

* A network registers at most 20 programs an hour. The server has at most 10,000 registrations of at most 4 KiB.
* When it is full, the oldest unused registration of the same network is replaced, never one of another network, except
  registrations that were not used for a day.
* A registration ends after 90 days. Its secret is stored hashed.
* A redirect URI has a literal loopback address. The port is not part of a comparison: a program listens at any free
  port (RFC 8252 section 7.3).

A registration proves nothing: its name is only what the program says about itself.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

import msgspec

from daypass.base64url import to_base64url
from daypass.directory import records
from daypass.directory.entities.sso_client_entities import SsoClient
from daypass.directory.store import Reader, Writer
from daypass.operations.request_context import RequestContext
from daypass.wire.peer_network import peer_network
from daypass.wire.rest_faults import InvalidClientException, InvalidClientMetadataException, SlowDownException

LIFETIME = timedelta(days=90)
MOST_AN_HOUR = 20
MOST_CLIENTS = 10_000
LARGEST_CLIENT = 4_096
_HOUR = timedelta(hours=1)
_UNUSED = timedelta(days=1)
_PURGED, _PURGED_IF_FULL = 16, 200
_ID_BYTES, _SECRET_BYTES = 16, 32
_LONGEST_ID = 64
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?((?:/[A-Za-z0-9._~-]{1,64}){0,8}/?)")
_LAST_PORT = 65_535
FULL = "This server has too many registered clients. Try again in an hour."
_UNKNOWN = "The client is not registered, its registration has expired, or its secret is wrong."


def register(new: SsoClient, peer: str, ctx: RequestContext) -> tuple[SsoClient, str]:
    """Store a registration, and return it with its secret.

    The id, times, network and hash of `new` are replaced. Raises SlowDownException or InvalidClientMetadataException.
    """
    secret = to_base64url(ctx.entropy(_SECRET_BYTES))
    client = msgspec.structs.replace(
        new,
        id=to_base64url(ctx.entropy(_ID_BYTES)),
        network=_network(peer),
        registered=ctx.now,
        expires=ctx.now + LIFETIME,
        secret_hash=_hash(secret),
    )
    if len(records.to_record(client).body) > LARGEST_CLIENT:
        raise InvalidClientMetadataException(f"A registration has at most {LARGEST_CLIENT} bytes.")
    with ctx.new_transaction() as writer:
        _count(writer, client)
        _make_room(writer, client)
        records.insert(writer, client)
    return client, secret


def find_client(client_id: str, ctx: RequestContext) -> SsoClient | None:
    """Return a registration that has not expired, or None."""
    found = ctx.views.get(load_client, client_id) if 0 < len(client_id) <= _LONGEST_ID else None
    return found if found is not None and ctx.now < found.expires else None


def verify_client(client_id: str, secret: str, ctx: RequestContext) -> SsoClient:
    """Return the registration with this id and secret.

    Raises InvalidClientException.
    """
    client = find_client(client_id, ctx)
    if client is None or not hmac.compare_digest(client.secret_hash, _hash(secret)):
        raise InvalidClientException(_UNKNOWN)
    return client


def mark_used(client: SsoClient, ctx: RequestContext) -> None:
    """Store that a client got a token, so that it is not evicted."""
    if client.is_used:
        return
    with ctx.new_transaction() as writer:
        found = load_client(writer, client.id)
        if found is not None and not found.is_used:
            records.replace(writer, msgspec.structs.replace(found, is_used=True))


def load_client(reader: Reader, client_id: str) -> SsoClient | None:
    """Return the stored registration, even if it has expired."""
    return records.find(reader, SsoClient, "", client_id)


def is_loopback_uri(uri: str) -> bool:
    """Tell whether a redirect URI has a literal loopback address."""
    return _without_port(uri) != ""


def is_registered_uri(uri: str, client: SsoClient) -> bool:
    """Tell whether a redirect URI is one of a client's, at any port."""
    plain = _without_port(uri)
    return plain != "" and any(plain == _without_port(each) for each in client.redirect_uris)


def _without_port(uri: str) -> str:
    """Return a loopback URI without its port, or "" for any other string."""
    match = _LOOPBACK.fullmatch(uri)
    if match is None or int(match[2] or 1) > _LAST_PORT:
        return ""
    return match[1] + match[3]


def _count(writer: Writer, client: SsoClient) -> None:
    """Claim one of the places of a network in this hour."""
    until = client.registered + _HOUR
    if not any(writer.claim(f"sso-client:{client.network}:{place}", until=until) for place in range(MOST_AN_HOUR)):
        raise SlowDownException(
            f"Your network registered {MOST_AN_HOUR} clients within an hour. Try again later, or use a registered one."
        )


def _make_room(writer: Writer, client: SsoClient) -> None:
    for old in records.page(writer, SsoClient, "", prefix=f"{client.network}/", limit=_PURGED):
        if old.expires <= client.registered:
            records.delete(writer, old)
    if not _is_full(writer):
        return
    # Its own first: the search among all takes long, and every other writer waits.
    own = _find_own(writer, client.network)
    abandoned = islice(_abandoned(writer, client.registered), _PURGED_IF_FULL)
    for old in list(abandoned) if own is None else [own]:
        records.delete(writer, old)
    if _is_full(writer):
        raise SlowDownException(FULL, detail=f"{MOST_CLIENTS} clients are registered")


def has_room(peer: str, ctx: RequestContext, *, searches: bool) -> bool:
    """Return whether a network can register a client.

    It does not wait for the writer. With `searches`, a full server is searched for abandoned registrations. That takes
    long: callers remember False.
    """
    with ctx.snapshot() as reader:
        if not _is_full(reader) or _find_own(reader, _network(peer)) is not None:
            return True
        return searches and next(_abandoned(reader, ctx.now), None) is not None


def _find_own(reader: Reader, network: str) -> SsoClient | None:
    """Return the oldest registration of a network that was not used, or None."""
    own = records.each(reader, SsoClient, "", prefix=f"{network}/")
    return next((old for old in own if not old.is_used), None)


def _is_full(reader: Reader) -> bool:
    return reader.count(records.kind_name(SsoClient), "") >= MOST_CLIENTS


def _abandoned(reader: Reader, now: datetime) -> Iterator[SsoClient]:
    """Yield the registrations that expired, or that were not used for a day."""
    for old in records.each(reader, SsoClient, ""):
        if old.expires <= now or (not old.is_used and old.registered + _UNUSED <= now):
            yield old


def _network(peer: str) -> str:
    return hashlib.sha256(peer_network(peer).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
