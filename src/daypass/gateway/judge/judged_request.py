"""The parts of a judgement that every S3 operation needs.

Owns the state of one request, its caller, its buckets, its decisions, and the request for the store. Its rules:

- The caller, the buckets and the permissions of a request are found in this order, and each of them may refuse.
- A value that is not loaded ends the attempt on the event loop. A worker thread loads it and tries again.
- What is forwarded is what was judged, signed with the store's key.

Leaves the steps of each operation to judgement.py, each decision to decisions.py, and bodies to request_body.py.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

from daypass.gateway.audit_events import RequestExchange
from daypass.gateway.buckets.buckets import Bucket
from daypass.gateway.judge.decisions import Decider
from daypass.gateway.judge.edit import answer_rule
from daypass.gateway.judge.judge_parts import JudgeParts, StoreBackend
from daypass.gateway.judge.request_body import (
    COLLECTED,
    UNUSED_SEED,
    CollectedBody,
    headers_of_collected,
    plain_body,
    plan_request_body,
)
from daypass.gateway.judge.uploads import OF_AN_UPLOAD
from daypass.gateway.plan import AnswerRule, Collect, Forward, Peer, Plan, Respond
from daypass.policy.authorization_request import NewConditionKeys
from daypass.verify.caller import ANONYMOUS, VerifiedCaller
from daypass.verify.head import RequestHead
from daypass.verify.keys import KeyClaim, KeyGrant, Keys, NotLoadedError
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.s3.errors import S3Error, s3_error
from daypass.verify.s3.operations.object_keys import FOLDED, KeyRule
from daypass.verify.s3.operations.request import S3Request, check_expected_owners
from daypass.verify.s3.operations.routes import OPERATIONS
from daypass.verify.s3.permissions.actions import Permission, list_permission
from daypass.verify.s3.permissions.conditions import ConnectionFacts, request_keys
from daypass.verify.s3.permissions.lookups import LookUp
from daypass.verify.s3.resign import sign_for_backend
from daypass.verify.signature import VerifiedRequest, verify_head

T = TypeVar("T")

_MOST_LOADS = 64  # values that one request may need; each round loads one
_HOME_REGION = "us-east-1"
_READ_TAGS = "s3:GetObjectTagging"
_REDIRECT, _WEBSITE = b"x-amz-website-redirect-location", "PutBucketWebsite"
# Failures that a client can repeat to guess a key, or to keep the store busy.
_GUESSES = frozenset({VerifyReason.UNKNOWN_KEY, VerifyReason.INVALID_TOKEN, VerifyReason.SIGNATURE_MISMATCH})


class _RecordedKeys:
    """Notes the claim of a request for the audit event, and whether its key exists."""

    __slots__ = ("_exchange", "_keys")

    def __init__(self, keys: Keys, exchange: RequestExchange) -> None:
        self._keys = keys
        self._exchange = exchange

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:
        exchange = self._exchange
        exchange.access_key_id, exchange.region, exchange.presigned = claim.access_key_id, claim.region, claim.presigned
        exchange.names_known_key = False  # of an attempt before
        grant = self._keys.find(claim, now)
        exchange.names_known_key = True
        return grant


class JudgedRequest:
    """One request, with its caller, its buckets and its decisions."""

    __slots__ = (
        "_bucket",
        "_decider",
        "_exchange",
        "_head",
        "_may_wait",
        "_now",
        "_parts",
        "_peer",
        "_region",
        "_request",
        "_source",
        "_verified",
    )

    def __init__(self, parts: JudgeParts, head: RequestHead, peer: Peer, *, may_wait: bool) -> None:
        self._parts = parts
        self._head = head
        self._peer = peer
        self._may_wait = may_wait
        self._now = parts.now()
        self._exchange = RequestExchange(parts.log, parts.new_request_id(), peer, head, self._now)
        self._verified: VerifiedRequest | None = None
        self._region = _HOME_REGION
        self._bucket: Bucket | None = None
        self._source: Bucket | None = None

    def _settle(self, step: Callable[[], T]) -> T | Respond:
        """Run a step, and turn its exception into a refusal."""
        try:
            return self._loading(step) if self._may_wait else step()
        except NotLoadedError:
            raise
        except Exception as error:  # noqa: BLE001 - every request gets an answer
            return self._exchange.refuse(error)

    def _loading(self, step: Callable[[], T]) -> T:
        for _ in range(_MOST_LOADS):
            try:
                return step()
            except NotLoadedError as missing:
                if missing.is_new and not self._parts.question_allowed(self._peer.address):
                    raise s3_error("SlowDown", detail="throttled: too many new names") from None
                missing.load()
        raise s3_error("ServiceUnavailable", detail="the values that the request needs could not be loaded")

    def _wait(self) -> None:
        """Continue on a worker thread only."""
        if not self._may_wait:
            raise NotLoadedError(_nothing)

    # The caller -----------------------------------------------------------------------------------------------

    def _route(self, request: S3Request, verified: VerifiedRequest | None) -> None:
        """Take the request that is judged from here on."""
        exchange, peer, now = self._exchange, self._peer, self._now
        self._request = request
        caller = ANONYMOUS if verified is None else verified.caller
        exchange.operation, exchange.bucket, exchange.key = request.operation, request.bucket, request.key
        exchange.parameters = request.parameters
        connection = ConnectionFacts(peer.address, peer.secure, peer.tls_version, self._region)
        keys = request_keys(request, verified, connection=connection, now=now)
        self._decider = Decider(self._parts.decisions, caller, keys, now, may_wait=self._may_wait)

    def _verify_head(self, keys: Keys) -> VerifiedRequest | None:
        return verify_head(self._head, keys, service=self._parts.signature, now=self._now)

    def _verify(self, verify: Callable[[Keys], VerifiedRequest | None]) -> VerifiedRequest | None:
        exchange, parts = self._exchange, self._parts
        try:
            self._verified = verified = verify(_RecordedKeys(parts.keys, exchange))
        except VerifyError as error:
            if error.reason in _GUESSES and not parts.failure_allowed(self._peer.address):
                raise s3_error("SlowDown", detail=f"throttled: {error.reason.value}") from error
            raise
        if verified is None:
            exchange.caller = ANONYMOUS
        else:
            exchange.caller, self._region = verified.caller, exchange.region
        return verified

    def _rule_of(self, name: str) -> KeyRule:
        backends, only_rule = self._parts.backends, self._parts.only_rule
        if only_rule is not None:
            return only_rule
        bucket = self._parts.buckets.find(name)
        backend = None if bucket is None else backends.get(bucket.backend)
        return FOLDED if backend is None else backend.profile.keys

    @property
    def _caller(self) -> VerifiedCaller:
        return ANONYMOUS if self._verified is None else self._verified.caller

    # Buckets ----------------------------------------------------------------------------------------------

    def _find_buckets(self) -> None:
        """Find the bucket of the request, and that of its copy source."""
        request = self._request
        self._bucket = bucket = self._find_bucket(request.bucket)
        self._exchange.bucket_account = bucket.account
        source_account = ""
        if request.copy_source is not None:
            self._source = self._find_bucket(request.copy_source.bucket)
            source_account = self._source.account
        check_expected_owners(request, bucket.account, source_account)

    def _find_bucket(self, name: str) -> Bucket:
        bucket = self._parts.buckets.find(name)
        if bucket is None or bucket.backend not in self._parts.backends:
            detail = "no account has this bucket" if bucket is None else f"there is no backend {bucket.backend}"
            raise s3_error("NoSuchBucket", detail=detail, BucketName=name)
        return bucket

    def _require_same_bucket(self) -> None:
        """Raise S3Error if the bucket is not the one that was decided about any more."""
        decided = self._bucket
        if decided is None:
            return
        if not self._find_bucket(decided.name).is_same(decided):
            detail = "the bucket was deleted and created again while the body arrived"
            raise s3_error("NoSuchBucket", detail=detail, BucketName=decided.name)

    def _before_end(self, may_wait: bool) -> None:  # noqa: FBT001 - a callback
        """Look at the bucket again, before the store gets the end of a body that arrived slowly."""
        if may_wait:
            self._loading(self._require_same_bucket)
        else:
            self._require_same_bucket()

    def _known_bucket(self) -> Bucket:
        if self._bucket is None:
            raise s3_error("InternalError", detail="a step needs the bucket before it was found")
        return self._bucket

    def _store(self) -> StoreBackend:
        bucket = self._bucket or self._known_bucket()
        return self._parts.backends[bucket.backend]

    # Decisions ----------------------------------------------------------------------------------------------

    def _require(self, needed: tuple[Permission, ...], added: NewConditionKeys | None = None) -> None:
        """Raise S3Error unless every permission is allowed."""
        if not needed:
            raise s3_error("InternalError", detail="an operation without permissions")
        for permission in needed:
            bucket = self._source if permission.is_source else self._bucket
            refused = self._decider.refuses(permission, bucket, added)
            if refused is not None and not (permission.if_source_tagged and self._is_source_untagged()):
                self._exchange.encoded = refused.encoded
                raise refused.error

    def _is_source_untagged(self) -> bool:
        """Return whether the source of a copy certainly does not have tags, thus no permission about them is needed.

        Stores may ignore the version in a question about tags, thus a source with a version counts as tagged.
        """
        source, bucket = self._request.copy_source, self._source
        if source is None or bucket is None or source.version_id:
            return False
        self._wait()
        permission = Permission(_READ_TAGS, f"{bucket.arn}/{source.key}", bucket.name, is_source=True)
        found = self._parts.decisions.tags.find(permission, bucket, frozenset({LookUp.OBJECT_TAGS}))
        return found is not None and not found

    def _missing(self) -> S3Error | None:
        """Return the refusal for a missing object, or None if the caller may list its bucket."""
        bucket = self._source or self._known_bucket()
        refused = self._decider.refuses(list_permission(bucket.name), bucket)
        return None if refused is None else refused.error

    def _missing_waiting(self) -> Exception | None:
        """Decide about a missing object on a worker thread."""
        self._may_wait = self._decider.may_wait = True
        try:
            return self._loading(self._missing)
        except Exception as error:  # noqa: BLE001 - a missing object must not become visible by an error
            return error

    # Bodies -------------------------------------------------------------------------------------------------

    def _collect(self, limit: int, step: Callable[[bytes], Plan]) -> Plan:
        """Read the body, verified, and continue with `step`."""
        plan = plan_request_body(self._head, self._request, self._verified, COLLECTED)
        if plan.make is None:
            return step(b"")
        finish = partial(self._finish, step, plan.headers)
        return Collect(
            self._exchange,
            limit,
            plan.make(UNUSED_SEED),
            partial(finish, may_wait=False),
            partial(finish, may_wait=True),
        )

    def _finish(
        self, step: Callable[[bytes], Plan], headers: Mapping[bytes, bytes], body: bytes, *, may_wait: bool
    ) -> Forward | Respond:
        self._may_wait = self._decider.may_wait = may_wait
        plain = plain_body(body, headers)

        def follow() -> Plan:
            self._require_same_bucket()
            return step(plain)

        following = self._settle(follow)
        if isinstance(following, Collect):
            return self._exchange.refuse(s3_error("InternalError", detail="a body was collected twice"))
        return following

    # Forward ------------------------------------------------------------------------------------------------

    def _forward(self) -> Plan:
        name, store = self._request.operation, self._store()
        self._require_forwarded(name, store)
        if self._source is not None and self._source.backend != self._known_bucket().backend:
            raise s3_error("NotImplemented", "A copy between two stores is not implemented.")
        if name in OF_AN_UPLOAD and not store.profile.binds_uploads:
            self._require_own_upload()
        return self._forward_checked(store)

    def _require_own_upload(self) -> None:
        """Raise S3Error unless the upload is one of the key that was decided."""
        request, bucket, parts = self._request, self._known_bucket(), self._parts
        upload_id = request.parameters["uploadId"]
        if not parts.uploads.is_known(bucket, request.key, upload_id):
            self._wait()
            parts.uploads.require(parts.calls, bucket, request.key, upload_id)

    def _require_forwarded(self, name: str, store: StoreBackend) -> None:
        operations = store.profile.operations
        if name not in operations:
            message = f"The operation {name} is not supported: this gateway does not forward it to its store."
            raise s3_error("NotImplemented", message)
        # A store with a website would answer the readers of the object itself, with a redirect to any address.
        if _REDIRECT in self._request.headers and _REDIRECT in OPERATIONS[name].headers and _WEBSITE not in operations:
            message = (
                f"The header {_REDIRECT.decode()} is not supported: this gateway does not forward the operations of "
                "websites to its store."
            )
            raise s3_error("NotImplemented", message, Header=_REDIRECT.decode())

    def _forward_checked(self, store: StoreBackend) -> Forward:
        request, head = self._request, self._head
        plan = plan_request_body(head, request, self._verified, store.profile.bodies)
        headers = plan.headers
        signed = sign_for_backend(
            request, backend=store.address, payload=plan.payload, body_headers=headers, now=self._now
        )
        return Forward(
            self._exchange,
            request.operation,
            store.backend,
            signed.head,
            self._answers(),
            None if plan.make is None else plan.make(signed.seed),
            b"transfer-encoding" in headers,
            int(headers[b"content-length"]) if b"content-length" in headers else 0,
            head.method == "HEAD",
            before_end=self._before_end,
        )

    def _forward_collected(self, body: bytes, *, is_changed: bool, answers: AnswerRule | None = None) -> Plan:
        """Forward a request with a body that was collected."""
        request, store = self._request, self._store()
        self._require_forwarded(request.operation, store)
        plan = plan_request_body(self._head, request, self._verified, COLLECTED)
        headers = headers_of_collected(plan, body, is_changed=is_changed)
        signed = sign_for_backend(
            request,
            backend=store.address,
            payload=hashlib.sha256(body).hexdigest(),
            body_headers=headers,
            now=self._parts.now(),
        )
        return Forward(
            self._exchange,
            request.operation,
            store.backend,
            signed.head,
            answers or self._answers(),
            CollectedBody(body),
            content_length=len(body),
            before_end=self._before_end,
        )

    def _answers(self) -> AnswerRule:
        """Return the rule for the store's answer."""
        bucket = self._bucket or self._known_bucket()
        return answer_rule(
            self._exchange,
            self._request.operation,
            account=bucket.account,
            region=bucket.region or self._region,
            location=self._location,
            missing=self._missing_waiting,
            on_alarm=self._parts.on_alarm,
        )

    def _location(self) -> str:
        """Return the address of the object at this gateway."""
        return f"{self._origin()}{self._head.path.decode('latin-1')}"

    def _origin(self) -> str:
        host = self._head.headers.get(b"host", b"").decode("latin-1")
        return f"{'https' if self._peer.secure else 'http'}://{host}"


def _nothing() -> None:
    """Do not load anything: the step needs a thread, not a value."""
