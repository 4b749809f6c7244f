"""Access to buckets: identity and bucket policies, boundaries, session policies, SCPs and RCPs, as on AWS.

Each row states the caller, the policies and AWS's result. Source: IAM User Guide, "Policy evaluation logic" and
"Cross-account policy evaluation logic"; Amazon S3 User Guide, "How Amazon S3 authorizes a request".
"""

import json
from typing import Any

import msgspec
import pytest
from tests.documents import allow, deny, document
from tests.gateway.buckets.bucket_store import NOW, OFF, OTHER, OWNER, BucketStore

from daypass.directory.buckets import insert_bucket
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket
from daypass.policy.authorization_request import Principal
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.verify.caller import ANONYMOUS, VerifiedCaller
from daypass.verify.decision import decide

OBJECT, OBJECTS, BUCKET = "arn:aws:s3:::data/key", "arn:aws:s3:::data/*", "arn:aws:s3:::data"
GET = "s3:GetObject"
READ, DENY = allow(GET, OBJECTS), deny(GET, OBJECTS)
MANAGER = "999988887777"


def user(account: str) -> str:
    """Return the ARN of the user."""
    return f"arn:aws:iam::{account}:user/ann"


def role(account: str) -> str:
    """Return the ARN of the role."""
    return f"arn:aws:iam::{account}:role/reader"


def session(account: str) -> str:
    """Return the ARN of a session of the role."""
    return f"arn:aws:sts::{account}:assumed-role/reader/explain"


def policy_set(statements: list[dict[str, Any]], type_: PolicyType, kind: DocumentKind) -> PolicySet:
    """Return one compiled policy."""
    return compile_set((compile_document(parse_document(document(*statements), kind), PolicySource(type_, "test")),))


class Access:
    """A bucket, its owner's policies and callers."""

    def __init__(self, *, organized: bool = False) -> None:
        self.store = BucketStore()
        if organized:
            accounts: dict[str, Any] = {MANAGER: {"standing": "management"}, OWNER: {"unit": "/"}, OTHER: {"unit": "/"}}
            self.apply({"organization": {"units": {"/": {}}}, "accounts": accounts})
        trust = json.loads(document({"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "sts:AssumeRole"}))
        entities = {"users": {"ann": {}, "bob": {}}, "roles": {"reader": {"trust": trust}}}
        self.apply({"accounts": {OWNER: entities, OTHER: entities}})

    def apply(self, document_: dict[str, Any]) -> None:
        """Apply a file."""
        self.store.directory.apply(json.dumps({"version": 1, **document_}))

    def bucket(self, *statements: dict[str, Any], block: PublicAccessBlock = OFF) -> None:
        """Make the bucket of OWNER, with a bucket policy."""
        self.store.add("data", block=OFF)
        if statements:
            self.store.put_policy("data", document(*statements))
        self.store.writer.put_public_access_block(self.store.get("data"), block, now=NOW)

    def caller(
        self,
        arn: str,
        *identity: dict[str, Any],
        boundary: list[dict[str, Any]] | None = None,
        session_policy: list[dict[str, Any]] | None = None,
    ) -> VerifiedCaller:
        """Return a caller with these policies."""
        found = self.store.caller(arn)
        own = policy_set(list(identity), PolicyType.IDENTITY, DocumentKind.IDENTITY) if identity else compile_set(())
        bound = None if boundary is None else policy_set(boundary, PolicyType.BOUNDARY, DocumentKind.IDENTITY)
        limit = None if session_policy is None else policy_set(session_policy, PolicyType.SESSION, DocumentKind.SESSION)
        policies = Policies(own, bound, limit, service_control=found.policies.service_control)
        return msgspec.structs.replace(found, policies=policies)

    def allowed(self, caller: VerifiedCaller, action: str = GET, resource: str = OBJECT, **context: str) -> bool:
        """Return the decision, made as the gateway makes it."""
        bucket = self.store.get("data")
        decision = decide(
            caller,
            action,
            resource,
            {**bucket.resource_keys, **context},
            resource_account=bucket.account,
            resource_policy=bucket.policy_for(caller.principal, action),
            resource_control=bucket.resource_control,
        )
        return isinstance(decision, Allowed)


def names(*arns: str) -> dict[str, Any]:
    """Return a Principal element."""
    return {"AWS": list(arns)}


SAME: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]], bool]] = [
    # the caller, its identity policy, the bucket policy, AWS's result
    (user(OWNER), [], [], False),
    (user(OWNER), [READ], [], True),
    (user(OWNER), [READ, DENY], [], False),
    (user(OWNER), [], [{**READ, "Principal": names(user(OWNER))}], True),
    (user(OWNER), [], [{**READ, "Principal": "*"}], True),
    (user(OWNER), [], [{**READ, "Principal": names(OWNER)}], False),
    (user(OWNER), [READ], [{**READ, "Principal": names(OWNER)}], True),
    (user(OWNER), [], [{**READ, "Principal": names(f"arn:aws:iam::{OWNER}:user/bob")}], False),
    (user(OWNER), [READ], [{**DENY, "Principal": "*"}], False),
    (user(OWNER), [READ], [{**DENY, "Principal": names(user(OWNER))}], False),
    (user(OWNER), [READ], [{**DENY, "Principal": names(f"arn:aws:iam::{OWNER}:user/bob")}], True),
    (user(OWNER), [READ], [{**DENY, "NotPrincipal": names(user(OWNER), OWNER)}], True),
    (user(OWNER), [READ], [{**DENY, "NotPrincipal": names(f"arn:aws:iam::{OWNER}:user/bob", OWNER)}], False),
    (user(OWNER), [DENY], [{**READ, "Principal": names(user(OWNER))}], False),
    (role(OWNER), [], [{**READ, "Principal": names(role(OWNER))}], True),
    (role(OWNER), [], [{**READ, "Principal": names(session(OWNER))}], True),
    (role(OWNER), [], [{**READ, "Principal": names(session(OWNER) + "2")}], False),
    (f"arn:aws:iam::{OWNER}:root", [], [], True),
    (f"arn:aws:iam::{OWNER}:root", [], [{**DENY, "Principal": "*"}], False),
]

CROSS: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]], bool]] = [
    (user(OTHER), [READ], [], False),
    (user(OTHER), [], [{**READ, "Principal": names(user(OTHER))}], False),
    (user(OTHER), [], [{**READ, "Principal": "*"}], False),
    (user(OTHER), [READ], [{**READ, "Principal": names(user(OTHER))}], True),
    (user(OTHER), [READ], [{**READ, "Principal": names(OTHER)}], True),
    (user(OTHER), [READ], [{**READ, "Principal": names(f"arn:aws:iam::{OTHER}:root")}], True),
    (user(OTHER), [READ], [{**READ, "Principal": "*"}], True),
    (user(OTHER), [READ], [{**READ, "Principal": names(OWNER)}], False),
    (user(OTHER), [READ], [{**READ, "Principal": names(f"arn:aws:iam::{OTHER}:user/bob")}], False),
    (user(OTHER), [READ], [{**READ, "Principal": names(OTHER)}, {**DENY, "Principal": names(user(OTHER))}], False),
    (user(OTHER), [READ, DENY], [{**READ, "Principal": "*"}], False),
    (role(OTHER), [READ], [{**READ, "Principal": names(role(OTHER))}], True),
    (role(OTHER), [READ], [{**READ, "Principal": names(session(OTHER))}], True),
    (role(OTHER), [], [{**READ, "Principal": names(session(OTHER))}], False),
    (f"arn:aws:iam::{OTHER}:root", [], [{**READ, "Principal": names(OTHER)}], True),
    (f"arn:aws:iam::{OTHER}:root", [], [], False),
]


@pytest.mark.parametrize(("caller", "identity", "policy", "expected"), SAME)
def test_inside_the_owners_account_one_allow_is_enough(
    caller: str, identity: list[dict[str, Any]], policy: list[dict[str, Any]], *, expected: bool
) -> None:
    """Of the identity policy, or of the bucket policy if it names the caller itself."""
    access = Access()
    access.bucket(*policy)
    assert access.allowed(access.caller(caller, *identity)) is expected


@pytest.mark.parametrize(("caller", "identity", "policy", "expected"), CROSS)
def test_across_accounts_both_must_allow(
    caller: str, identity: list[dict[str, Any]], policy: list[dict[str, Any]], *, expected: bool
) -> None:
    """The bucket policy alone is not enough, and neither is the identity policy."""
    access = Access()
    access.bucket(*policy)
    assert access.allowed(access.caller(caller, *identity)) is expected


LIMITED = [
    # the caller, its boundary, its session policy, the principal in the bucket policy, AWS's result
    (user(OWNER), [allow("s3:PutObject")], None, user(OWNER), True),
    (user(OWNER), [DENY], None, user(OWNER), False),
    (role(OWNER), [allow("s3:PutObject")], None, role(OWNER), False),
    (role(OWNER), [allow("s3:PutObject")], None, session(OWNER), True),
    (role(OWNER), None, [allow("s3:PutObject")], role(OWNER), False),
    (role(OWNER), None, [allow("s3:PutObject")], session(OWNER), True),
    (role(OWNER), None, [DENY], session(OWNER), False),
    (role(OWNER), None, [READ], role(OWNER), True),
    (role(OTHER), None, [READ], role(OTHER), True),
    (role(OTHER), None, [allow("s3:PutObject")], session(OTHER), False),
    (role(OTHER), [allow("s3:PutObject")], None, session(OTHER), False),
]


@pytest.mark.parametrize(("caller", "boundary", "session_policy", "principal", "expected"), LIMITED)
def test_boundaries_and_session_policies_limit_as_on_aws(
    caller: str,
    boundary: list[dict[str, Any]] | None,
    session_policy: list[dict[str, Any]] | None,
    principal: str,
    *,
    expected: bool,
) -> None:
    """Inside the account it depends on the name in the bucket policy; across accounts they always limit."""
    access = Access()
    access.bucket({**READ, "Principal": names(principal)})
    found = access.caller(caller, READ, boundary=boundary, session_policy=session_policy)
    assert access.allowed(found) is expected


@pytest.mark.parametrize(
    ("account", "controls", "expected"),
    [
        (OTHER, {}, True),
        (OTHER, {"serviceControl": {"no": deny(GET)}}, False),
        (OWNER, {"serviceControl": {"no": deny(GET)}}, True),
        (OWNER, {"resourceControl": {"no": deny(GET, Principal="*")}}, False),
        (OTHER, {"resourceControl": {"no": deny(GET, Principal="*")}}, True),
    ],
)
def test_control_policies_apply_on_their_side(account: str, controls: dict[str, Any], *, expected: bool) -> None:
    """SCPs of the caller's account, RCPs of the owner's account."""
    access = Access(organized=True)
    access.bucket({**READ, "Principal": names(OTHER)})
    wrapped = {
        kind: {name: json.loads(document(statement)) for name, statement in policies.items()}
        for kind, policies in controls.items()
    }
    access.apply({"name": "controls", "accounts": {account: wrapped}})
    assert access.allowed(access.caller(user(OTHER), READ)) is expected


def test_an_rcp_applies_to_anonymous_callers_too() -> None:
    """A data perimeter holds for a public bucket."""
    access = Access(organized=True)
    access.bucket({**READ, "Principal": "*"})
    assert access.allowed(ANONYMOUS)
    perimeter = deny("s3:*", Principal="*", Condition={"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-own"}})
    access.apply({"name": "c", "accounts": {OWNER: {"resourceControl": {"no": json.loads(document(perimeter))}}}})
    assert not access.allowed(ANONYMOUS)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], False),
        ([{**READ, "Principal": "*"}], True),
        ([{**READ, "Principal": {"AWS": "*"}}], True),
        ([{**READ, "Principal": names(OWNER, OTHER)}], False),
        ([{**READ, "Principal": "*"}, {**DENY, "Principal": "*"}], False),
        ([{**READ, "Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": OWNER}}}], False),
        ([{**READ, "Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}], True),
        ([{**READ, "Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}}], False),
        ([{**READ, "Principal": "*"}, {**DENY, "NotPrincipal": names(OWNER)}], False),
    ],
)
def test_an_anonymous_caller_has_what_the_bucket_policy_gives_to_all(
    statements: list[dict[str, Any]], *, expected: bool
) -> None:
    """Without an account, no other policy can allow."""
    access = Access()
    access.bucket(*statements)
    assert access.allowed(ANONYMOUS, **{"aws:sourceip": "203.0.113.7"}) is expected


def test_a_restricted_public_bucket_serves_its_own_account_alone() -> None:
    """Even principals of other accounts that the policy names are refused, as on AWS."""
    access = Access()
    statements = ({**READ, "Principal": "*"}, {**READ, "Principal": names(user(OTHER)), "Sid": "named"})
    access.bucket(*statements, block=msgspec.structs.replace(OFF, restrict_public_buckets=True))
    assert not access.allowed(ANONYMOUS)
    assert not access.allowed(access.caller(user(OTHER), READ))
    assert not access.allowed(access.caller(f"arn:aws:iam::{OTHER}:root"))
    assert access.allowed(access.caller(user(OWNER)))


def test_a_restricted_bucket_with_a_private_policy_serves_other_accounts() -> None:
    """The block limits public policies only."""
    access = Access()
    access.bucket({**READ, "Principal": names(user(OTHER))}, block=PublicAccessBlock())
    assert access.allowed(access.caller(user(OTHER), READ))
    assert not access.allowed(ANONYMOUS)


@pytest.mark.parametrize("action", ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "S3:deletebucketpolicy"])
def test_the_owners_root_user_can_always_repair_the_policy(action: str) -> None:
    """A Deny for all principals binds every other caller and every other action."""
    access = Access()
    access.bucket(deny("s3:*", [BUCKET, OBJECTS], Principal="*"))
    root = access.caller(f"arn:aws:iam::{OWNER}:root")
    assert access.allowed(root, action, BUCKET)
    assert not access.allowed(root, "s3:ListBucket", BUCKET)
    assert not access.allowed(access.caller(f"arn:aws:iam::{OTHER}:root"), action, BUCKET)
    assert not access.allowed(access.caller(user(OWNER), allow("s3:*")), action, BUCKET)


def test_the_owners_root_user_keeps_its_other_limits() -> None:
    """A session policy and an SCP apply to its repair, too."""
    access = Access(organized=True)
    access.bucket(deny("s3:*", [BUCKET, OBJECTS], Principal="*"))
    limited = access.caller(f"arn:aws:iam::{OWNER}:root", session_policy=[deny("s3:PutBucketPolicy"), allow("s3:*")])
    assert not access.allowed(limited, "s3:PutBucketPolicy", BUCKET)
    access.apply({"name": "c", "accounts": {OWNER: {"serviceControl": {"no": json.loads(document(deny("s3:*")))}}}})
    assert not access.allowed(access.caller(f"arn:aws:iam::{OWNER}:root"), "s3:GetBucketPolicy", BUCKET)


def test_a_role_that_was_created_again_is_another_principal() -> None:
    """The bucket policy names the old one."""
    access = Access()
    access.bucket({**READ, "Principal": names(role(OTHER))})
    assert access.allowed(access.caller(role(OTHER), READ))
    access.apply({"accounts": {OTHER: {"users": {"ann": {}}}}})
    trust = json.loads(document({"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "sts:AssumeRole"}))
    access.apply({"accounts": {OTHER: {"roles": {"reader": {"trust": trust}}}}})
    assert not access.allowed(access.caller(role(OTHER), READ))


def test_a_deny_holds_for_a_role_that_is_created_later() -> None:
    """The policy shows the name, thus the Deny means the name."""
    access = Access()
    later = f"arn:aws:iam::{OTHER}:role/later"
    access.bucket({**READ, "Principal": names(OTHER)}, {**DENY, "Principal": names(later)})
    trust = json.loads(document({"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "sts:AssumeRole"}))
    access.apply({"name": "more", "accounts": {OTHER: {"roles": {"later": {"trust": trust}}}}})
    assert not access.allowed(access.caller(later, READ))
    assert access.allowed(access.caller(role(OTHER), READ))


def test_a_bucket_policy_without_its_record_does_not_exist() -> None:
    """A reserved bucket has no policy, whatever its record says."""
    access = Access()
    with access.store.transaction() as writer:
        insert_bucket(
            writer,
            StoredBucket(
                name="data",
                account=OWNER,
                backend="main",
                created=NOW,
                policy=document({**READ, "Principal": "*"}),
                public_access_block=None,
                state="creating",
            ),
        )
    assert access.store.find("data") is None


def test_the_policy_of_a_caller_without_an_account_is_that_of_all() -> None:
    """An empty account is never the owner's."""
    access = Access()
    access.bucket({**READ, "Principal": "*"}, block=msgspec.structs.replace(OFF, restrict_public_buckets=True))
    bucket = access.store.get("data")
    assert bucket.policy_for(ANONYMOUS.principal, GET) is None
    odd = Principal(kind=ANONYMOUS.principal.kind, account=OWNER, arn="")
    assert bucket.policy_for(odd, GET) is None
