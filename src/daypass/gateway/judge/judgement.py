"""The steps from the head of an S3 request to its plan.

Owns their order: signature, operation, bucket, permissions, the answer here or the request for the store. Its rules:

- Every step may refuse, and only the last one allows. An operation that is not forwarded, answered or refused by name
  here is refused.
- The operations on buckets that belong to Daypass are answered here: policies, public access blocks, ownership, ACLs.
- A request is forwarded to the backend of its bucket, if that store's profile has the operation. What is forwarded is
  what was judged, signed with the store's key.
- A bucket that nothing maps does not exist.
- A body with condition keys, or with the names of objects, is read and verified before the decision.

Leaves each decision to decisions.py, bodies to request_body.py, and answers of stores to edit.py.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec

from daypass.gateway.audit_events import RequestExchange
from daypass.gateway.buckets.bucket_lifecycle import create_bucket, delete_bucket
from daypass.gateway.buckets.bucket_operations import (
    MOST_BODY,
    READS,
    WRITES,
    BucketRequest,
    LocalAnswer,
    acl_of,
    answer_read,
    perform_write,
    put_acl,
)
from daypass.gateway.buckets.buckets import Bucket
from daypass.gateway.judge.decisions import Decider
from daypass.gateway.judge.edit import NotedAnswers, answer_rule
from daypass.gateway.judge.form_upload import FieldsOfForm, FileOfForm, answer_form
from daypass.gateway.judge.judge_parts import JudgeParts, StoreBackend
from daypass.gateway.judge.list_buckets import buckets_of_account, render_buckets
from daypass.gateway.judge.request_body import (
    COLLECTED,
    UNUSED_SEED,
    CollectedBody,
    headers_of_collected,
    plain_body,
    plan_request_body,
)
from daypass.gateway.plan import AnswerRule, Collect, Forward, HeaderPairs, Peer, Plan, Respond
from daypass.policy.authorization_request import NewConditionKeys
from daypass.verify.caller import ANONYMOUS, VerifiedCaller
from daypass.verify.head import RequestHead
from daypass.verify.keys import KeyClaim, KeyGrant, Keys, NotLoadedError
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.s3.documents.delete_objects import (
    MAX_DELETE_ANSWER,
    MAX_DELETE_BODY,
    DeleteRequest,
    DeniedObject,
    ObjectToDelete,
    merge_delete_answer,
    parse_delete_request,
    write_delete_request,
)
from daypass.verify.s3.errors import S3Error, s3_error
from daypass.verify.s3.forms.form_data import MAX_FIELDS, FormReader
from daypass.verify.s3.forms.post_form import parse_post_form, plan_post_body, verify_post
from daypass.verify.s3.operations.headers import settle_headers
from daypass.verify.s3.operations.object_keys import FOLDED, KeyRule, check_object_key
from daypass.verify.s3.operations.query import check_version_id
from daypass.verify.s3.operations.request import PREFLIGHT, S3Request, check_expected_owners, parse_s3_request
from daypass.verify.s3.operations.routes import OPERATIONS, POST_OBJECT
from daypass.verify.s3.permissions.actions import (
    Permission,
    delete_permissions,
    list_permission,
    permissions,
    tag_bucket_permission,
)
from daypass.verify.s3.permissions.body_conditions import BODY_KEYS, LARGEST_BODY, body_keys
from daypass.verify.s3.permissions.conditions import ConnectionFacts, request_keys
from daypass.verify.s3.resign import sign_for_backend
from daypass.verify.signature import VerifiedRequest, verify_head

T = TypeVar("T")

_MOST_LOADS = 64  # values that one request may need; each round loads one
_MOST_DECIDED = 20  # keys of DeleteObjects that the event loop decides itself
_MOST_HEAVY = 100  # decisions over large policies in one request; each takes at most a quarter of a second
_HOME_REGION = "us-east-1"
_OK, _MISSING = 200, 404
_XML: HeaderPairs = ((b"content-type", b"application/xml"),)
# Failures that a client can repeat to guess a key, or to keep the store busy.
_GUESSES = frozenset({VerifyReason.UNKNOWN_KEY, VerifyReason.INVALID_TOKEN, VerifyReason.SIGNATURE_MISMATCH})


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


class Judgement:
    """One request, from its head to its plan."""

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
                if missing.is_new and not self._parts.question_allowed(self._peer.address):
                    raise s3_error("SlowDown", detail="throttled: too many new names") from None
                missing.load()
        raise s3_error("ServiceUnavailable", detail="the values that the request needs could not be loaded")

    def _wait(self) -> None:
        """Continue on a worker thread only."""
        if not self._may_wait:
            raise NotLoadedError(_nothing)

    # The steps ----------------------------------------------------------------------------------------------

    def _plan(self) -> Plan:
        parts = self._parts
        verified = self._verify(self._verify_head)
        request = parse_s3_request(self._head, verified, domains=parts.domains, key_rules=self._rule_of)
        self._route(request, verified)
        return _STEPS.get(request.operation, Judgement._about_bucket)(self)

    def _route(self, request: S3Request, verified: VerifiedRequest | None) -> None:
        """Take the request that is judged from here on."""
        parts, exchange, peer = self._parts, self._exchange, self._peer
        self._request = request
        exchange.operation, exchange.bucket, exchange.key = request.operation, request.bucket, request.key
        exchange.parameters = request.parameters
        connection = ConnectionFacts(peer.address, peer.secure, peer.tls_version, self._region)
        keys = request_keys(request, verified, connection=connection, now=self._now)
        self._decider = Decider(parts.decisions, self._caller, keys, self._now, may_wait=self._may_wait)

    def _verify_head(self, keys: Keys) -> VerifiedRequest | None:
        return verify_head(self._head, keys, service=self._parts.signature, now=self._now)

    def _verify(self, verify: Callable[[Keys], VerifiedRequest | None]) -> VerifiedRequest | None:
        parts, exchange = self._parts, self._exchange
        keys = _RecordedKeys(parts.keys)
        try:
            self._verified = verified = verify(keys)
        except VerifyError as error:
            self._note_claim(keys)
            if error.reason in _GUESSES and not parts.failure_allowed(self._peer.address):
                raise s3_error("SlowDown", detail=f"throttled: {error.reason.value}") from error
            raise
        self._note_claim(keys)
        exchange.caller = self._caller
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
        return FOLDED if backend is None else backend.profile.keys

    @property
    def _caller(self) -> VerifiedCaller:
        return ANONYMOUS if self._verified is None else self._verified.caller

    # Operations on the service, and new buckets -------------------------------------------------------------

    def list_buckets(self) -> Plan:
        """Answer with the buckets of the caller's account."""
        self._require(permissions(self._request))
        account, parts = self._own_account(), self._parts
        self._wait()
        listed = buckets_of_account(
            account, buckets=parts.waiting_buckets, bucket_map=parts.bucket_map, calls=parts.calls
        )
        return self._exchange.respond(_OK, _XML, render_buckets(account, listed, self._request.parameters))

    def create_bucket(self) -> Plan:
        """Create a bucket of the caller's account, after its body was read."""
        return self._collect(MOST_BODY["CreateBucket"], self._create_bucket_with)

    def _create_bucket_with(self, body: bytes) -> Plan:
        request, parts = self._request, self._parts
        keys = body_keys("CreateBucket", body, self._now)
        needed = permissions(request)
        if "aws:tagkeys" in keys:
            needed = (*needed, tag_bucket_permission(request))
        self._require(needed, added=keys)
        self._exchange.bucket_account = self._own_account()
        self._wait()
        answer = create_bucket(
            self._bucket_request(body),
            request.bucket,
            buckets=parts.waiting_buckets,
            bucket_map=parts.bucket_map,
            writer=parts.writer,
            backend_calls=parts.calls,
        )
        return self._answer(answer)

    def _own_account(self) -> str:
        if self._caller.anonymous:
            raise s3_error("AccessDenied", detail="anonymous callers do not have buckets")
        return self._caller.account

    # Uploads by HTML forms ----------------------------------------------------------------------------------

    def post_object(self) -> Plan:
        """Read the fields of an HTML form, which say who signed what."""
        if self._verified is not None:
            raise s3_error("InvalidArgument", "An upload by a form has its signature in the form.")
        self._find_buckets()
        head = self._head
        fields = FieldsOfForm(FormReader(head.headers.get(b"content-type", b""), head.content_length))
        finish = partial(self._finish, partial(self._post_object_with, fields), {})
        return Collect(
            self._exchange,
            MAX_FIELDS,
            fields,
            partial(finish, may_wait=False),
            partial(finish, may_wait=True),
            fields.is_read,
        )

    def _post_object_with(self, fields: FieldsOfForm, _body: bytes) -> Plan:
        form, bucket = fields.form, self._known_bucket()
        if form is None:
            raise s3_error("IncorrectNumberOfFilesInPostRequest")
        service = self._parts.signature
        verified = self._verify(lambda keys: verify_post(form, bucket.name, keys, service=service, now=self._now))
        post = parse_post_form(form, bucket.name)
        store = self._store()
        check_object_key(post.request.key, store.profile.keys)
        headers = settle_headers(OPERATIONS["PutObject"], post.request.headers)
        post = msgspec.structs.replace(post, request=msgspec.structs.replace(post.request, headers=headers))
        self._route(post.request, verified)
        self._require(permissions(post.request))
        self._require_forwarded("PutObject")
        plan = plan_post_body(post, fields.boundary, store.profile.bodies)
        signed = sign_for_backend(
            post.request, backend=store.address, payload=plan.payload, body_headers=plan.headers, now=self._now
        )
        if plan.make is None:
            raise s3_error("InternalError", detail="a form without a file")
        location = f"{self._origin()}{post.request.canonical_path.decode()}"
        edit = partial(answer_form, self._exchange, post, location)
        return Forward(
            self._exchange,
            POST_OBJECT,
            store.backend,
            signed.head,
            NotedAnswers(self._exchange, edit=edit, on_alarm=self._parts.on_alarm),
            FileOfForm(plan.make(signed.seed), form.rest),
            content_length=int(plan.headers.get(b"content-length", b"0")),
        )

    def preflight(self) -> Plan:
        """Forward a CORS preflight if the store's profile says so."""
        self._find_buckets()
        if not self._store().profile.forwards_options:
            raise s3_error("AccessDenied", "CORSResponse: CORS is not enabled for this bucket.")
        return self._forward_checked()

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
        return self._forward_collected(body, is_changed=False)

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

    def _perform(self) -> Plan:
        """Perform an operation whose permissions are allowed."""
        name, bucket = self._request.operation, self._known_bucket()
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

    def delete_bucket(self) -> Plan:
        """Delete the bucket if it is empty."""
        self._wait()
        request, bucket, parts = self._bucket_request(), self._known_bucket(), self._parts
        return self._answer(delete_bucket(request, bucket, writer=parts.writer, backend_calls=parts.calls))

    def get_object_acl(self) -> Plan:
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

    def put_object_acl(self) -> Plan:
        """Accept the one ACL that every object has, and refuse others."""
        return self._collect(MOST_BODY["PutBucketAcl"], self._put_object_acl_with)

    def _put_object_acl_with(self, body: bytes) -> Plan:
        account = self._known_bucket().account
        return self._answer(put_acl(self._bucket_request(body), account))

    def _known_bucket(self) -> Bucket:
        if self._bucket is None:
            raise s3_error("InternalError", detail="a step needs the bucket before it was found")
        return self._bucket

    def _store(self) -> StoreBackend:
        return self._parts.backends[self._known_bucket().backend]

    # DeleteObjects ------------------------------------------------------------------------------------------

    def delete_objects(self) -> Plan:
        """Decide about each key of the body."""
        self._find_buckets()
        return self._collect(MAX_DELETE_BODY, self._delete_objects_with)

    def _delete_objects_with(self, body: bytes) -> Plan:
        request = parse_delete_request(body)
        if len(request.objects) > _MOST_DECIDED:
            self._wait()
        rule = self._store().profile.keys
        allowed: list[ObjectToDelete] = []
        denied: list[DeniedObject] = []
        for target in request.objects:
            error = self._refusal_of(target, rule)
            if error is None:
                allowed.append(target)
            else:
                denied.append(DeniedObject(target, error))
        self._exchange.parameters = {**self._request.parameters, "deleted": len(allowed), "denied": len(denied)}
        if not allowed:
            return self._exchange.respond(_OK, _XML, merge_delete_answer(request, denied, None))
        answers = NotedAnswers(
            self._exchange,
            edit=partial(self._merge, request, denied),
            edit_limit=MAX_DELETE_ANSWER,
            on_alarm=self._parts.on_alarm,
        )
        return self._forward_collected(write_delete_request(allowed), is_changed=True, answers=answers)

    def _refusal_of(self, target: ObjectToDelete, rule: KeyRule) -> S3Error | None:
        try:
            check_object_key(target.key, rule)
            if target.version_id is not None:
                check_version_id(target.version_id)
        except S3Error as error:
            return error
        if self._decider.heavy >= _MOST_HEAVY:
            return s3_error("SlowDown", detail="the decisions about this request are too much work")
        for permission in delete_permissions(self._request, target.key, target.version_id or ""):
            refused = self._decider.refuses(permission, self._bucket)
            if refused is not None:
                return refused.error
        return None

    def _merge(
        self, request: DeleteRequest, denied: list[DeniedObject], status: int, headers: HeaderPairs, body: bytes
    ) -> Respond:
        try:
            return self._exchange.respond(status, headers, merge_delete_answer(request, denied, body))
        except S3Error as error:
            return self._exchange.refuse(error)

    # Decisions ----------------------------------------------------------------------------------------------

    def _require(self, needed: tuple[Permission, ...], added: NewConditionKeys | None = None) -> None:
        """Raise S3Error unless every permission is allowed."""
        if not needed:
            raise s3_error("InternalError", detail="an operation without permissions")
        for permission in needed:
            bucket = self._source if permission.is_source else self._bucket
            refused = self._decider.refuses(permission, bucket, added)
            if refused is not None:
                self._exchange.encoded = refused.encoded
                raise refused.error

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
        following = self._settle(lambda: step(plain))
        if isinstance(following, Collect):
            return self._exchange.refuse(s3_error("InternalError", detail="a body was collected twice"))
        return following

    # Forward ------------------------------------------------------------------------------------------------

    def _forward(self) -> Plan:
        self._require_forwarded(self._request.operation)
        if self._source is not None and self._source.backend != self._known_bucket().backend:
            raise s3_error("NotImplemented", "A copy between two stores is not implemented.")
        return self._forward_checked()

    def _require_forwarded(self, name: str) -> None:
        if name not in self._store().profile.operations:
            message = f"The operation {name} is not supported: this gateway does not forward it to its store."
            raise s3_error("NotImplemented", message)

    def _forward_checked(self) -> Forward:
        request, store = self._request, self._store()
        plan = plan_request_body(self._head, request, self._verified, store.profile.bodies)
        signed = sign_for_backend(
            request, backend=store.address, payload=plan.payload, body_headers=plan.headers, now=self._now
        )
        return Forward(
            self._exchange,
            request.operation,
            store.backend,
            signed.head,
            self._answers(),
            None if plan.make is None else plan.make(signed.seed),
            b"transfer-encoding" in plan.headers,
            int(plan.headers.get(b"content-length", b"0")),
            self._head.method == "HEAD",
        )

    def _forward_collected(self, body: bytes, *, is_changed: bool, answers: AnswerRule | None = None) -> Plan:
        """Forward a request with a body that was collected."""
        self._require_forwarded(self._request.operation)
        request, store = self._request, self._store()
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
        )

    def _answers(self) -> AnswerRule:
        """Return the rule for the store's answer."""
        bucket = self._known_bucket()
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

    # Answers ------------------------------------------------------------------------------------------------

    def _bucket_request(self, body: bytes = b"") -> BucketRequest:
        request = self._request
        return BucketRequest(request.operation, self._caller.account, self._region, self._now, request.headers, body)

    def _answer(self, answer: LocalAnswer) -> Respond:
        return self._exchange.respond(answer.status, answer.headers, answer.body)


# Operations that do not begin with a bucket that exists, or that have their own order of steps.
_STEPS: Mapping[str, Callable[[Judgement], Plan]] = {
    "CreateBucket": Judgement.create_bucket,
    "DeleteObjects": Judgement.delete_objects,
    "ListBuckets": Judgement.list_buckets,
    PREFLIGHT: Judgement.preflight,
    POST_OBJECT: Judgement.post_object,
}
# Operations that are performed here after their permissions were allowed.
_PERFORMED: Mapping[str, Callable[[Judgement], Plan]] = {
    "DeleteBucket": Judgement.delete_bucket,
    "GetObjectAcl": Judgement.get_object_acl,
    "PutObjectAcl": Judgement.put_object_acl,
}


def _nothing() -> None:
    """Do not load anything: the step needs a thread, not a value."""
