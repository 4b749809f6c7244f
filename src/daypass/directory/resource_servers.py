"""Registered resource servers in the store.

Owns the rules of a registration and the loaders that the cache keeps. sts, iam and Daypass's own API are never a
resource server's service: a key for one of them would sign calls that change permissions.
"""

import re
from datetime import datetime

from daypass.directory import records
from daypass.directory.entities.iam_entities import Account
from daypass.directory.entities.resource_server_entities import EVERY_ACCOUNT, ResourceServer
from daypass.directory.store import Reader, RecordExistsError, Writer
from daypass.ports import Entropy
from daypass.regions import REGION_FORM, is_region_name

FORBIDDEN_SERVICES = frozenset(
    {"sts", "iam", "daypass", "sso", "sso-oauth", "signin", "rolesanywhere", "eks", "eks-auth"}
)
_SALT_BYTES = 16
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class ResourceServerError(Exception):
    """A registration that is not valid. The message says why."""


def register(writer: Writer, server: ResourceServer) -> None:
    """Store a registration. Raises ResourceServerError."""
    _check(writer, server)
    try:
        records.insert(writer, server)
    except RecordExistsError:
        raise ResourceServerError(f"Resource server {server.name} exists already.") from None


def new_registration(  # noqa: PLR0913 - one parameter a field
    name: str,
    *,
    account: str,
    service: str,
    regions: tuple[str, ...],
    accounts: tuple[str, ...],
    now: datetime,
    entropy: Entropy,
) -> ResourceServer:
    """Return a registration with each region and account once."""
    return ResourceServer(
        name=name,
        account=account,
        service=service,
        regions=tuple(sorted(set(regions))),
        accounts=(EVERY_ACCOUNT,) if EVERY_ACCOUNT in accounts else tuple(sorted(set(accounts))),
        created=now,
        salt=entropy(_SALT_BYTES),
    )


def load_resource_server(reader: Reader, name: str) -> ResourceServer | None:
    """Return a registration by its name, or None."""
    return records.find(reader, ResourceServer, "", name)


def has_resource_servers(reader: Reader) -> bool:
    """Return whether a resource server is registered."""
    return reader.count(records.kind_name(ResourceServer), "") > 0


def _check(reader: Reader, server: ResourceServer) -> None:
    if not _NAME.fullmatch(server.name):
        raise ResourceServerError(
            f"{server.name!r} is not a valid name: use up to 63 lower-case letters, digits and hyphens."
        )
    if not _SERVICE.fullmatch(server.service):
        raise ResourceServerError(f"{server.service!r} is not a valid service name, such as s3 or inventory.")
    if server.service in FORBIDDEN_SERVICES:
        raise ResourceServerError(f"A resource server cannot get signing keys of the service {server.service}.")
    if not server.regions:
        raise ResourceServerError("Name at least one region.")
    for region in server.regions:
        if not is_region_name(region):
            raise ResourceServerError(f"{region!r} is not a valid region name: use {REGION_FORM}.")
    if not server.accounts:
        raise ResourceServerError("Name at least one account.")
    for account in server.accounts:
        if account != EVERY_ACCOUNT and records.find(reader, Account, "", account) is None:
            raise ResourceServerError(f"Account {account} does not exist.")
