"""The steps from the head of an S3 request to its plan.

Owns their order: signature, operation, bucket, permissions, the answer here or the request for the store. Its rules:

- Every step may refuse, and only the last one allows. An operation that is not forwarded, answered or refused by name
  here is refused.
- The operations on buckets that belong to Daypass are answered here: policies, public access blocks, ownership, ACLs.
- A request is forwarded to the backend of its bucket, if that store's profile has the operation. What is forwarded is
  what was judged, signed with the store's key.
- A bucket that nothing maps does not exist.
- A body with condition keys, or with the names of objects, is read and verified before the decision.

Leaves the parts that all operations share to judged_request.py, reads like an earlier one to similar_reads.py, and
answers of stores to edit.py.
"""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from daypass.gateway.buckets.bucket_lifecycle import BackendUnavailableError, create_bucket, delete_bucket
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
from daypass.gateway.judge.edit import NotedAnswers
from daypass.gateway.judge.form_upload import FieldsOfForm, FileOfForm, answer_form
from daypass.gateway.judge.list_buckets import buckets_of_account, render_buckets
from daypass.gateway.judge.other_services import answer_other_service, find_other_service
from daypass.gateway.judge.similar_reads import SimilarReads
from daypass.gateway.plan import Collect, Forward, HeaderPairs, Plan, Respond
from daypass.verify.refusals import VerifyError
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
from daypass.verify.s3.operations.object_keys import KeyRule, check_object_key
from daypass.verify.s3.operations.query import check_version_id
from daypass.verify.s3.operations.request import PREFLIGHT, parse_s3_request
from daypass.verify.s3.operations.routes import OPERATIONS, POST_OBJECT
from daypass.verify.s3.permissions.actions import (
    delete_permissions,
    permissions,
    source_tag_permissions,
    tag_bucket_permission,
)
from daypass.verify.s3.permissions.body_conditions import BODY_KEYS, LARGEST_BODY, body_keys
from daypass.verify.s3.resign import sign_for_backend

_MOST_DECIDED = 20  # keys of DeleteObjects that the event loop decides itself
_MOST_HEAVY = 100  # decisions over large policies in one request; each takes at most a quarter of a second
_OK, _INVALID, _MISSING, _DELETE_MARKER = 200, 400, 404, 405  # statuses of HeadObject
_XML: HeaderPairs = ((b"content-type", b"application/xml"),)


class Judgement(SimilarReads):
    """One request, from its head to its plan."""

    __slots__ = ()

    def plan(self) -> Plan:
        """Return the plan. Raises NotLoadedError if it must not wait."""
        return self._settle(self._plan)

    def _plan(self) -> Plan:
        parts = self._parts
        try:
            verified = self._verify(self._verify_head)
            similar = None if verified is None else self._plan_similar(verified)
            if similar is not None:
                return similar
            request = parse_s3_request(self._head, verified, domains=parts.domains, key_rules=self._rule_of)
        except (S3Error, VerifyError):
            service = find_other_service(self._head)
            if service is None:
                raise
            return answer_other_service(self._exchange, self._head, service)
        self._route(request, verified)
        plan = _STEPS.get(request.operation, Judgement._about_bucket)(self)
        if verified is not None:
            self._keep_template(plan, verified)
        return plan

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
        self._require_forwarded("PutObject", store)
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
            before_end=self._before_end,
        )

    def preflight(self) -> Plan:
        """Forward a CORS preflight if the store's profile says so."""
        self._find_buckets()
        store = self._store()
        if not store.profile.forwards_options:
            raise s3_error("AccessDenied", "CORSResponse: CORS is not enabled for this bucket.")
        return self._forward_checked(store)

    # Operations on a bucket and its objects -----------------------------------------------------------------

    def _about_bucket(self) -> Plan:
        request = self._request
        self._find_buckets()
        if request.operation in BODY_KEYS:
            return self._collect(LARGEST_BODY, self._with_body_keys)
        needed = permissions(request)
        if request.copy_source is not None and not self._store().profile.replaces_tags:
            needed += source_tag_permissions(request)
        self._require(needed)
        return self._perform()

    def _with_body_keys(self, body: bytes) -> Plan:
        request = self._request
        self._require(permissions(request), added=body_keys(request.operation, body, self._now))
        return self._forward_collected(body, is_changed=False)

    def _perform(self) -> Plan:
        """Perform an operation whose permissions are allowed."""
        name = self._request.operation
        if name in READS:
            return self._answer(answer_read(self._bucket_request(), self._known_bucket(), self._parts.buckets))
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
        self._require_object()
        return self._exchange.respond(_OK, _XML, acl_of(self._known_bucket().account))

    def put_object_acl(self) -> Plan:
        """Accept the one ACL that every object has, and refuse others."""
        return self._collect(MOST_BODY["PutBucketAcl"], self._put_object_acl_with)

    def _put_object_acl_with(self, body: bytes) -> Plan:
        answer = put_acl(self._bucket_request(body), self._known_bucket().account)
        self._require_object()
        return self._answer(answer)

    def _require_object(self) -> None:
        """Raise S3Error unless the store has the object, or the version that the request names."""
        self._wait()
        request, bucket = self._request, self._known_bucket()
        version = {name: value for name, value in request.parameters.items() if name == "versionId"}
        try:
            found = self._parts.calls.send(bucket.backend, "HEAD", bucket.name, key=request.key, query=version)
        except BackendUnavailableError as problem:
            raise s3_error("ServiceUnavailable", detail=str(problem)) from problem
        if found.status == _MISSING or (version and found.status == _INVALID):
            # A store may not know the form of the ID. The object has no such version either way.
            code = "NoSuchVersion" if version else "NoSuchKey"
            raise self._missing() or s3_error(code, Key=request.key)
        if found.status == _DELETE_MARKER:
            raise s3_error("MethodNotAllowed", Method=request.method, ResourceType="DeleteMarker")
        if found.status != _OK:
            raise s3_error("ServiceUnavailable", detail=f"the store answered {found.status} to HeadObject")

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
