"""Reads that are like an earlier one.

Owns the plan of a read like one of the same caller, client and bucket. Most requests of a gateway are reads of objects
that differ in key, time and signature alone. The rules:

- A template is kept only after the whole way has judged a request and forwarded it. It has what depends on the caller,
  the bucket, the names of the headers, and the values that are parts of its name: operation, action, policies, form of
  the head for the store, and the condition keys except those of the time.
- It does not have a decision. Signature, bucket, spelling of the key and policies are examined for each request, by the
  functions of the whole way.
- The caller and the bucket of a template are compared by identity. A change of a session, a principal, a policy or a
  bucket makes new ones, so that the template is not used again.
- A request that is not allowed, not light or unusual in any way is judged by the whole way, from its beginning.

Leaves the whole way to judgement.py, and the memory to read_templates.py.
"""

from daypass.gateway.judge.edit import ObjectAnswers
from daypass.gateway.judge.judged_request import JudgedRequest
from daypass.gateway.judge.read_templates import ReadTemplate, read_name
from daypass.gateway.judge.request_body import are_without_body, plan_request_body
from daypass.gateway.plan import Forward, Plan
from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import decide, is_light
from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.operations.headers import are_settled, is_usual_mode
from daypass.verify.s3.operations.object_keys import check_object_key, split_plain_path
from daypass.verify.s3.operations.request import parse_s3_request
from daypass.verify.s3.operations.routes import OPERATIONS
from daypass.verify.s3.permissions.actions import permissions
from daypass.verify.s3.permissions.conditions import add_moment
from daypass.verify.s3.resign import head_form, sign_read
from daypass.verify.signature import VerifiedRequest

_READS = frozenset({"GetObject", "HeadObject"})
_ARN = "arn:aws:s3:::"


class SimilarReads(JudgedRequest):
    """One request, which may be a read like an earlier one."""

    __slots__ = ()

    def _plan_similar(self, verified: VerifiedRequest) -> Forward | None:
        """Return the plan of a read with a known template.

        Returns None if the whole way must judge the request. Raises NotLoadedError.
        """
        head, parts, exchange = self._head, self._parts, self._exchange
        outline, names = head.outline, None if head.query or parts.domains else split_plain_path(head.path)
        if outline is None or names is None:
            return None
        name, key = names
        template = parts.reads.find(read_name(head, outline, verified, name, self._peer, self._region))
        if template is None or template.caller is not verified.caller or key[-1:] in {"", "/"}:
            return None
        if not is_usual_mode(head.headers):  # The other headers of the outline may have any value.
            return None
        bucket = parts.buckets.find(name)
        if bucket is not template.bucket or not self._is_allowed(template, verified, f"{_ARN}{name}/{key}", key):
            return None
        self._bucket = bucket
        exchange.operation, exchange.bucket, exchange.key = template.operation, name, key
        exchange.bucket_account = bucket.account
        is_head = head.method == "HEAD"
        answers = ObjectAnswers(exchange, is_head=is_head, on_alarm=parts.on_alarm)
        answers.hides = self._missing_of_similar
        return Forward(
            exchange,
            template.operation,
            template.backend,
            sign_read(template.form, head.method.encode(), head.path, head.headers, template.address, self._now),
            answers,
            is_head=is_head,
        )

    def _is_allowed(self, template: ReadTemplate, verified: VerifiedRequest, resource: str, key: str) -> bool:
        try:
            check_object_key(key, template.key_rule)
        except S3Error:
            return False
        keys = dict(template.keys)
        add_moment(keys, verified, self._now)
        caller = template.caller
        request = AuthorizationRequest(template.action, resource, template.bucket.account, caller.principal, keys)
        policies = template.policies
        return is_light(request, policies) and isinstance(decide(request, policies), Allowed)

    def _missing_of_similar(self) -> Exception | None:
        """Decide about a missing object on a worker thread, by the whole way."""
        self._may_wait = True
        try:
            return self._loading(self._missing_after_route)
        except Exception as error:  # noqa: BLE001 - a missing object must not become visible by an error
            return error

    def _missing_after_route(self) -> S3Error | None:
        verified = self._verified
        self._route(parse_s3_request(self._head, verified, domains=(), key_rules=self._rule_of), verified)
        return self._missing()

    def _keep_template(self, plan: Plan, verified: VerifiedRequest) -> None:
        """Keep what the plan of a read, which the whole way has made, shares with others."""
        head, request, bucket = self._head, self._request, self._bucket
        outline = head.outline
        if not isinstance(plan, Forward) or request.operation not in _READS or bucket is None or outline is None:
            return
        if not outline.is_bare or head.query or verified.presigned or self._parts.domains or request.key[-1:] == "/":
            return
        # Buckets that are made anew for each request could not be compared.
        found_again = self._parts.buckets.find(request.bucket)
        if found_again is not bucket or split_plain_path(head.path) != (request.bucket, request.key):
            return
        operation, store = OPERATIONS[request.operation], self._store()
        is_settled = are_settled(operation, outline.names) and is_usual_mode(head.headers)
        if not is_settled or not are_without_body(outline.names):
            return
        body = plan_request_body(head, request, verified, store.profile.bodies)
        needed = permissions(request)
        if body.make is not None or body.headers or body.payload != verified.payload.value or len(needed) != 1:
            return
        found = self._decider.common_part(needed[0], bucket, verified)
        if found is None:
            return
        policies, keys = found
        template = ReadTemplate(
            verified.caller,
            bucket,
            request.operation,
            needed[0].action,
            policies,
            keys,
            head_form(request.operation, outline.names, ()),
            store.profile.keys,
            store.backend,
            store.address,
        )
        name = read_name(head, outline, verified, request.bucket, self._peer, self._region)
        self._parts.reads.keep(name, template)
