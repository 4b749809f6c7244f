"""The judge of S3 requests: what the server does with each of them.

Owns the order of the steps: signature, operation, bucket, permissions, the answer here or the request for the store.
Its rules:

- Every step may refuse, and only the last one allows. An operation that is not forwarded, answered or refused by name
  here is refused.
- The operations on buckets that belong to Daypass are answered here: policies, public access blocks, ownership, ACLs.
- A request is forwarded to the backend of its bucket, if that store's profile has the operation. What is forwarded is
  what was judged, signed with the store's key.
- A bucket that nothing maps does not exist.
- Nothing waits on the event loop. What has to wait raises NotLoadedError, and the whole judgement is repeated on a
  worker thread.

Leaves each decision to decisions.py, bodies to verify/s3, and answers of stores to edit.py.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec

from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.errors import ExpiredToken, InvalidClientTokenId
from daypass.gateway.audit_events import ExchangeLog, RequestExchange
from daypass.gateway.bucket_lifecycle import create_bucket, delete_bucket
from daypass.gateway.bucket_operations import (
    MOST_BODY,
    READS,
    WRITES,
    BucketRequest,
    LocalAnswer,
    acl_of,
    answer_read,
    perform_write,
)
from daypass.gateway.buckets import Bucket, BucketMap, Buckets, BucketWriter
from daypass.gateway.decisions import Decider, DecisionTools
from daypass.gateway.edit import (
    MAY_FAIL_LATE,
    OF_AN_OBJECT,
    WITH_OWNERS,
    LateAnswers,
    ObjectAnswers,
    own_account,
    with_location,
)
from daypass.gateway.list_buckets import buckets_of_account, render_buckets
from daypass.gateway.lookups import ObjectCalls
from daypass.gateway.plan import Backend, Body, Collect, Forward, HeaderPairs, Peer, Plan, Respond
from daypass.gateway.profiles import StoreProfile
from daypass.gateway.store_answers import StoreAnswers
from daypass.policy.authorization_request import NewConditionKeys
from daypass.verify.caller import ANONYMOUS, VerifiedCaller
from daypass.verify.head import RequestHead
from daypass.verify.http_chunks import HttpChunkReader
from daypass.verify.keys import KeyClaim, KeyGrant, Keys, NotLoadedError
from daypass.verify.payload import UNSIGNED, find_payload_form
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.s3.actions import Permission, list_permission, permissions, tag_bucket_permission
from daypass.verify.s3.bodies import BodyPlan, BodyProfile, claim_body, plan_body
from daypass.verify.s3.body_conditions import BODY_KEYS, LARGEST_BODY, body_keys
from daypass.verify.s3.chunk_signatures import ChunkSeed
from daypass.verify.s3.conditions import ConnectionFacts, request_keys
from daypass.verify.s3.errors import S3Error, s3_error
from daypass.verify.s3.object_keys import KeyRule
from daypass.verify.s3.request import PREFLIGHT, S3Request, check_expected_owners, parse_s3_request
from daypass.verify.s3.resign import BackendAddress, SignedHead, sign_for_backend
from daypass.verify.s3.routes import POST_OBJECT
from daypass.verify.signature import SignatureProfile, VerifiedRequest, verify_head

T = TypeVar("T")

_MOST_LOADS = 64  # values that one request may need; each round loads one
_HOME_REGION = "us-east-1"
# A body that is collected does not go to a store, so it is not signed in chunks.
_UNUSED_SEED = ChunkSeed("", "", "", signing_key("", "", "", ""))
_OK, _MISSING = 200, 404

_REFUSED_BY_DEFAULT = "This gateway does not forward {}: the store behind it does not implement it as S3 does."


class StoreBackend(msgspec.Struct, frozen=True):
    """A store as the judge sees it."""

    backend: Backend
    address: BackendAddress
    profile: StoreProfile


class JudgeParts(msgspec.Struct, frozen=True):
    """What a judge is made of.

    `failure_allowed` counts a request of a peer that failed before its caller was known, and returns whether the peer
    may have more of them.
    """

    keys: Keys
    buckets: Buckets
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
    on_alarm: Callable[[str], None]
    domains: tuple[str, ...] = ()


class S3Judge:
    """Decides the requests of one gateway process."""

    def __init__(self, parts: JudgeParts) -> None:
        self._parts = parts

    def judge(self, head: RequestHead, peer: Peer) -> Plan:
        """Return the plan of a request without waiting.

        Raises NotLoadedError, and no other exception.
        """
        return self._judgement(head, peer, may_wait=False).plan()

    def judge_waiting(self, head: RequestHead, peer: Peer) -> Plan:
        """Return the plan of a request on a thread that may wait."""
        return self._judgement(head, peer, may_wait=True).plan()

    def refuse(self, error: Exception, peer: Peer) -> Respond:
        """Return the answer to a request without a valid head."""
        parts = self._parts
        return RequestExchange(parts.log, parts.new_request_id(), peer, None, parts.now()).refuse(error)

    def _judgement(self, head: RequestHead, peer: Peer, *, may_wait: bool) -> "_Judgement":
        return _Judgement(self._parts, head, peer, may_wait=may_wait)


class _RecordedKeys:
    """Remembers the claim of a request, and whether its key exists."""

    __slots__ = ("_keys", "claim", "is_known")

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.claim: KeyClaim | None = None
        self.is_known = False

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:
        self.claim = claim
        grant = self._keys.find(claim, now)
        self.is_known = True
        return grant


class _Whole:
    """A body that was collected before, as the rest of a Forward."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        raise s3_error("InternalError", detail=f"{len(data)} bytes after the end of a collected body")

    def finish(self) -> list[bytes]:
        return [self._body]


class _Judgement:
    """One request, from its head to its plan."""

    __slots__ = (
        "_bucket",
        "_decider",
        "_exchange",
        "_head",
        "_keys",
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

    def plan(self) -> Plan:
        """Return the plan. Raises NotLoadedError if it must not wait."""
        return self._settle(self._plan)

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
                self._load(missing)
        raise s3_error("ServiceUnavailable", detail="the values that the request needs could not be loaded")

    @staticmethod
    def _load(missing: NotLoadedError) -> None:
        try:
            missing.load()
        except (ExpiredToken, InvalidClientTokenId):
            return  # the step finds the same, and turns it into S3's error

    # The steps ----------------------------------------------------------------------------------------------

    def _plan(self) -> Plan:
        parts, exchange = self._parts, self._exchange
        self._verified = verified = self._verify()
        self._request = request = parse_s3_request(self._head, verified, domains=parts.domains, key_rules=self._rule_of)
        exchange.operation, exchange.bucket, exchange.key = request.operation, request.bucket, request.key
        if request.bucket:
            exchange.resource = f"/{request.bucket}/{request.key}" if request.key else f"/{request.bucket}"
        exchange.parameters = request.parameters
        caller = ANONYMOUS if verified is None else verified.caller
        peer = self._peer
        connection = ConnectionFacts(peer.address, peer.secure, peer.tls_version, self._region)
        self._keys = request_keys(request, verified, connection=connection, now=self._now)
        self._decider = Decider(parts.decisions, caller, self._keys, self._now, may_wait=self._may_wait)
        return _STEPS.get(request.operation, _Judgement._about_bucket)(self)

    def _verify(self) -> VerifiedRequest | None:
        parts, exchange = self._parts, self._exchange
        keys = _RecordedKeys(parts.keys)
        try:
            verified = verify_head(self._head, keys, service=parts.signature, now=self._now)
        except VerifyError as error:
            self._note_claim(keys)
            if error.reason in _GUESSES and not parts.failure_allowed(self._peer.address):
                raise s3_error("SlowDown", detail=f"throttled: {error.reason.value}") from error
            raise
        self._note_claim(keys)
        exchange.caller = ANONYMOUS if verified is None else verified.caller
        return verified

    def _note_claim(self, keys: _RecordedKeys) -> None:
        exchange, claim = self._exchange, keys.claim
        if claim is not None:
            exchange.access_key_id, exchange.region = claim.access_key_id, claim.region
            exchange.presigned, exchange.names_known_key = claim.presigned, keys.is_known
            self._region = claim.region

    def _rule_of(self, name: str) -> KeyRule:
        backends = self._parts.backends
        if len(backends) == 1:
            return next(iter(backends.values())).profile.keys
        bucket = self._parts.buckets.find(name)
        backend = None if bucket is None else backends.get(bucket.backend)
        return KeyRule() if backend is None else backend.profile.keys

    @property
    def _caller(self) -> VerifiedCaller:
        return ANONYMOUS if self._verified is None else self._verified.caller

    # Operations on the service, and new buckets -------------------------------------------------------------

    def answer_list_buckets(self) -> Plan:
        """Answer ListBuckets with the buckets of the caller's account."""
        self._require(permissions(self._request))
        caller = self._caller
        if caller.anonymous:
            raise s3_error("AccessDenied", detail="anonymous callers do not have buckets")
        self._wait()
        parts = self._parts
        listed = buckets_of_account(
            caller.account, buckets=parts.buckets, bucket_map=parts.bucket_map, calls=parts.calls
        )
        body = render_buckets(caller.account, listed, self._request.parameters)
        return self._exchange.respond(_OK, _XML, body)

    def answer_create_bucket(self) -> Plan:
        """Create a bucket of the caller's account."""
        return self._collect(MOST_BODY["CreateBucket"], self._create_bucket_with)

    def _create_bucket_with(self, body: bytes) -> Plan:
        request, parts = self._request, self._parts
        keys = body_keys("CreateBucket", body, self._now)
        needed = permissions(request)
        if "aws:tagkeys" in keys:
            needed = (*needed, tag_bucket_permission(request))
        self._require(needed, added=keys)
        if self._caller.anonymous:
            raise s3_error("AccessDenied", detail="anonymous callers cannot own buckets")
        self._exchange.bucket_account = self._caller.account
        self._wait()
        answer = create_bucket(
            self._bucket_request(body),
            request.bucket,
            buckets=parts.buckets,
            bucket_map=parts.bucket_map,
            writer=parts.writer,
            backend_calls=parts.calls,
        )
        return self._answer(answer)

    # Operations on a bucket and its objects -----------------------------------------------------------------

    def _about_bucket(self) -> Plan:
        request = self._request
        self._find_buckets()
        if request.operation in BODY_KEYS:
            return self._collect(LARGEST_BODY, self._with_body_keys)
        self._require(permissions(request))
        return self._perform()

    def _with_body_keys(self, body: bytes) -> Plan:
        request = self._request
        self._require(permissions(request), added=body_keys(request.operation, body, self._now))
        return self._forward_body(request, body, self._kept_headers())

    def _find_buckets(self) -> None:
        """Find the bucket of the request, and that of its copy source."""
        request, exchange = self._request, self._exchange
        self._bucket = bucket = self._find_bucket(request.bucket)
        exchange.bucket_account = bucket.account
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

    def _perform(self) -> Plan:
        """Perform an operation whose permissions are allowed."""
        request, bucket = self._request, self._known_bucket()
        name = request.operation
        if name in READS:
            return self._answer(answer_read(self._bucket_request(), bucket, self._parts.buckets))
        if name in WRITES:
            limit = MOST_BODY.get(name)
            return self._write_bucket(b"") if limit is None else self._collect(limit, self._write_bucket)
        step = _PERFORMED.get(name)
        return self._forward() if step is None else step(self)

    def _write_bucket(self, body: bytes) -> Plan:
        self._wait()
        return self._answer(perform_write(self._bucket_request(body), self._known_bucket(), self._parts.writer))

    def answer_delete_bucket(self) -> Plan:
        """Delete the bucket if it is empty."""
        self._wait()
        parts = self._parts
        return self._answer(
            delete_bucket(self._bucket_request(), self._known_bucket(), writer=parts.writer, backend_calls=parts.calls)
        )

    def answer_get_object_acl(self) -> Plan:
        """Answer with full control of the account, if the object exists."""
        self._wait()
        request, bucket = self._request, self._known_bucket()
        version = {name: value for name, value in request.parameters.items() if name == "versionId"}
        found = self._parts.calls.send(bucket.backend, "HEAD", bucket.name, key=request.key, query=version)
        if found.status == _MISSING:
            raise self._missing() or s3_error("NoSuchKey", Key=request.key)
        if found.status != _OK:
            raise s3_error("ServiceUnavailable", detail=f"the store answered {found.status} to HeadObject")
        return self._exchange.respond(_OK, _XML, acl_of(bucket.account))

    def refuse_put_object_acl(self) -> Plan:
        """Refuse PutObjectAcl: the account owns every object."""
        raise s3_error("AccessControlListNotSupported")

    def answer_post_object(self) -> Plan:
        """Refuse an upload by an HTML form."""
        raise s3_error("NotImplemented", "Uploads by HTML forms are not implemented.")

    def answer_preflight(self) -> Plan:
        """Forward a CORS preflight if the store's profile says so."""
        request = self._request
        self._find_buckets()
        if not self._store().profile.forwards_options:
            raise s3_error("AccessDenied", "CORSResponse: CORS is not enabled for this bucket.")
        return self._forward_checked(request)

    def _known_bucket(self) -> Bucket:
        if self._bucket is None:
            raise s3_error("InternalError", detail="a step needs the bucket before it was found")
        return self._bucket

    def _store(self) -> StoreBackend:
        return self._parts.backends[self._known_bucket().backend]

    # Decisions ----------------------------------------------------------------------------------------------

    def _require(self, needed: tuple[Permission, ...], added: NewConditionKeys | None = None) -> None:
        """Raise S3Error unless every permission is allowed."""
        if not needed:
            raise s3_error("InternalError", detail="an operation without permissions")
        for permission in needed:
            refused = self._decider.refuses(permission, self._bucket_of(permission), added)
            if refused is not None:
                self._exchange.encoded = refused.encoded
                raise refused.error

    def _bucket_of(self, permission: Permission) -> Bucket | None:
        return self._source if permission.is_source else self._bucket

    def _missing(self) -> S3Error | None:
        """Return the refusal for a missing object, or None if the caller may list the bucket."""
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
        plan = self._plan_body(BodyProfile())
        if plan.make is None:
            return step(b"")
        body = plan.make(_UNUSED_SEED)
        coded = b"transfer-encoding" in plan.headers
        finish = partial(self._finish, step, coded=coded)
        return Collect(self._exchange, limit, body, finish, partial(finish, may_wait=True))

    def _finish(
        self, step: Callable[[bytes], Plan], body: bytes, *, coded: bool, may_wait: bool = False
    ) -> Forward | Respond:
        self._may_wait = self._decider.may_wait = may_wait
        plain = _without_coding(body) if coded else body
        following = self._settle(lambda: step(plain))
        if isinstance(following, Collect):
            return self._exchange.refuse(s3_error("InternalError", detail="a body was collected twice"))
        return following

    def _plan_body(self, profile: BodyProfile) -> BodyPlan:
        request, verified = self._request, self._verified
        seed = None
        if verified is None:
            value = self._head.headers.get(b"x-amz-content-sha256")
            payload = UNSIGNED if value is None else find_payload_form(value.decode("latin-1"))
            if payload is None:
                raise s3_error("InvalidArgument", "x-amz-content-sha256 is not valid")
        else:
            payload = verified.payload
            seed = ChunkSeed(verified.signature, verified.timestamp, verified.scope, verified.signing_key)
        return plan_body(claim_body(self._head, request.operation, request.headers, payload, seed), profile)

    def _kept_headers(self) -> dict[bytes, bytes]:
        """Return the headers that describe a collected body that goes on unchanged."""
        headers = dict(self._plan_body(BodyProfile()).headers)
        headers.pop(b"transfer-encoding", None)
        return headers

    # Forward ------------------------------------------------------------------------------------------------

    def _forward(self) -> Plan:
        request, store = self._request, self._store()
        if request.operation not in store.profile.operations:
            raise s3_error("NotImplemented", _REFUSED_BY_DEFAULT.format(request.operation))
        if self._source is not None and self._source.backend != self._known_bucket().backend:
            raise s3_error("NotImplemented", "A copy between two stores is not implemented.")
        return self._forward_checked(request)

    def _forward_checked(self, request: S3Request) -> Forward:
        store = self._store()
        plan = self._plan_body(store.profile.bodies)
        signed = self._sign(request, plan.payload, plan.headers)
        body = None if plan.make is None else plan.make(signed.seed)
        return Forward(
            self._exchange,
            request.operation,
            store.backend,
            signed.head,
            self._answers(),
            body,
            b"transfer-encoding" in plan.headers,
            int(plan.headers.get(b"content-length", b"0")),
            self._head.method == "HEAD",
        )

    def _forward_body(self, request: S3Request, body: bytes, headers: Mapping[bytes, bytes]) -> Plan:
        """Forward a request with a body that was collected."""
        store = self._store()
        if request.operation not in store.profile.operations:
            raise s3_error("NotImplemented", _REFUSED_BY_DEFAULT.format(request.operation))
        framed = {**headers, b"content-length": b"%d" % len(body)}
        signed = self._sign(request, hashlib.sha256(body).hexdigest(), framed)
        whole: Body = _Whole(body)
        return Forward(
            self._exchange,
            request.operation,
            store.backend,
            signed.head,
            self._answers(),
            whole,
            content_length=len(body),
        )

    def _sign(self, request: S3Request, payload: str, headers: Mapping[bytes, bytes]) -> SignedHead:
        return sign_for_backend(
            request, backend=self._store().address, payload=payload, body_headers=headers, now=self._parts.now()
        )

    def _answers(self) -> StoreAnswers:
        """Return the rule for the store's answer."""
        request, exchange, alarm = self._request, self._exchange, self._parts.on_alarm
        name = request.operation
        is_head = self._head.method == "HEAD"
        if name in WITH_OWNERS:
            account = self._known_bucket().account
            edit = partial(_edit_body, exchange, lambda body: own_account(body, account))
            return StoreAnswers(exchange, edit=edit, on_alarm=alarm)
        if name in MAY_FAIL_LATE:
            late = LateAnswers(exchange, edit=partial(_edit_body, exchange, self._relocated), on_alarm=alarm)
            late.hides = self._missing_waiting if name in OF_AN_OBJECT else None
            return late
        answers = ObjectAnswers(exchange, is_head=is_head, on_alarm=alarm)
        answers.hides = self._missing_waiting if name in OF_AN_OBJECT else None
        return answers

    def _relocated(self, body: bytes) -> bytes:
        """Return the answer to a completed upload with the address of this gateway."""
        host = self._head.headers.get(b"host", b"").decode("latin-1")
        scheme = "https" if self._peer.secure else "http"
        return with_location(body, f"{scheme}://{host}{self._head.path.decode('latin-1')}")

    # Answers ------------------------------------------------------------------------------------------------

    def _bucket_request(self, body: bytes = b"") -> BucketRequest:
        request = self._request
        return BucketRequest(request.operation, self._caller.account, self._region, self._now, request.headers, body)

    def _answer(self, answer: LocalAnswer) -> Respond:
        return self._exchange.respond(answer.status, answer.headers, answer.body)

    def _wait(self) -> None:
        """Continue on a worker thread only."""
        if not self._may_wait:
            raise NotLoadedError(_nothing)


_XML: HeaderPairs = ((b"content-type", b"application/xml"),)

# Operations that do not begin with a bucket that exists, or that have their own order of steps.
_STEPS: Mapping[str, Callable[[_Judgement], Plan]] = {
    "CreateBucket": _Judgement.answer_create_bucket,
    "ListBuckets": _Judgement.answer_list_buckets,
    PREFLIGHT: _Judgement.answer_preflight,
    POST_OBJECT: _Judgement.answer_post_object,
}
# Operations that are performed here after their permissions were allowed.
_PERFORMED: Mapping[str, Callable[[_Judgement], Plan]] = {
    "DeleteBucket": _Judgement.answer_delete_bucket,
    "GetObjectAcl": _Judgement.answer_get_object_acl,
    "PutObjectAcl": _Judgement.refuse_put_object_acl,
}
# Failures that a client can repeat to guess a key, or to keep the store busy.
_GUESSES = frozenset({VerifyReason.UNKNOWN_KEY, VerifyReason.INVALID_TOKEN, VerifyReason.SIGNATURE_MISMATCH})


def _edit_body(
    exchange: RequestExchange, change: Callable[[bytes], bytes], status: int, headers: HeaderPairs, body: bytes
) -> Respond:
    return exchange.respond(status, headers, change(body))


def _without_coding(body: bytes) -> bytes:
    """Return a body without the chunks of HTTP that its transformation added."""
    reader = HttpChunkReader()
    return b"".join(reader.feed(body))


def _nothing() -> None:
    """Do not load anything: the step needs a thread, not a value."""
