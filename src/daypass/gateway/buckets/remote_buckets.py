"""Buckets of a gateway whose records are on a server elsewhere.

Owns the loaders' answers from the server, and the changes sent to it. The rules are those of StoreBuckets, which asks
these views instead of a store.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple, cast

import msgspec

from daypass.directory.buckets import BucketOwner, LoadedBucket, load_bucket, load_bucket_owner, load_shown_policy
from daypass.directory.entities.bucket_entities import PublicAccessBlock
from daypass.directory.organization.organization_tree import (
    InheritedControls,
    OrganizationMembership,
    load_inherited_controls,
    load_place,
)
from daypass.directory.store import Reader
from daypass.errors import ServiceUnavailable
from daypass.gateway.buckets.buckets import Bucket, BucketFact, BucketMap, BucketSummary, StoreBuckets, load_bucket_list
from daypass.verify.keys import NotLoadedError
from daypass.verify.remote_server.grant_json import GrantFormatError, decode_set, read_json
from daypass.verify.remote_server.protocol import (
    BUCKET_CHANGES_PATH,
    FACTS_PATH,
    WITH_NONCES,
    AccountFact,
    BucketChange,
    BucketChanged,
    FactAnswer,
    FactRequest,
)
from daypass.verify.remote_server.remote_facts import Fact, RemoteFacts
from daypass.verify.remote_server.server_connection import RegistrationRefusedError, ServerConnection
from daypass.verify.s3.errors import s3_error

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Decoder = Callable[[FactAnswer], Any]

_AWAY = "The service is temporarily unavailable. Try again."
_DENIED = "AccessDenied"
_MAY_NOT_CHANGE = (
    "This gateway may not change buckets of account {}: its operator must allow daypass:ManageBuckets on the resource "
    "server to the user of the gateway, and add the account to the registration."
)
_MOST_NAMES = 1_000
_encode = msgspec.json.Encoder().encode


class RemoteViews:
    """Answers the loaders of buckets and accounts from the server.

    With `waits`, a missing fact is loaded at once; without, NotLoadedError is raised.
    """

    def __init__(self, connection: ServerConnection, facts: RemoteFacts, *, waits: bool) -> None:
        self._connection = connection
        self._facts = facts
        self._waits = waits

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the present value of a loader in the table."""
        kind, decode = _LOADERS[loader]
        return cast("T", self.fact(kind, cast("tuple[str, ...]", args), decode))

    def fact(self, kind: str, names: tuple[str, ...], decode: Decoder) -> Any:
        """Return a fact. Raises ServiceUnavailable if the link is stale."""
        key = (kind, decode, *names)
        try:
            return self._facts.find(key, lambda: self._fetch(kind, names, decode))
        except NotLoadedError as missing:
            if not self._waits:
                raise
            missing.load()
        return self._facts.find(key, lambda: self._fetch(kind, names, decode))

    def _fetch(self, kind: str, names: tuple[str, ...], decode: Decoder) -> Fact:
        answer: FactAnswer | None
        try:
            answer = self._connection.post(FACTS_PATH, _encode(FactRequest(kind, names)), FactAnswer, **WITH_NONCES)
        except RegistrationRefusedError as problem:
            if kind != "account":
                raise
            # Trying again does not help: a mapping of the gateway names an account that it is not registered for.
            message = (
                f"This gateway does not serve account {names[0]}: its operator must add the account to the "
                "registration of the resource server."
            )
            raise s3_error(_DENIED, message, detail=problem.detail) from problem
        if answer is None:
            raise ServiceUnavailable(_AWAY, detail="no resource server is registered")
        try:
            value = decode(answer)
        except GrantFormatError as problem:
            raise ServiceUnavailable(_AWAY, detail=str(problem)) from problem
        return Fact(value, answer.dependencies, answer.revision, answer.max_age, answer.nonce)


class RemoteBuckets(StoreBuckets):
    """The buckets, asked from the server."""

    def __init__(self, views: RemoteViews, waiting: RemoteViews, bucket_map: BucketMap) -> None:
        super().__init__(views, waiting, bucket_map)
        self._remote = views

    def owned(self, account: str, backend: str, names: Iterable[str]) -> frozenset[str]:
        """Return those of a backend's buckets that belong to an account.

        The owners of up to 1,000 names are one question.
        """
        listed = sorted(names)
        owned: set[str] = set()
        for start in range(0, len(listed), _MOST_NAMES):
            part = tuple(listed[start : start + _MOST_NAMES])
            owners: list[BucketOwner | None] = self._remote.fact("bucket-owners", part, _owners)
            owned.update(
                name
                for name, owner in zip(part, owners, strict=True)
                if self.is_owned_by(owner, name, account=account, backend=backend)
            )
        return frozenset(owned)


class RemoteBucketWriter:
    """Changes of buckets' records at the server.

    Every method blocks, and raises S3Error or ServiceUnavailable.
    """

    def __init__(self, connection: ServerConnection, facts: RemoteFacts, new_block: PublicAccessBlock | None) -> None:
        self._connection = connection
        self._facts = facts
        self._new_block = _settings(new_block)

    def reserve(self, name: str, account: str, backend: str, *, region: str, now: datetime) -> None:
        """Record a bucket that does not exist at the store yet."""
        del now  # the server's own time counts
        self._send(BucketChange("reserve", name, account, backend, region))

    def confirm(self, name: str, account: str) -> None:
        """Record that the store has the bucket."""
        self._send(BucketChange("confirm", name, account))

    def release(self, name: str, account: str) -> None:
        """Delete the record of a bucket, unless it is active."""
        self._send(BucketChange("release", name, account))

    def begin_deletion(self, bucket: Bucket, *, now: datetime) -> None:
        """Hide a bucket from requests while the store deletes it."""
        del now
        self._send(_change("begin-deletion", bucket))

    def put_policy(self, bucket: Bucket, text: str, *, now: datetime) -> None:
        """Store a bucket policy."""
        del now
        self._send(msgspec.structs.replace(_change("put-policy", bucket), policy=text))

    def delete_policy(self, bucket: Bucket, *, now: datetime) -> None:
        """Delete the bucket policy."""
        del now
        self._send(_change("delete-policy", bucket))

    def put_public_access_block(self, bucket: Bucket, settings: PublicAccessBlock | None, *, now: datetime) -> None:
        """Store the public access block, or delete it."""
        del now
        change = _change("put-public-access-block", bucket)
        self._send(msgspec.structs.replace(change, block=_settings(settings)))

    def _send(self, change: BucketChange) -> None:
        complete = msgspec.structs.replace(change, new_block=self._new_block)
        changed: BucketChanged | None
        try:
            changed = self._connection.post(BUCKET_CHANGES_PATH, _encode(complete), BucketChanged)
        except RegistrationRefusedError as problem:
            raise s3_error(_DENIED, _MAY_NOT_CHANGE.format(change.account), detail=problem.detail) from problem
        if changed is None:
            raise ServiceUnavailable(_AWAY, detail="no resource server is registered")
        if changed.code:
            raise s3_error(changed.code, changed.message, **changed.extra)
        # The feed reports the change within a second. The client of this gateway must see its own change at once.
        self._facts.forget_where(lambda name: change.name in name or change.account in name)


def _settings(block: PublicAccessBlock | None) -> Mapping[str, bool] | None:
    return None if block is None else msgspec.structs.asdict(block)


def _change(action: str, bucket: Bucket) -> BucketChange:
    return BucketChange(action, bucket.name, bucket.account, bucket.backend, known=bucket.stored is not None)


def _bucket(answer: FactAnswer) -> LoadedBucket | None:
    fact: BucketFact | None = read_json(answer.value, BucketFact | None)
    if fact is None:
        return None
    policy = None if fact.policy is None else decode_set(fact.policy, _text_in(answer))
    return LoadedBucket(fact.stored, policy, fact.is_public)


def _owners(answer: FactAnswer) -> list[BucketOwner | None]:
    owners: list[BucketOwner | None] = read_json(answer.value, list[BucketOwner | None])
    return owners


def _owner(answer: FactAnswer) -> BucketOwner | None:
    return _owners(answer)[0]


def _summaries(answer: FactAnswer) -> tuple[BucketSummary, ...]:
    found: tuple[BucketSummary, ...] = read_json(answer.value, tuple[BucketSummary, ...])
    return found


def _shown(answer: FactAnswer) -> str:
    text: str = read_json(answer.value, str)
    return text


def _controls(answer: FactAnswer) -> InheritedControls:
    fact: AccountFact = read_json(answer.value, AccountFact)
    text_of = _text_in(answer)
    return InheritedControls(resource_control=tuple(decode_set(level, text_of) for level in fact.resource_control))


def _place(answer: FactAnswer) -> OrganizationMembership:
    fact: AccountFact = read_json(answer.value, AccountFact)
    return OrganizationMembership(as_resource=dict(fact.resource_keys))


def _text_in(answer: FactAnswer) -> Callable[[str], str]:
    def text_of(name: str) -> str:
        if name not in answer.documents:
            raise GrantFormatError("a document is missing in the server's answer")
        return answer.documents[name]

    return text_of


_LOADERS: Mapping[Any, tuple[str, Decoder]] = {
    load_bucket: ("bucket", _bucket),
    load_bucket_owner: ("bucket-owners", _owner),
    load_bucket_list: ("buckets", _summaries),
    load_shown_policy: ("bucket-policy", _shown),
    load_inherited_controls: ("account", _controls),
    load_place: ("account", _place),
}
