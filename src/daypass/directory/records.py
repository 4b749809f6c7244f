"""Entities as records: the names and the encoding of each kind in a store.

Owns the table KINDS. A store knows only records, an operation knows only entities; this module maps them. Names are
unique without regard to case, as in IAM, thus a record's key is the name in lower case.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec

from daypass.directory.entities.account_entities import AccountAlias, CredentialReport, DeletionTask
from daypass.directory.entities.apply_entities import Mark, Origin, UnresolvedPrincipal
from daypass.directory.entities.bucket_entities import StoredBucket, bucket_id
from daypass.directory.entities.delegation_entities import DelegationRequest, Notification
from daypass.directory.entities.iam_entities import (
    AccessKey,
    Account,
    Entity,
    Group,
    InstanceProfile,
    LastUse,
    ManagedPolicy,
    Named,
    Role,
    StoredKey,
    User,
)
from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.directory.entities.organization_entities import ORGANIZATION, ControlPolicies, Organization, Unit
from daypass.directory.entities.outbound_entities import Issuer, TokenSigningKey
from daypass.directory.entities.resource_server_entities import ResourceServer
from daypass.directory.entities.saml_entities import SamlProvider, SamlRequestKey
from daypass.directory.entities.sign_in_entities import SignIn
from daypass.directory.store import Reader, Record, Writer

N = TypeVar("N", bound=Named)

_BATCH = 200  # default number of records in a page
E = TypeVar("E", bound=Entity)


@dataclass(frozen=True, slots=True)
class Kind:
    """The mapping of one type of entity to records."""

    name: str
    account: Callable[[Any], str]
    key: Callable[[Any], str]
    unique_id: Callable[[Any], str | None]
    sort: Callable[[Any], str]
    decoder: msgspec.json.Decoder[Any]
    fold: Callable[[str], str] = str


def _named(name: str, type_: type[Entity]) -> Kind:
    return Kind(
        name=name,
        account=lambda entity: entity.account,
        key=lambda entity: entity.name.lower(),
        unique_id=lambda entity: entity.id,
        sort=lambda entity: entity.path + entity.name,
        decoder=msgspec.json.Decoder(type_),
        fold=str.lower,
    )


# Accounts are listed across the store, thus they are in the account "".
KINDS: dict[type[Entity], Kind] = {
    Account: Kind(
        name="account",
        account=lambda _: "",
        key=lambda account: account.id,
        unique_id=lambda account: account.id,
        sort=lambda account: account.id,
        decoder=msgspec.json.Decoder(Account),
    ),
    User: _named("user", User),
    Group: _named("group", Group),
    Role: _named("role", Role),
    ManagedPolicy: _named("policy", ManagedPolicy),
    InstanceProfile: _named("instance_profile", InstanceProfile),
    SamlProvider: _named("saml_provider", SamlProvider),
    SamlRequestKey: Kind(
        name="saml_request_key",
        account=lambda _: "",
        key=lambda key: key.id,
        unique_id=lambda _: None,
        sort=lambda key: key.id,
        decoder=msgspec.json.Decoder(SamlRequestKey),
    ),
    # Listed by end time, so that expired ones come first.
    SignIn: Kind(
        name="sign_in",
        account=lambda _: "",
        key=lambda sign_in: sign_in.id,
        unique_id=lambda _: None,
        sort=lambda sign_in: f"{int(sign_in.ends.timestamp()):012d}/{sign_in.id}",
        decoder=msgspec.json.Decoder(SignIn),
    ),
    AccessKey: Kind(
        name="access_key",
        account=lambda key: key.account,
        key=lambda key: key.id,
        unique_id=lambda key: key.id,
        sort=lambda key: key.owner + "/" + key.id,
        decoder=msgspec.json.Decoder(AccessKey),
    ),
    MfaDevice: Kind(
        name="mfa_device",
        account=lambda device: device.account,
        key=lambda device: device.serial.lower(),
        unique_id=lambda _: None,
        # An unassigned device sorts before all others: unique ids and accounts do not begin with a dash.
        sort=lambda device: (device.owner or "-") + "/" + device.serial,
        decoder=msgspec.json.Decoder(MfaDevice),
        fold=str.lower,
    ),
    LastUse: Kind(
        name="last_use",
        account=lambda use: use.account,
        key=lambda use: use.id,
        unique_id=lambda _: None,
        sort=lambda use: use.id,
        decoder=msgspec.json.Decoder(LastUse),
    ),
    # Aliases are unique among all accounts.
    AccountAlias: Kind(
        name="account_alias",
        account=lambda _: "",
        key=lambda alias: alias.name,
        unique_id=lambda _: None,
        sort=lambda alias: alias.name,
        decoder=msgspec.json.Decoder(AccountAlias),
    ),
    CredentialReport: Kind(
        name="credential_report",
        account=lambda report: report.account,
        key=lambda _: "last",
        unique_id=lambda _: None,
        sort=lambda _: "last",
        decoder=msgspec.json.Decoder(CredentialReport),
    ),
    DeletionTask: Kind(
        name="deletion_task",
        account=lambda task: task.account,
        key=lambda task: task.id,
        unique_id=lambda _: None,
        sort=lambda task: task.id,
        decoder=msgspec.json.Decoder(DeletionTask),
    ),
    Mark: Kind(
        name="apply_mark",
        account=lambda mark: mark.account,
        key=lambda mark: mark.owner + "/" + mark.thing,
        unique_id=lambda _: None,
        sort=lambda mark: mark.owner + "/" + mark.thing,
        decoder=msgspec.json.Decoder(Mark),
    ),
    Origin: Kind(
        name="import_origin",
        account=lambda _: "",
        key=lambda origin: origin.origin,
        unique_id=lambda _: None,
        sort=lambda origin: origin.origin,
        decoder=msgspec.json.Decoder(Origin),
    ),
    UnresolvedPrincipal: Kind(
        name="stranger",
        account=lambda _: "",
        key=lambda unresolved: unresolved.id,
        unique_id=lambda unresolved: unresolved.id,
        sort=lambda unresolved: unresolved.id,
        decoder=msgspec.json.Decoder(UnresolvedPrincipal),
    ),
    # Names are unique among all accounts, thus the name is the unique id too.
    StoredBucket: Kind(
        name="bucket",
        account=lambda bucket: bucket.account,
        key=lambda bucket: bucket.name,
        unique_id=lambda bucket: bucket_id(bucket.name),
        sort=lambda bucket: bucket.name,
        decoder=msgspec.json.Decoder(StoredBucket),
    ),
    OidcProvider: Kind(
        name="oidc_provider",
        account=lambda provider: provider.account,
        # Issuers are case-sensitive, thus their providers are too.
        key=lambda provider: provider.name,
        unique_id=lambda provider: provider.id,
        sort=lambda provider: provider.name,
        decoder=msgspec.json.Decoder(OidcProvider),
    ),
    StoredKey: Kind(
        name="sealing_key",
        account=lambda _: "",
        key=lambda key: key.id,
        unique_id=lambda _: None,
        sort=lambda key: key.id,
        decoder=msgspec.json.Decoder(StoredKey),
    ),
    Organization: Kind(
        name="organization",
        account=lambda _: "",
        key=lambda _: ORGANIZATION,
        unique_id=lambda _: None,
        sort=lambda _: ORGANIZATION,
        decoder=msgspec.json.Decoder(Organization),
    ),
    Unit: Kind(
        name="unit",
        account=lambda _: "",
        key=lambda unit: unit.id,
        unique_id=lambda _: None,
        # Names are unique among the units of one parent.
        sort=lambda unit: unit.parent + "/" + unit.name,
        decoder=msgspec.json.Decoder(Unit),
    ),
    ControlPolicies: Kind(
        name="control_policies",
        account=lambda _: "",
        key=lambda attached: attached.target,
        unique_id=lambda _: None,
        sort=lambda attached: attached.target,
        decoder=msgspec.json.Decoder(ControlPolicies),
    ),
    Issuer: Kind(
        name="issuer",
        account=lambda _: "",
        key=lambda issuer: issuer.id,
        unique_id=lambda _: None,
        sort=lambda issuer: issuer.id,
        decoder=msgspec.json.Decoder(Issuer),
    ),
    TokenSigningKey: Kind(
        name="token_signing_key",
        account=lambda key: key.account,
        key=lambda key: key.id,
        unique_id=lambda _: None,
        sort=lambda key: key.id,
        decoder=msgspec.json.Decoder(TokenSigningKey),
    ),
    DelegationRequest: Kind(
        name="delegation_request",
        account=lambda request: request.requestor,
        key=lambda request: request.id,
        unique_id=lambda request: request.id,
        sort=lambda request: request.id,
        decoder=msgspec.json.Decoder(DelegationRequest),
    ),
    # Unique among all accounts: an operator names a gateway by its name alone.
    ResourceServer: Kind(
        name="resource_server",
        account=lambda _: "",
        key=lambda server: server.name,
        unique_id=lambda _: None,
        sort=lambda server: server.name,
        decoder=msgspec.json.Decoder(ResourceServer),
    ),
    Notification: Kind(
        name="notice",
        account=lambda _: "",
        key=lambda notification: notification.id,
        unique_id=lambda _: None,
        # The earliest due time comes first.
        sort=lambda notification: f"{notification.due:012d}/{notification.id}",
        decoder=msgspec.json.Decoder(Notification),
    ),
}

_encode = msgspec.json.Encoder().encode


def to_record(entity: Entity) -> Record:
    """Return the record of an entity."""
    kind = KINDS[type(entity)]
    return Record(
        kind=kind.name,
        account=kind.account(entity),
        key=kind.key(entity),
        unique_id=kind.unique_id(entity),
        sort=kind.sort(entity),
        body=_encode(entity),
    )


def to_entity(type_: type[E], record: Record) -> E:
    """Return the entity of a record."""
    return cast("E", KINDS[type_].decoder.decode(record.body))


def find(reader: Reader, type_: type[E], account: str, name: str) -> E | None:
    """Return the entity of this name, or None.

    Names are case-insensitive, as in IAM.
    """
    kind = KINDS[type_]
    record = reader.find(kind.name, account, kind.fold(name))
    return None if record is None else to_entity(type_, record)


def find_by_id(reader: Reader, type_: type[E], unique_id: str) -> E | None:
    """Return the entity with this unique id, or None.

    The result is also None if the id belongs to another type.
    """
    record = reader.find_by_id(unique_id)
    if record is None or record.kind != KINDS[type_].name:
        return None
    return to_entity(type_, record)


def each(
    reader: Reader, type_: type[E], account: str | None, *, after: str = "", prefix: str = "", batch: int = _BATCH
) -> Iterator[E]:
    """Yield the entities of a type in an account, in list order.

    The arguments are those of `each_record`.
    """
    found = each_record(reader, type_, account, after=after, prefix=prefix, batch=batch)
    return (to_entity(type_, record) for record in found)


def each_record(
    reader: Reader,
    type_: type[Entity],
    account: str | None,
    *,
    after: str = "",
    prefix: str = "",
    batch: int = _BATCH,
) -> Iterator[Record]:
    """Yield the records of a type in an account, in list order.

    If `account` is None, it yields those of all accounts. `prefix` and `after` restrict the list like `Reader.page`. At
    most `batch` records are in memory at once, and a page is read only when its first record is needed.
    """
    kind = kind_name(type_)
    while True:
        page = reader.page(kind, account, after=after, limit=batch, prefix=prefix)
        yield from page
        if len(page) < batch:  # A snapshot does not grow: another page would be empty.
            return
        after = page[-1].place if account is None else page[-1].sort


def insert(writer: Writer, entity: Entity) -> None:
    """Store a new entity.

    Raises RecordExistsError if the name or the id is taken.
    """
    writer.insert(to_record(entity))


def replace(writer: Writer, entity: Entity) -> None:
    """Store a changed entity under its old name.

    Raises RecordMissingError if it does not exist.
    """
    writer.replace(to_record(entity))


def delete(writer: Writer, entity: Entity) -> None:
    """Delete an entity. The caller deletes its links.

    Raises RecordMissingError if it does not exist.
    """
    record = to_record(entity)
    writer.delete(record.kind, record.account, record.key)


def kind_name(type_: type[Entity]) -> str:
    """Return the name of this type in the store."""
    return KINDS[type_].name


def kinds_by_name() -> Mapping[str, type[Entity]]:
    """Return the entity type of each record kind."""
    return {kind.name: type_ for type_, kind in KINDS.items()}


def each_by_path(reader: Reader, type_: type[N], account: str, prefix: str, after: str) -> Iterator[tuple[str, N]]:
    """Yield the named entities below a path, each with its position.

    Starts with the first entity after `after`.
    """
    for record in each_record(reader, type_, account, after=after, prefix=prefix):
        entity = to_entity(type_, record)
        # A position is path and name in one string; the prefix applies only to the path.
        if entity.path.startswith(prefix):
            yield record.sort, entity
