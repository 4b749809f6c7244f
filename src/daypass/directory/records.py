"""Entities as records: the names and the encoding of each kind in a store.

Owns the table KINDS. A store knows only records, an operation only entities. Names are unique without regard to case,
as in IAM, so a record's key is the name in lower case.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar, cast

import msgspec
from msgspec.json import Decoder

from daypass.arn import Arn
from daypass.directory.entities.account_entities import AccountAlias, CredentialReport, DeletionTask
from daypass.directory.entities.apply_entities import Mark, Origin, UnresolvedPrincipal
from daypass.directory.entities.bucket_entities import StoredBucket, bucket_id
from daypass.directory.entities.delegation_entities import DelegationRequest, Notification
from daypass.directory.entities.deployment_entities import Deployment
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
from daypass.directory.entities.oidc_entities import OidcProvider, OidcSignInClient, client_unique_id
from daypass.directory.entities.organization_entities import ORGANIZATION, ControlPolicies, Organization, Unit
from daypass.directory.entities.outbound_entities import Issuer, TokenSigningKey
from daypass.directory.entities.resource_server_entities import ResourceServer
from daypass.directory.entities.saml_entities import SamlProvider, SamlRequestKey
from daypass.directory.entities.sign_in_entities import SignIn, SignInSession, StoredProof, TokenFamily
from daypass.directory.entities.sso_client_entities import SsoClient
from daypass.directory.store import Reader, Record, RecordExistsError, Writer

N = TypeVar("N", bound=Named)

_BATCH = 200  # default number of records in a page
E = TypeVar("E", bound=Entity)
_account, _id, _name = attrgetter("account"), attrgetter("id"), attrgetter("name")


def _global(_: Any) -> str:
    """Return the account of entities that are listed across the store."""
    return ""


def _constant(value: str) -> Callable[[Any], str]:
    return lambda _: value


@dataclass(frozen=True, slots=True)
class Kind:
    """The mapping of one type of entity to records.

    By default, records belong to an account, their key is the entity's id, and lists are sorted by key.
    """

    name: str
    decoder: Decoder[Any]
    account: Callable[[Any], str] = _account
    key: Callable[[Any], str] = _id
    unique_id: Callable[[Any], str | None] = lambda _: None
    sort: Callable[[Any], str] | None = None
    fold: Callable[[str], str] = str


def _named(name: str, type_: type[Named]) -> Kind:
    return Kind(
        name,
        Decoder(type_),
        key=lambda entity: entity.name.lower(),
        unique_id=_id,
        sort=lambda entity: entity.path + entity.name,
        fold=str.lower,
    )


KINDS: dict[type[Entity], Kind] = {
    Account: Kind("account", Decoder(Account), account=_global, unique_id=_id),
    User: _named("user", User),
    Group: _named("group", Group),
    Role: _named("role", Role),
    ManagedPolicy: _named("policy", ManagedPolicy),
    InstanceProfile: _named("instance_profile", InstanceProfile),
    SamlProvider: _named("saml_provider", SamlProvider),
    SamlRequestKey: Kind("saml_request_key", Decoder(SamlRequestKey), account=_global),
    # Listed by end time, so that expired ones come first.
    SignIn: Kind(
        "sign_in",
        Decoder(SignIn),
        account=_global,
        sort=lambda sign_in: f"{int(sign_in.ends.timestamp()):012d}/{sign_in.id}",
    ),
    # Listed by the network of the peer, and the oldest first: only registrations of one network replace each other.
    SsoClient: Kind(
        "sso-clients",
        Decoder(SsoClient),
        account=_global,
        sort=lambda client: f"{client.network}/{int(client.registered.timestamp()):012d}/{client.id}",
    ),
    SignInSession: Kind(
        "sign-in-sessions",
        Decoder(SignInSession),
        account=_global,
        sort=lambda session: f"{int(session.ends.timestamp()):012d}/{session.id}",
    ),
    StoredProof: Kind("sign-in-proofs", Decoder(StoredProof), account=_global),
    # Listed by sign-in, so that its families end with it.
    TokenFamily: Kind(
        "token-families",
        Decoder(TokenFamily),
        account=_global,
        sort=lambda family: f"{family.sign_in}/{family.id}",
    ),
    AccessKey: Kind("access_key", Decoder(AccessKey), unique_id=_id, sort=lambda key: key.owner + "/" + key.id),
    MfaDevice: Kind(
        "mfa_device",
        Decoder(MfaDevice),
        key=lambda device: device.serial.lower(),
        # An unassigned device sorts before all others: unique ids and accounts do not begin with a dash.
        sort=lambda device: (device.owner or "-") + "/" + device.serial,
        fold=str.lower,
    ),
    LastUse: Kind("last_use", Decoder(LastUse)),
    # Aliases are unique among all accounts.
    AccountAlias: Kind("account_alias", Decoder(AccountAlias), account=_global, key=_name),
    CredentialReport: Kind("credential_report", Decoder(CredentialReport), key=_constant("last")),
    DeletionTask: Kind("deletion_task", Decoder(DeletionTask)),
    Mark: Kind("apply_mark", Decoder(Mark), key=lambda mark: mark.owner + "/" + mark.thing),
    Origin: Kind("import_origin", Decoder(Origin), account=_global, key=lambda origin: origin.origin),
    UnresolvedPrincipal: Kind("stranger", Decoder(UnresolvedPrincipal), account=_global, unique_id=_id),
    # Names are unique among all accounts, thus the name is the unique id too.
    StoredBucket: Kind("bucket", Decoder(StoredBucket), key=_name, unique_id=lambda bucket: bucket_id(bucket.name)),
    # Unique among all accounts: an operator names a gateway by its name alone.
    ResourceServer: Kind("resource_server", Decoder(ResourceServer), account=_global, key=_name),
    # Issuers are case-sensitive, thus their providers are too.
    OidcProvider: Kind("oidc_provider", Decoder(OidcProvider), key=_name, unique_id=_id),
    OidcSignInClient: Kind(
        "oidc_client",
        Decoder(OidcSignInClient),
        key=lambda client: client.name.lower(),
        # One account registers a client of an issuer once.
        unique_id=lambda client: client_unique_id(client.key),
        fold=str.lower,
    ),
    StoredKey: Kind("sealing_key", Decoder(StoredKey), account=_global),
    Deployment: Kind("deployment", Decoder(Deployment), account=_global, key=_constant("this")),
    Organization: Kind("organization", Decoder(Organization), account=_global, key=_constant(ORGANIZATION)),
    # Names are unique among the units of one parent.
    Unit: Kind("unit", Decoder(Unit), account=_global, sort=lambda unit: unit.parent + "/" + unit.name),
    ControlPolicies: Kind(
        "control_policies", Decoder(ControlPolicies), account=_global, key=lambda attached: attached.target
    ),
    Issuer: Kind("issuer", Decoder(Issuer), account=_global),
    TokenSigningKey: Kind("token_signing_key", Decoder(TokenSigningKey)),
    DelegationRequest: Kind(
        "delegation_request", Decoder(DelegationRequest), account=lambda request: request.requestor, unique_id=_id
    ),
    # The earliest due time comes first.
    Notification: Kind(
        "notice",
        Decoder(Notification),
        account=_global,
        sort=lambda notification: f"{notification.due:012d}/{notification.id}",
    ),
}

# The word in ARNs -> the type of an entity that has policies.
HOLDER_TYPES: Mapping[str, type[User] | type[Group] | type[Role]] = {"user": User, "group": Group, "role": Role}

_encode = msgspec.json.Encoder().encode


def to_record(entity: Entity) -> Record:
    """Return the record of an entity."""
    kind = KINDS[type(entity)]
    return Record(
        kind=kind.name,
        account=kind.account(entity),
        key=kind.key(entity),
        unique_id=kind.unique_id(entity),
        sort=(kind.sort or kind.key)(entity),
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

    Returns None also if it is of another type.
    """
    record = reader.find_by_id(unique_id)
    if record is None or record.kind != KINDS[type_].name:
        return None
    return to_entity(type_, record)


def find_by_arn(reader: Reader, arn: str) -> User | Group | Role | None:
    """Return the user, group or role with exactly this ARN, or None.

    Names are unique case-insensitively, but an ARN matches case-sensitively and with its path.
    """
    parts = Arn.find(arn)
    if parts is None:
        return None
    kind, _, rest = parts.resource.partition("/")
    type_ = HOLDER_TYPES.get(kind)
    found = None if type_ is None else find(reader, type_, parts.account, rest.rpartition("/")[2])
    return found if found is not None and found.arn == arn else None


def page(
    reader: Reader, type_: type[E], account: str | None, *, after: str = "", prefix: str = "", limit: int
) -> list[E]:
    """Return the first entities of a type in an account, in list order.

    The arguments are those of `Reader.page`.
    """
    found = reader.page(kind_name(type_), account, after=after, limit=limit, prefix=prefix)
    return [to_entity(type_, record) for record in found]


def find_all(reader: Reader, type_: type[E], unique_ids: Iterable[str]) -> list[E]:
    """Return the entities with these unique ids that exist."""
    found = (find_by_id(reader, type_, unique_id) for unique_id in unique_ids)
    return [entity for entity in found if entity is not None]


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

    `account` None means all accounts. `prefix` and `after` are those of `Reader.page`. At most `batch` records are in
    memory at once, and a page is read when its first record is needed.
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


def insert_new(writer: Writer, entity: Entity, taken: Exception) -> None:
    """Store a new entity, or raise `taken` if the name or the id is taken."""
    try:
        insert(writer, entity)
    except RecordExistsError as error:
        raise taken from error


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


def delete_if_present(writer: Writer, type_: type[Entity], account: str, name: str) -> None:
    """Delete the entity of this name if it exists."""
    found = find(writer, type_, account, name)
    if found is not None:
        delete(writer, found)


def kind_name(type_: type[Entity]) -> str:
    """Return the name of this type in the store."""
    return KINDS[type_].name


def kinds_by_name() -> Mapping[str, type[Entity]]:
    """Return the entity type of each record kind."""
    return {kind.name: type_ for type_, kind in KINDS.items()}


def each_by_path(
    reader: Reader, type_: type[N], account: str, prefix: str, after: str, *, batch: int = _BATCH
) -> Iterator[tuple[str, N]]:
    """Yield the named entities below a path, each with its position.

    Starts with the first entity after `after`.
    """
    for record in each_record(reader, type_, account, after=after, prefix=prefix, batch=batch):
        entity = to_entity(type_, record)
        # A position is path and name; the prefix applies only to the path.
        if entity.path.startswith(prefix):
            yield record.sort, entity
