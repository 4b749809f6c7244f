"""What a judge of S3 requests is made of.

Owns the list of its parts. wiring_gateway.py chooses them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from daypass.gateway.audit_events import ExchangeLog
from daypass.gateway.buckets.buckets import BucketMap, Buckets, BucketWriter
from daypass.gateway.judge.decisions import DecisionTools
from daypass.gateway.judge.lookups import ObjectCalls
from daypass.gateway.judge.read_templates import ReadTemplates
from daypass.gateway.judge.uploads import KnownUploads
from daypass.gateway.plan import Backend
from daypass.gateway.stores.profiles import StoreProfile
from daypass.verify.keys import Keys
from daypass.verify.s3.operations.object_keys import KeyRule
from daypass.verify.s3.resign import BackendAddress
from daypass.verify.signature import SignatureProfile


class StoreBackend(msgspec.Struct, frozen=True):
    """A store as the judge sees it."""

    backend: Backend
    address: BackendAddress
    profile: StoreProfile


class JudgeParts(msgspec.Struct, frozen=True):
    """What a judge is made of.

    - `waiting_buckets` may wait. They serve the steps that run on a worker thread.
    - `failure_allowed` counts a request of a peer that failed before its caller was known, and returns whether the peer
      may have more of them.
    - `only_rule` is the rule for keys of the only store, or None if there are several; a passed value is ignored.
    - `question_allowed` does the same for a request that causes a question to another machine, about a name that may be
      invented.
    """

    keys: Keys
    buckets: Buckets
    waiting_buckets: Buckets
    bucket_map: BucketMap
    writer: BucketWriter
    calls: ObjectCalls
    backends: Mapping[str, StoreBackend]
    signature: SignatureProfile
    decisions: DecisionTools
    log: ExchangeLog
    now: Callable[[], datetime]
    new_request_id: Callable[[], str]
    failure_allowed: Callable[[str], bool]
    question_allowed: Callable[[str], bool]
    on_alarm: Callable[[str], None]
    domains: tuple[str, ...] = ()
    uploads: KnownUploads = msgspec.field(default_factory=KnownUploads)
    reads: ReadTemplates = msgspec.field(default_factory=ReadTemplates)
    only_rule: KeyRule | None = None

    def __post_init__(self) -> None:
        rules = [store.profile.keys for store in self.backends.values()]
        msgspec.structs.force_setattr(self, "only_rule", rules[0] if len(rules) == 1 else None)
