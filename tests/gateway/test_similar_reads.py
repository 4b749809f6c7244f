"""Reads that are like an earlier one: the plan is that of the whole way, and every change counts at once."""

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verify.signing import ACCOUNT, KEY_ID, NOW, SECRET, Signing

from daypass.directory.entities.bucket_entities import PublicAccessBlock
from daypass.gateway.audit_events import ExchangeLog, RequestExchange
from daypass.gateway.buckets.buckets import Bucket, BucketMap, Buckets
from daypass.gateway.judge.decisions import DecisionTools
from daypass.gateway.judge.judge import S3Judge
from daypass.gateway.judge.judge_parts import JudgeParts, StoreBackend
from daypass.gateway.plan import Backend, EditAnswer, Forward, Peer, Plan, Respond
from daypass.gateway.stores.profiles import PROFILES
from daypass.policy.compiled import PolicySet
from daypass.verify import StaticKeys, static_caller
from daypass.verify.caller import VerifiedCaller, compile_resource_policy
from daypass.verify.head import HeadError, RequestHead, parse_head
from daypass.verify.keys import NotLoadedError
from daypass.verify.s3.resign import BackendAddress, BackendKey
from daypass.verify.signature import s3_profile

Statement = Mapping[str, Any]
ALLOW: Statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
LIST: Statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
SECRETS: Statement = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/secret/*"}
PEER = Peer("192.0.2.7", secure=False)
MOMENT, SECOND = timedelta(microseconds=1), timedelta(seconds=1)
_STORE = Backend("default", "127.0.0.1", 8333, secure=False)


class KnownBuckets:
    """The buckets of a test, by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Bucket] = {}

    def find(self, name: str) -> Bucket | None:
        """Return a bucket, or None."""
        return self.by_name.get(name)


class Judged:
    """A judge with one caller and one bucket, and a clock that a test sets."""

    def __init__(self, *statements: Statement, profile: str = "seaweedfs", domains: tuple[str, ...] = ()) -> None:
        self.now = NOW
        self.keys = StaticKeys()
        self.buckets = KnownBuckets()
        self.refused: list[Exception] = []
        self.grant(*(statements or (ALLOW,)))
        self.own(None)
        address = BackendAddress(b"127.0.0.1:8333", BackendKey("STOREKEY", "store-secret", "us-east-1"), b"/prefix")
        unused = cast("Any", None)
        self.parts = JudgeParts(
            keys=self.keys,
            buckets=cast("Buckets", self.buckets),
            waiting_buckets=cast("Buckets", self.buckets),
            bucket_map=BucketMap(),
            writer=unused,
            calls=unused,
            backends={"default": StoreBackend(_STORE, address, PROFILES[profile])},
            signature=s3_profile("us-east-1".__eq__, "us-east-1"),
            decisions=DecisionTools(lambda _: nullcontext(), unused, unused),
            log=ExchangeLog(_ignore, _ignore, _ignore, _ignore, bool),
            now=lambda: self.now,
            new_request_id=lambda: "ID",
            failure_allowed=lambda _: True,
            question_allowed=lambda _: True,
            on_alarm=_ignore,
            domains=domains,
        )
        self.judge = S3Judge(self.parts)

    def grant(self, *statements: Statement, expires: datetime | None = None, **changes: Any) -> None:
        """Give the caller these policies, as a change in the directory does: with a new caller."""
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        end = None if expires is None else int(expires.timestamp())
        caller = static_caller(ACCOUNT, "alice", policy, access_key_id=KEY_ID, expires=end)
        self.add(msgspec.structs.replace(caller, **changes))

    def add(self, caller: VerifiedCaller) -> None:
        """Let a caller own the key of the tests."""
        self.keys.add(caller, secret=SECRET)

    def own(self, policy: PolicySet | None, **changes: Any) -> None:
        """Give the bucket this policy, as a change in the directory does: with a new bucket."""
        self.buckets.by_name["bucket"] = Bucket(
            "bucket", **{"account": ACCOUNT, "backend": "default", **changes}, policy=policy
        )

    def plan(self, head: RequestHead, peer: Peer = PEER) -> Plan:
        """Return the plan, which is the same without the memory of similar requests."""
        found = self.judge.judge(head, peer)
        whole = self.judge.judge(msgspec.structs.replace(head, outline=None), peer)
        assert facts(found) == facts(whole)
        return found

    def reads(self, head: RequestHead, peer: Peer = PEER) -> bool:
        """Return whether a request is forwarded."""
        return isinstance(self.plan(head, peer), Forward)

    @property
    def templates(self) -> int:
        """Return the number of templates."""
        return len(self.parts.reads)


def _ignore(*_: object) -> None:
    """Do not use a value."""


def facts(plan: Plan) -> object:
    """Return everything about a plan that can be compared."""
    exchange = plan.exchange
    assert isinstance(exchange, RequestExchange)
    members = ("caller", "access_key_id", "region", "operation", "bucket", "bucket_account", "key", "presigned")
    noted = [getattr(exchange, name) for name in (*members, "parameters", "names_known_key", "encoded")]
    noted.append(
        None if exchange.error is None else (exchange.error.code, exchange.error.message, exchange.error.detail)
    )
    if isinstance(plan, Forward):
        shape = (
            plan.operation,
            plan.backend,
            plan.head,
            type(plan.body),
            plan.chunked,
            plan.content_length,
            plan.is_head,
        )
        answers = [answered(plan, status) for status in (200, 304, 403, 404, 500)]
        return noted, shape, plan.finishes_alone, answers
    assert isinstance(plan, Respond)
    return noted, plan.status, plan.headers, plan.body


def answered(plan: Forward, status: int) -> object:
    """Return what becomes of an answer of the store."""
    headers = ((b"content-type", b"text/plain"), (b"server", b"x"), (b"x-amz-meta-a", b"b"))
    found = plan.answer.begin(status, headers)
    if not isinstance(found, EditAnswer):
        return found
    answer = found.finish(b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
    return found.limit, found.waits, answer.status, answer.headers, answer.body


def get(path: str = "/bucket/key", **changes: Any) -> RequestHead:
    """Return a signed GET."""
    return Signing(path=path, **changes).by_header()


def test_the_second_read_of_a_session_has_a_template() -> None:
    """Another key at another second, with the same headers."""
    judged = Judged()
    assert judged.reads(get())
    assert judged.templates == 1
    judged.now += SECOND
    assert judged.reads(get("/bucket/another/key", when=judged.now))
    assert judged.templates == 1


_KEYS = st.sampled_from(
    [
        "key",
        "a/b",
        "secret/x",
        "secret",
        "secret/",
        "a//b",
        "a/../b",
        ".",
        "a\\b",
        "k/",
        "a%20b",
        "%41",
        "A",
        "x.versions/y",
        "secret%2Fx",
        ".uploads/x",
        "a+b",
        "a~b",
        "%C3%A4",
        "%00",
        "%2e%2e/x",
        "é",
        "a:b",
        "a&b",
        "a=b",
        "a;b",
        "a" * 1025,
    ]
)
_HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "range",
            "if-match",
            "if-modified-since",
            "user-agent",
            "referer",
            "x-amz-meta-a",
            "x-amz-tagging",
            "origin",
            "content-type",
            "x-amz-acl",
            "x-amz-expected-bucket-owner",
            "content-encoding",
            "x-amz-request-payer",
            "x-amz-checksum-mode",
            "expect",
            "content-length",
            "x-amz-server-side-encryption-customer-algorithm",
            "x-amz-decoded-content-length",
            "x-amz-trailer",
            "x-amz-sdk-checksum-algorithm",
            "content-md5",
            "x-unknown",
        ]
    ),
    st.sampled_from(
        ["", "a", "bytes=0-1", ACCOUNT, "aws-chunked", "Mon, 01 Jan 2024 00:00:00 GMT", "0", "5", "a  b", "ENABLED"]
    ),
    max_size=3,
)
_POLICIES = st.sampled_from(
    [
        (ALLOW,),
        (ALLOW, SECRETS),
        (LIST,),
        ({**ALLOW, "Action": "s3:GetObject"}, LIST),
        ({**ALLOW, "Resource": "arn:aws:s3:::bucket/a/*"},),
        ({**ALLOW, "Condition": {"DateLessThan": {"aws:CurrentTime": "2013-05-24T00:00:02Z"}}},),
        ({**ALLOW, "Condition": {"NumericLessThan": {"s3:signatureAge": "2000"}}},),
        ({**ALLOW, "Condition": {"StringLike": {"aws:UserAgent": "a*"}}},),
        ({**ALLOW, "Condition": {"StringEquals": {"aws:Referer": "a"}}},),
        ({**ALLOW, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/28"}}},),
        ({**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": "true"}}},),
        ({**ALLOW, "Condition": {"StringEquals": {"s3:ExistingObjectTag/a": "b"}}}, {**ALLOW, "Action": "s3:Head*"}),
        ({**ALLOW, "Resource": "arn:aws:s3:::bucket/${aws:username}/*"},),
        (ALLOW, {**SECRETS, "Condition": {"NumericGreaterThan": {"s3:TlsVersion": "1"}}}),
    ]
)


@settings(max_examples=50)  # of up to four requests each
@given(st.data())
def test_any_request_has_the_same_plan(data: st.DataObject) -> None:
    """Whatever the memory holds: requests of all kinds, over policies with all kinds of conditions."""
    judged = Judged(
        *data.draw(_POLICIES),
        profile=data.draw(st.sampled_from(["seaweedfs", "moto", "minio", "garage"])),
        domains=data.draw(st.sampled_from([(), (), ("s3.example",)])),
    )
    peers = [PEER, Peer("198.51.100.1", secure=True), Peer("192.0.2.1", secure=True, tls_version="TLSv1.3")]
    headers = data.draw(_HEADERS)
    for _ in range(data.draw(st.integers(2, 4))):
        request = Signing(
            method=data.draw(st.sampled_from(["GET", "GET", "HEAD", "PUT"])),
            path=f"/{data.draw(st.sampled_from(['bucket', 'bucket', 'other', 'b', '']))}/{data.draw(_KEYS)}",
            query=data.draw(st.sampled_from(["", "", "", "versionId=1", "tagging", "x-id=GetObject"])),
            headers=data.draw(st.sampled_from([headers, headers, {}])),
            payload=data.draw(st.sampled_from([None, "UNSIGNED-PAYLOAD", "0" * 64])),
            when=NOW + timedelta(seconds=data.draw(st.sampled_from([0, 0, 1, 3]))),
        )
        judged.now = NOW + timedelta(seconds=data.draw(st.sampled_from([0.0, 1.0, 2.5])))
        try:
            head = request.by_header()
        except (HeadError, UnicodeEncodeError):
            continue
        try:
            judged.plan(head, data.draw(st.sampled_from(peers)))
        except NotLoadedError:
            continue


def _warm(*statements: Statement, **changes: Any) -> Judged:
    """Return a judge that has the template of get()."""
    judged = Judged(*(statements or (ALLOW,)))
    if changes:
        judged.grant(*(statements or (ALLOW,)), **changes)
    assert judged.reads(get())
    assert judged.reads(get())
    assert judged.templates == 1
    return judged


def test_a_denied_key_is_refused_beside_allowed_ones() -> None:
    """The policies are evaluated for each request."""
    judged = _warm(ALLOW, SECRETS)
    assert judged.reads(get("/bucket/secret"))
    assert not judged.reads(get("/bucket/secret/x"))
    assert not judged.reads(get("/bucket/secret%2Fx"))
    assert judged.reads(get("/bucket/secrets/x"))


def _remove_key(judged: Judged) -> None:
    judged.keys.remove(KEY_ID)


_CHANGES: Mapping[str, Callable[[Judged], None]] = {
    "a removed key": _remove_key,
    "another identity policy": lambda judged: judged.grant(LIST),
    "a deny in the identity policy": lambda judged: judged.grant(ALLOW, {**ALLOW, "Effect": "Deny"}),
    "a deny in the bucket policy": lambda judged: judged.own(
        compile_resource_policy(
            json.dumps({"Version": "2012-10-17", "Statement": {**ALLOW, "Effect": "Deny", "Principal": "*"}})
        )
    ),
    "another owner of the bucket": lambda judged: judged.own(None, account="444455556666"),
    "a deleted bucket": lambda judged: judged.buckets.by_name.clear(),
    "another backend": lambda judged: judged.own(None, backend="gone"),
}


@pytest.mark.parametrize("name", _CHANGES)
def test_a_change_counts_for_the_next_read(name: str) -> None:
    """A template of before the change is not used."""
    judged = _warm()
    _CHANGES[name](judged)
    assert not judged.reads(get())


def test_a_wider_policy_counts_for_the_next_read() -> None:
    """A refusal is not remembered either."""
    judged = Judged(LIST)
    assert not judged.reads(get())
    assert judged.templates == 0
    judged.grant(ALLOW)
    assert judged.reads(get())


def test_the_public_access_block_counts_for_the_next_read() -> None:
    """A public policy does not allow a caller of another account any more."""
    open_policy = compile_resource_policy(
        json.dumps({"Version": "2012-10-17", "Statement": {**ALLOW, "Principal": "*"}})
    )
    judged = Judged()
    judged.own(open_policy, account="444455556666", is_public=True)
    assert judged.reads(get())
    assert judged.reads(get())
    assert judged.templates == 1
    block = PublicAccessBlock(restrict_public_buckets=True)
    judged.own(open_policy, account="444455556666", is_public=True, public_access_block=block)
    assert not judged.reads(get())


def test_a_session_ends_for_the_next_read() -> None:
    """At its end, not a microsecond later."""
    judged = _warm(expires=NOW + SECOND)
    judged.now = NOW + SECOND - MOMENT
    assert judged.reads(get())
    judged.now = NOW + SECOND
    assert not judged.reads(get())


@pytest.mark.parametrize(
    ("key", "operator", "bound"),
    [
        ("aws:CurrentTime", "DateLessThan", (NOW + 2 * SECOND).isoformat()),
        ("aws:EpochTime", "NumericLessThan", str(int(NOW.timestamp()) + 2)),
        ("s3:signatureAge", "NumericLessThan", "2000"),
        ("aws:MultiFactorAuthAge", "NumericLessThan", "62"),
    ],
)
def test_a_condition_about_the_time_ends_a_permission(key: str, operator: str, bound: str) -> None:
    """The keys of the time are those of each request."""
    judged = _warm({**ALLOW, "Condition": {operator: {key: bound}}}, mfa_at=int(NOW.timestamp()) - 60)
    judged.now = NOW + SECOND
    assert judged.reads(get())
    judged.now = NOW + 2 * SECOND
    assert not judged.reads(get())


@pytest.mark.parametrize(
    ("key", "operator", "bound"),
    [
        ("aws:CurrentTime", "DateGreaterThan", (NOW + SECOND).isoformat()),
        ("aws:EpochTime", "NumericGreaterThan", str(int(NOW.timestamp()) + 1)),
        ("s3:signatureAge", "NumericGreaterThan", "1000"),
        ("aws:MultiFactorAuthAge", "NumericGreaterThan", "61"),
    ],
)
def test_a_condition_about_the_time_begins_a_denial(key: str, operator: str, bound: str) -> None:
    """A missing key, or one of an earlier request, would leave the denial out."""
    deny = {**ALLOW, "Effect": "Deny", "Condition": {operator: {key: bound}}}
    judged = _warm(ALLOW, deny, mfa_at=int(NOW.timestamp()) - 60)
    judged.now = NOW + SECOND
    assert judged.reads(get())
    judged.now = NOW + 2 * SECOND
    assert not judged.reads(get())


@pytest.mark.parametrize(
    "path", ["/bucket/a//b", "/bucket//a", "/bucket/./a", "/bucket/a/.uploads", "/bucket/.versions"]
)
def test_an_ambiguous_key_is_refused_with_a_template(path: str) -> None:
    """The store may take it for another key."""
    assert not _warm().reads(get(path))


@pytest.mark.parametrize("query", ["tagging", "versionId=1", "acl", "unknown", "partNumber=1"])
def test_a_query_is_another_operation_with_a_template(query: str) -> None:
    """The names of the headers are the same."""
    judged = _warm({**ALLOW, "Action": "s3:GetObject"})
    assert judged.reads(get(query=query)) == (query == "partNumber=1")


def test_a_folder_needs_the_permission_for_the_object_with_a_template() -> None:
    """The store may take `folder/` for `folder`."""
    judged = _warm(ALLOW, {**SECRETS, "Resource": "arn:aws:s3:::bucket/folder"})
    assert not judged.reads(get("/bucket/folder/"))


def test_the_method_chooses_the_operation_with_a_template() -> None:
    """HEAD with the headers of a GET."""
    judged = _warm()
    plan = judged.plan(get(method="HEAD"))
    assert isinstance(plan, Forward)
    assert (plan.operation, plan.is_head) == ("HeadObject", True)


def test_a_caller_with_a_key_of_the_time_has_no_template() -> None:
    """No key of a request overrides the caller's own ones, so such a caller takes the whole way."""
    judged = Judged()
    caller = static_caller(
        ACCOUNT, "alice", json.dumps({"Version": "2012-10-17", "Statement": ALLOW}), access_key_id=KEY_ID
    )
    judged.add(msgspec.structs.replace(caller, context={**caller.context, "aws:currenttime": "2013-05-24T00:00:00Z"}))
    assert judged.reads(get())
    assert judged.templates == 0


_OTHERS: Mapping[str, tuple[Statement, Peer, dict[str, Any]]] = {
    "another address": (
        {**ALLOW, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.7"}}},
        Peer("192.0.2.8", secure=False),
        {},
    ),
    "a connection without TLS": (
        {**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        Peer("192.0.2.7", secure=True, tls_version="TLSv1.3"),
        {},
    ),
    "a connection whose TLS ended at a proxy": (
        {**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        Peer("192.0.2.7", secure=True),
        {},
    ),
    "another program": (
        {**ALLOW, "Condition": {"StringEqualsIfExists": {"aws:UserAgent": "test"}}},
        PEER,
        {"headers": {"user-agent": "curl"}},
    ),
    "another page": (
        {**ALLOW, "Condition": {"StringEqualsIfExists": {"aws:Referer": "test"}}},
        PEER,
        {"headers": {"referer": "other"}},
    ),
    "another form of the body": (
        {**ALLOW, "Condition": {"StringNotEquals": {"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"}}},
        PEER,
        {"payload": "UNSIGNED-PAYLOAD"},
    ),
    "another method": ({**ALLOW, "Condition": {"StringEquals": {"aws:Referer": "x"}}}, PEER, {"method": "HEAD"}),
}


@pytest.mark.parametrize("name", _OTHERS)
def test_another_client_has_another_template(name: str) -> None:
    """What the policies can tell apart is not shared."""
    statement, peer, changes = _OTHERS[name]
    judged = Judged(statement)
    headers = {"user-agent": "test", "referer": "test"} if "headers" in changes else {}
    first = get(headers=headers)
    allowed = judged.reads(first)
    judged.reads(first)
    both = {**headers, **changes.pop("headers", {})} if headers else {}
    assert not judged.reads(get(headers=both, **changes), peer)
    assert judged.reads(first) == allowed


_UNUSUAL = {
    "a query": get(query="versionId=1"),
    "an empty name": get("/bucket"),
    "a folder": get("/bucket/folder/"),
    "an escape": get("/bucket/a%20b"),
    "metadata": get(headers={"x-amz-meta-a": "b"}),
    "an expected owner": get(headers={"x-amz-expected-bucket-owner": ACCOUNT}),
    "a coding": get(headers={"content-encoding": "gzip"}),
    "a length": get(headers={"content-length": "0"}),
    "an upload": Signing(method="PUT", path="/bucket/key", headers={"content-length": "0"}).by_header(),
    "a presigned URL": Signing(path="/bucket/key").presigned(),
    "a repeated header": parse_head(Signing(path="/bucket/key").block_by_header() + b"\r\naccept: a\r\naccept: b"),
    "no signature": parse_head(b"GET /bucket/key HTTP/1.1\r\nHost: s3.example"),
}


@pytest.mark.parametrize("name", _UNUSUAL)
def test_an_unusual_request_takes_the_whole_way(name: str) -> None:
    """It neither leaves a template nor uses one."""
    judged = Judged()
    judged.plan(_UNUSUAL[name])
    judged.plan(_UNUSUAL[name])
    assert judged.templates == 0


@pytest.mark.parametrize("name", ["x-amz-decoded-content-length", "x-amz-trailer", "content-md5"])
def test_a_header_about_a_body_takes_the_whole_way(name: str) -> None:
    """Its value is examined for each request, also if the request does not have a body."""
    judged = Judged()
    for value in ("0", "5", "x", "1B2M2Y8AsgTpgAmY7PhCfg=="):
        judged.plan(get(headers={name: value}))
        judged.plan(get(headers={name: "5"}))
    assert judged.templates == 0


def test_an_sdk_that_asks_for_the_checksum_has_a_template() -> None:
    """Clients with boto3 send this header with every GET. Another value of it takes the whole way."""
    judged, mode = Judged(), "x-amz-checksum-mode"
    assert judged.reads(get(headers={mode: "ENABLED"}))
    assert judged.templates == 1
    for value in ("ENABLED", "enabled", "", "x" * 5_000, "ENABLED"):
        judged.plan(get("/bucket/another/key", headers={mode: value}))
    assert judged.templates == 1
    other = Judged()
    other.plan(get(headers={mode: "enabled"}))
    assert other.templates == 0


def test_the_version_of_tls_is_that_of_the_connection() -> None:
    """A connection with an older version than that of the template's."""
    judged = Judged({**ALLOW, "Condition": {"NumericGreaterThanEquals": {"s3:TlsVersion": "1.3"}}})
    newer, older = (Peer("192.0.2.7", secure=True, tls_version=f"TLSv1.{minor}") for minor in (3, 2))
    assert judged.reads(get(), newer)
    assert not judged.reads(get(), older)


def test_a_virtual_host_takes_the_whole_way() -> None:
    """The bucket may be in the Host header."""
    judged = Judged(domains=("s3.example",))
    assert judged.reads(get())
    assert judged.templates == 0


def test_a_policy_with_a_look_up_takes_the_whole_way() -> None:
    """The tags of the object are not known from the request."""
    judged = Judged({**ALLOW, "Condition": {"StringEquals": {"s3:ExistingObjectTag/a": "b"}}})
    with pytest.raises(NotLoadedError):
        judged.judge.judge(get(), PEER)
    assert judged.templates == 0


def test_a_missing_object_is_hidden_with_a_template() -> None:
    """A caller that must not list the bucket does not learn which objects exist; plan() compares the answers."""
    judged = _warm({**ALLOW, "Action": "s3:GetObject"})
    plan = judged.judge.judge(get(), PEER)
    assert isinstance(plan, Forward)
    found = plan.answer.begin(404, ())
    assert isinstance(found, EditAnswer)
    assert found.waits
    assert found.finish(b"").status == 403


def test_templates_of_long_headers_are_not_kept() -> None:
    """The sender chooses their length."""
    judged = Judged()
    assert judged.reads(get(headers={"user-agent": "a" * 513}))
    assert judged.templates == 0
    assert judged.reads(get(headers={"user-agent": "a" * 512}))
    assert judged.templates == 1
