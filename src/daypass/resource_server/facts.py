"""Answer POST facts: buckets, their policies, and limits of accounts.

Owns the table FACTS. A resource server gets facts of the accounts that it serves. A recorded bucket of another account
is answered as one that no request can use, and never as missing: a mapping of the resource server must not adopt it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from daypass.directory.buckets import BucketOwner, find_bucket, load_bucket, load_bucket_owner, load_shown_policy
from daypass.directory.entities.bucket_entities import StoredBucket
from daypass.directory.entities.resource_server_entities import ResourceServer
from daypass.directory.organization.organization_tree import load_inherited_controls, load_place
from daypass.directory.store import Reader, Store
from daypass.errors import AccessDenied, ValidationError
from daypass.gateway.buckets.buckets import BucketFact, load_bucket_list
from daypass.resource_server.grants import MAX_AGE
from daypass.resource_server.snapshot import open_snapshot
from daypass.verify.remote_server.grant_json import Documents, encode_set
from daypass.verify.remote_server.protocol import AccountFact, FactAnswer, FactRequest

_MOST_NAMES = 1_000
_encode = msgspec.json.Encoder().encode

Answerer = Callable[[Reader, ResourceServer, tuple[str, ...], Documents], Any]


def answer_facts(request: FactRequest, server: ResourceServer, store: Store) -> FactAnswer:
    """Return the facts of a request.

    Raises a Fault for an unknown kind or another account.
    """
    answerer = FACTS.get(request.kind)
    if answerer is None:
        raise ValidationError(f"The kind of facts {request.kind!r} is not known. Update the server or the gateway.")
    if not 1 <= len(request.names) <= _MOST_NAMES:
        raise ValidationError(f"Send 1 to {_MOST_NAMES} names.")
    documents: Documents = {}
    with open_snapshot(store, server) as snapshot:
        value = answerer(snapshot.reader, server, request.names, documents)
        return FactAnswer(
            value=msgspec.Raw(_encode(value)),
            documents=documents,
            dependencies=snapshot.dependencies,
            revision=snapshot.position.number,
            max_age=MAX_AGE,
            nonce=snapshot.position.nonce.hex(),
        )


def _bucket(reader: Reader, server: ResourceServer, names: tuple[str, ...], documents: Documents) -> Any:
    (name,) = names
    loaded = load_bucket(reader, name)
    if loaded is None:
        return None
    stored = loaded.stored
    if not server.serves(stored.account):
        return BucketFact(_hidden(stored), None, is_public=False)
    policy = None if loaded.policy is None else encode_set(loaded.policy, documents)
    return BucketFact(_without_policy(stored), policy, loaded.is_public)


def _owners(reader: Reader, server: ResourceServer, names: tuple[str, ...], _documents: Documents) -> Any:
    return [_owner(reader, server, name) for name in names]


def _owner(reader: Reader, server: ResourceServer, name: str) -> BucketOwner | None:
    owner = load_bucket_owner(reader, name)
    if owner is None or server.serves(owner.account):
        return owner
    return BucketOwner("", "", active=False)


def _buckets(reader: Reader, server: ResourceServer, names: tuple[str, ...], _documents: Documents) -> Any:
    (account,) = names
    return load_bucket_list(reader, account) if server.serves(account) else ()


def _account(reader: Reader, server: ResourceServer, names: tuple[str, ...], documents: Documents) -> Any:
    (account,) = names
    if not server.serves(account):
        raise AccessDenied(f"{server.name} does not serve account {account}.")
    controls = load_inherited_controls(reader, account)
    return AccountFact(
        resource_control=tuple(encode_set(level, documents) for level in controls.resource_control),
        resource_keys=load_place(reader, account).as_resource,
    )


def _policy(reader: Reader, server: ResourceServer, names: tuple[str, ...], _documents: Documents) -> Any:
    (name,) = names
    stored = find_bucket(reader, name)
    return load_shown_policy(reader, name) if stored is not None and server.serves(stored.account) else ""


def _without_policy(stored: StoredBucket) -> StoredBucket:
    return msgspec.structs.replace(stored, policy="", foreign={})


def _hidden(stored: StoredBucket) -> StoredBucket:
    return msgspec.structs.replace(_without_policy(stored), account="", backend="", state="deleting")


FACTS: Mapping[str, Answerer] = {
    "account": _account,
    "bucket": _bucket,
    "bucket-owners": _owners,
    "bucket-policy": _policy,
    "buckets": _buckets,
}
