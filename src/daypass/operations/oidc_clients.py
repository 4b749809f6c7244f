"""The clients with which people sign in at OpenID Connect providers.

Owns the union of the clients in the settings and in the store, and opening a client's secret or key. Leaves changes to
oidc_client_changes.py and the flow to the portal. The rules:

* Records are read from the cache: a change counts on every node within a second, without a restart.
* A client of the settings hides every record with the same issuer and client id: no sign-in uses a hidden record.
* The link of a record contains its account, so that one account never gets the sign-ins of another account's client.
* If there are more records than a page lists, accounts take turns, so that one account cannot fill the page. A link to
  a client works even if the page does not list it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, zip_longest
from typing import Protocol

from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcClientKey, OidcSignInClient, client_unique_id
from daypass.directory.loader_marks import keeps_little
from daypass.directory.secret_box import SecretBox, SecretDecryptionError
from daypass.directory.store import Reader
from daypass.errors import ServiceUnavailable
from daypass.federation.oidc.issuers.client import Client
from daypass.federation.oidc.issuers.client_assertion import LIFETIME, AssertionSigner, UnusableClientKeyError
from daypass.mint.key_ring import KeyRing, NoActiveKeyError, RingKey, drop_expired
from daypass.operations.request_context import RequestContext

MOST_LISTED = 500
_UNUSABLE = (
    "The credentials of this server at the identity provider cannot be used. "
    "The operator of this server can replace them with `daypass oidc client set`."
)


@keeps_little
def load_listed_records(reader: Reader) -> tuple[Client, ...]:
    """Return the listed records, without their credentials."""
    by_account: dict[str, list[Client]] = {}
    for record in records.each(reader, OidcSignInClient, None):
        by_account.setdefault(record.account, []).append(client_of(record))
    turns = islice(_in_turns([sorted(clients, key=_place) for clients in by_account.values()]), MOST_LISTED)
    return tuple(sorted(turns, key=_place))


@keeps_little
def load_client_keys(reader: Reader) -> frozenset[str]:
    """Return the identifiers of all records in links."""
    return frozenset(record.key for record in records.each(reader, OidcSignInClient, None))


def load_client_record(reader: Reader, key: str) -> OidcSignInClient | None:
    """Return the record behind a link, or None."""
    return records.find_by_id(reader, OidcSignInClient, client_unique_id(key))


def find_record(key: str, ctx: RequestContext) -> OidcSignInClient | None:
    """Return the record behind a link that anyone may have made up, or None."""
    # Invented links must not fill the cache with results of None.
    return ctx.views.get(load_client_record, key) if key in ctx.views.get(load_client_keys) else None


def client_of(record: OidcSignInClient) -> Client:
    """Return the client of a record, without its secret or key."""
    return Client(
        record.issuer,
        record.client_id,
        account=record.account,
        record=record.name,
        authentication=record.authentication,
        scopes=record.scopes,
        response_mode=record.response_mode,
        label=record.label,
        logo=record.logo,
        order=record.order,
    )


def listed_clients(ctx: RequestContext) -> tuple[Client, ...]:
    """Return the clients that the sign-in page lists: the settings' first."""
    from_settings = ctx.settings.oidc_clients
    kept = (client for client in ctx.views.get(load_listed_records) if not is_hidden(client, from_settings))
    return (*from_settings, *kept)


def find_client(key: str, ctx: RequestContext) -> Client | None:
    """Return the client of a link, or None if it was removed or is hidden.

    A client of the store is returned without its credentials.
    """
    from_settings = ctx.settings.oidc_clients
    found = next((client for client in from_settings if client.key == key), None)
    if found is not None:
        return found
    record = find_record(key, ctx)
    client = None if record is None else client_of(record)
    return None if client is None or is_hidden(client, from_settings) else client


def with_credentials(client: Client, ctx: RequestContext) -> Client:
    """Return a client with its secret or the signer of its assertions.

    Raises ServiceUnavailable if they are damaged or missing.
    """
    if not client.account:
        return client
    record = find_record(client.key, ctx)
    if record is None:
        raise ServiceUnavailable(_UNUSABLE, detail=f"the client {client.record} was removed")
    try:
        if record.authentication == "private_key_jwt":
            return replace(client, signer=_signer(record, ctx))
        if not record.sealed_secret:
            return client
        secret = ctx.vault.decrypt(record.sealed_secret, bound_to=record.secret_name).decode()
    except (SecretDecryptionError, UnusableClientKeyError, NoActiveKeyError, UnicodeDecodeError) as error:
        raise ServiceUnavailable(_UNUSABLE, detail=f"the client {client.record}: {type(error).__name__}") from error
    return replace(client, secret=secret)


class NamedClient(Protocol):
    """A client of the settings, with or without its secret."""

    @property
    def issuer(self) -> str:
        """The issuer."""
        ...

    @property
    def client_id(self) -> str:
        """The client id."""
        ...


def is_hidden(client: Client, from_settings: Sequence[NamedClient]) -> bool:
    """Return whether a client of the settings replaces this record."""
    return any((each.issuer, each.client_id) == (client.issuer, client.client_id) for each in from_settings)


def published_keys(record: OidcSignInClient, now: int) -> list[Mapping[str, str]]:
    """Return the JWKs of a client, that of the active key first.

    Waiting keys are published too, so that the provider knows them before they sign.
    """
    kept = drop_expired(key_ring(record), now=now, longest=LIFETIME).keys
    newest_first = sorted(kept, key=lambda key: (key.activates > now, -key.activates))
    return [{**key.material.public, "kid": key.id} for key in newest_first]


def key_ring(record: OidcSignInClient) -> KeyRing[OidcClientKey]:
    """Return the keys of a client, each still sealed."""
    return KeyRing(tuple(RingKey(key.id, key, key.created, key.activates) for key in record.keys))


def _signer(record: OidcSignInClient, ctx: RequestContext) -> AssertionSigner:
    key = key_ring(record).active(int(ctx.now.timestamp())).material
    return AssertionSigner(key.id, _private(record, key, ctx.vault), now=ctx.now, entropy=ctx.entropy)


def _private(record: OidcSignInClient, key: OidcClientKey, vault: SecretBox) -> bytes:
    return vault.decrypt(key.sealed_private, bound_to=record.key_name(key.id))


def _place(client: Client) -> tuple[int, str, str, str]:
    return client.order, client.host, client.issuer, client.key


def _in_turns(every: list[list[Client]]) -> Iterator[Client]:
    """Yield the first client of each account, then the second of each, and so on."""
    for turn in zip_longest(*every):
        yield from (each for each in turn if each is not None)
