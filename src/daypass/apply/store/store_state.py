"""The present state: the selected accounts of a store as a State.

Entities are read with their attachments. Secrets of access keys are decrypted for the comparison.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

from daypass.apply.file.issuer_terms import stored_key_set
from daypass.apply.file.password_policy import stored_policy
from daypass.apply.file.propagation_terms import stored_context_provider
from daypass.apply.file.state import Key, KeyValue, State, Thing
from daypass.apply.store.bucket_records import read_bucket
from daypass.apply.store.client_records import read_client
from daypass.apply.store.organization import account_attributes, read_units, unit_paths
from daypass.apply.store.private_keys import held_keys
from daypass.directory import links, records
from daypass.directory.entities.apply_entities import Mark
from daypass.directory.entities.bucket_entities import StoredBucket
from daypass.directory.entities.iam_entities import AccessKey, Account, Entity, Group, Holder, ManagedPolicy, Role, User
from daypass.directory.entities.oidc_entities import OidcProvider, OidcSignInClient
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.principals import show_principals
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader
from daypass.directory.unresolved_principals import unresolved_in, unresolved_of
from daypass.mint.secret import Secret

H = TypeVar("H", bound=Holder)

_TOGETHER = 200  # entities whose links are read at once

# Kind of entity -> its type in a store.
ENTITIES: Mapping[str, type[Entity]] = {
    "policy": ManagedPolicy,
    "group": Group,
    "user": User,
    "role": Role,
    "oidcProvider": OidcProvider,
    "samlProvider": SamlProvider,
    "oidcClient": OidcSignInClient,
    "bucket": StoredBucket,
}


def read_present(reader: Reader, accounts: Iterable[str], vault: SecretBox) -> State:
    """Return the entities of the accounts, if the accounts exist."""
    state: dict[Key, Thing] = {}
    paths = unit_paths(reader)
    for account_id in accounts:
        account = records.find(reader, Account, "", account_id) if account_id else None
        things = read_units(reader) if not account_id else iter(())
        if account is not None:
            things = chain((_account(reader, account, paths),), _things(reader, account, vault))
        state |= {thing.key: thing for thing in things}
    return state


def all_accounts(reader: Reader) -> list[str]:
    """Return the ids of all accounts of the store, in order."""
    return [account.id for account in records.each(reader, Account, "")]


def read_standings(reader: Reader) -> dict[str, str]:
    """Return the role of each account in the organization."""
    return {account.id: account.standing for account in records.each(reader, Account, "")}


def read_marks(reader: Reader, accounts: Iterable[str], owner: str) -> dict[str, Mark]:
    """Return the marks of an owner in the accounts, by unique id."""
    return {
        mark.thing: mark for account in accounts for mark in records.each(reader, Mark, account) if mark.owner == owner
    }


def _account(reader: Reader, account: Account, paths: Mapping[str, str]) -> Thing:
    attributes = {
        "name": account.name,
        "alias": account.alias,
        "passwordPolicy": stored_policy(account.password_policy),
        **account_attributes(reader, account, paths),
    }
    return Thing(account.id, "account", account.id, attributes, id=account.id)


def _things(reader: Reader, account: Account, vault: SecretBox) -> Iterator[Thing]:
    groups: dict[str, str] = {}
    keys = _keys(reader, account.id, vault)
    for policy in records.each(reader, ManagedPolicy, account.id):
        yield _policy(policy)
    for group, attached in _each_linked(reader, Group, account.id, links.ATTACHED):
        groups[group.id] = group.name
        yield Thing(account.id, "group", group.name, _holder(group, group.path, attached), id=group.id)
    for user, attached, member_of in _each_linked(reader, User, account.id, links.ATTACHED, links.MEMBER):
        attributes = {
            **_holder(user, user.path, attached),
            "tags": user.tags,
            "groups": {groups[group_id]: None for group_id in member_of},
            "boundary": user.boundary,
            "accessKeys": keys.get(user.id, {}),
        }
        yield Thing(account.id, "user", user.name, attributes, id=user.id)
    for issuer in records.each(reader, OidcProvider, account.id):
        attributes = {
            "clientIds": dict.fromkeys(issuer.client_ids),
            "thumbprints": list(issuer.thumbprints),
            "furtherClaims": list(issuer.further_claims),
            "pinnedKeys": stored_key_set(issuer.pinned_keys),
            "contextProvider": stored_context_provider(issuer.context_provider),
            "tags": issuer.tags,
        }
        yield Thing(account.id, "oidcProvider", issuer.name, attributes, id=issuer.id)
    for provider in records.each(reader, SamlProvider, account.id):
        attributes = {
            "metadata": provider.metadata,
            "encryptionMode": provider.encryption or "Allowed",
            "privateKeys": held_keys(provider, vault),
            "contextProvider": stored_context_provider(provider.context_provider),
            "lax": provider.lax,
            "allowSha1": provider.allow_sha1,
            "label": provider.label,
            "logo": provider.logo,
            "order": provider.order,
            "tags": provider.tags,
        }
        yield Thing(account.id, "samlProvider", provider.name, attributes, id=provider.id)
    for client in records.each(reader, OidcSignInClient, account.id):
        yield read_client(client, vault)
    for role, attached in _each_linked(reader, Role, account.id, links.ATTACHED):
        yield _role(reader, role, attached)
    for bucket in records.each(reader, StoredBucket, account.id):
        if bucket.state == "active":
            yield read_bucket(reader, bucket)


def _policy(policy: ManagedPolicy) -> Thing:
    attributes = {
        "path": policy.path,
        "description": policy.description,
        "document": json.loads(policy.document),
        "tags": policy.tags,
    }
    return Thing(policy.account, "policy", policy.name, attributes, id=policy.id)


def _role(reader: Reader, role: Role, attached: Sequence[str]) -> Thing:
    attributes = {
        **_holder(role, role.path, attached),
        "description": role.description,
        "maxSessionDuration": role.max_session_seconds,
        "maxSigninSessionDuration": role.max_signin_seconds or 0,
        "trust": json.loads(show_principals(reader, role.trust, unresolved_of(role.foreign))),
        "tags": role.tags,
        "boundary": role.boundary,
    }
    return Thing(
        role.account,
        "role",
        role.name,
        attributes,
        id=role.id,
        unresolved=unresolved_in(reader, role.trust, role.foreign),
        protected=role.service_linked,
    )


def _holder(holder: Holder, path: str, attached: Sequence[str]) -> dict[str, Any]:
    return {
        "path": path,
        "policies": dict.fromkeys(attached),
        "inline": {name: json.loads(text) for name, text in holder.inline.items()},
    }


def _each_linked(reader: Reader, type_: type[H], account: str, *kinds: str) -> Iterator[tuple[Any, ...]]:
    """Yield the entities of a type in an account, each with the targets of its links of each kind.

    One query reads the links of many entities.
    """
    found = records.each(reader, type_, account)
    while True:
        some: list[H] = list(islice(found, _TOGETHER))
        if not some:
            return
        targets: list[dict[str, list[str]]] = []
        for kind in kinds:
            by_source: dict[str, list[str]] = {}
            for link in reader.targets_of(kind, [entity.id for entity in some]):
                by_source.setdefault(link.source, []).append(link.target)
            targets.append(by_source)
        for entity in some:
            yield (entity, *(by_source.get(entity.id, ()) for by_source in targets))


def _keys(reader: Reader, account: str, vault: SecretBox) -> dict[str, dict[str, KeyValue]]:
    """Return the access keys of an account by owner.

    The keys of the root user are omitted.
    """
    found: dict[str, dict[str, KeyValue]] = {}
    for key in records.each(reader, AccessKey, account):
        if not key.is_root:
            secret = Secret(vault.decrypt(key.sealed_secret, bound_to=key.id).decode())
            found.setdefault(key.owner, {})[key.id] = KeyValue(key.active, secret)
    return found
