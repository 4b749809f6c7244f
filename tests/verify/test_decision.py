"""decide(): who may do what, within an account and across accounts."""

import json
from typing import Any

import msgspec
import pytest

from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.policy.compiled import PolicySet, compile_document, compile_set
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.source import PolicySource, PolicyType
from daypass.verify import ANONYMOUS, Allowed, Caller, Denied, compile_resource_policy, decide, static_caller

ACCOUNT, OTHER = "111122223333", "444455556666"
ITEM = f"arn:aws:inventory:us-east-1:{ACCOUNT}:item/42"
OBJECT = "arn:aws:s3:::bucket/key"


def _document(effect: str, action: str = "*", resource: str = "*", **more: Any) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": effect, "Action": action, "Resource": resource, **more}}
    )


def _set(kind: DocumentKind, policy_type: PolicyType, *texts: str) -> PolicySet:
    return compile_set(compile_document(parse_document(text, kind), PolicySource(policy_type, "p")) for text in texts)


ALLOW = _document("Allow")
ALICE = static_caller(ACCOUNT, "alice", ALLOW)
MALLORY = static_caller(OTHER, "mallory", ALLOW)
NOBODY = static_caller(ACCOUNT, "carol")
ROOT = Caller(
    account=ACCOUNT,
    arn=f"arn:aws:iam::{ACCOUNT}:root",
    user_id=ACCOUNT,
    access_key_id="",
    principal=Principal(kind=PrincipalKind.ROOT, account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root"),
    context={"aws:principalaccount": ACCOUNT},
    policies=Policies(compile_set(())),
)


def _names(caller: Caller | str) -> dict[str, Any]:
    return {"Principal": caller if isinstance(caller, str) else {"AWS": caller.arn}}


def test_the_callers_policies_decide_within_an_account() -> None:
    """Without an Allow a request is denied."""
    assert isinstance(decide(ALICE, "inventory:GetItem", ITEM, {}), Allowed)
    assert isinstance(decide(NOBODY, "inventory:GetItem", ITEM, {}), Denied)
    assert isinstance(decide(ROOT, "inventory:GetItem", ITEM, {}), Allowed)


def test_an_administrator_of_another_account_is_denied() -> None:
    """The account of the ARN owns the resource; both sides must allow."""
    assert isinstance(decide(MALLORY, "inventory:GetItem", ITEM, {}), Denied)
    grant = compile_resource_policy(_document("Allow", "inventory:GetItem", ITEM, **_names(MALLORY)))
    assert isinstance(decide(MALLORY, "inventory:GetItem", ITEM, {}, resource_policy=grant), Allowed)
    powerless = static_caller(OTHER, "mallory")
    assert isinstance(decide(powerless, "inventory:GetItem", ITEM, {}, resource_policy=grant), Denied)


def test_the_owner_of_a_bucket_is_an_argument() -> None:
    """ARNs of S3 do not contain an account."""
    assert isinstance(decide(MALLORY, "s3:GetObject", OBJECT, {}, resource_account=ACCOUNT), Denied)
    grant = compile_resource_policy(_document("Allow", "s3:GetObject", OBJECT, **_names(MALLORY)))
    allowed = decide(MALLORY, "s3:GetObject", OBJECT, {}, resource_account=ACCOUNT, resource_policy=grant)
    assert isinstance(allowed, Allowed)


def test_a_resource_policy_alone_can_allow_a_user_of_its_account() -> None:
    """AWS: within an account, one of the two policies is enough."""
    grant = compile_resource_policy(_document("Allow", "s3:GetObject", OBJECT, **_names(NOBODY)))
    allowed = decide(NOBODY, "s3:GetObject", OBJECT, {}, resource_account=ACCOUNT, resource_policy=grant)
    assert isinstance(allowed, Allowed)


def test_an_anonymous_caller_needs_a_public_policy() -> None:
    """Only a resource policy for everyone allows a request without a signature."""
    public = compile_resource_policy(_document("Allow", "s3:GetObject", OBJECT, **_names("*")))
    of_alice = compile_resource_policy(_document("Allow", "s3:GetObject", OBJECT, **_names(ALICE)))
    for policy, expected in ((None, Denied), (of_alice, Denied), (public, Allowed)):
        decision = decide(ANONYMOUS, "s3:GetObject", OBJECT, {}, resource_account=ACCOUNT, resource_policy=policy)
        assert isinstance(decision, expected)


@pytest.mark.parametrize(
    "where", ["identity", "boundary", "session", "scoped", "service_control", "resource", "resource_control"]
)
def test_a_deny_anywhere_refuses(where: str) -> None:
    """An explicit Deny wins over every Allow, in each kind of policy."""
    kinds = {
        "identity": (DocumentKind.IDENTITY, PolicyType.IDENTITY),
        "boundary": (DocumentKind.IDENTITY, PolicyType.BOUNDARY),
        "session": (DocumentKind.SESSION, PolicyType.SESSION),
        "scoped": (DocumentKind.SESSION, PolicyType.SESSION),
        "service_control": (DocumentKind.SERVICE_CONTROL, PolicyType.SERVICE_CONTROL),
        "resource": (DocumentKind.RESOURCE, PolicyType.RESOURCE),
        "resource_control": (DocumentKind.RESOURCE_CONTROL, PolicyType.RESOURCE_CONTROL),
    }
    kind, policy_type = kinds[where]
    principal = {"Principal": "*"} if where.startswith("resource") else {}
    texts = [_document("Deny", "s3:*", **principal)]
    if where != "resource_control":  # Allows of RCPs are AWS's own.
        texts.append(_document("Allow", "s3:*" if where == "resource" else "*", **principal))
    denying = _set(kind, policy_type, *texts)
    own = ALICE.policies
    more: dict[str, Any] = {"resource_account": ACCOUNT}
    if where == "resource":
        more["resource_policy"] = denying
    elif where == "resource_control":
        more["resource_control"] = (denying,)
    else:
        own = Policies(
            denying if where == "identity" else own.identity,
            denying if where == "boundary" else None,
            denying if where == "session" else None,
            (denying,) if where == "scoped" else (),
            (denying,) if where == "service_control" else (),
        )
    caller = msgspec.structs.replace(ALICE, policies=own)
    decision = decide(caller, "s3:GetObject", OBJECT, {}, **more)
    assert isinstance(decision, Denied)
    assert (decision.explicit, decision.by) == (True, policy_type)


def test_the_callers_own_keys_cannot_be_replaced() -> None:
    """A service that passes a header as a condition key cannot make its caller somebody else."""
    policy = _document("Allow", Condition={"StringEquals": {"aws:username": "root"}})
    caller = static_caller(ACCOUNT, "alice", policy)
    assert isinstance(decide(caller, "a:B", ITEM, {"aws:username": "root", "aws:UserName": "root"}), Denied)


@pytest.mark.parametrize("key", ["aws:OriginIdentity/Subject", "AWS:TransactionContext/IdentityProvider/Department"])
def test_a_request_cannot_add_a_propagated_identity(key: str) -> None:
    """Only the proof of the sign-in sets these keys, also for a caller that has none of them."""
    allowed = _document("Allow", Condition={"StringEquals": {key: "alice"}})
    caller = static_caller(ACCOUNT, "mallory", allowed)
    assert isinstance(decide(caller, "a:B", ITEM, {key: "alice"}), Denied)
    signed_in = msgspec.structs.replace(caller, context={**caller.context, key.lower(): "alice"})
    assert isinstance(decide(signed_in, "a:B", ITEM, {key: "bob"}), Allowed)


@pytest.mark.parametrize("key", ["inventory:color", "inventory:Color", "Inventory:COLOR"])
def test_keys_of_the_context_are_not_case_sensitive(key: str) -> None:
    """A Deny must find its key in every spelling of the service."""
    deny = _document("Deny", Condition={"StringEquals": {"inventory:Color": "red"}})
    caller = static_caller(ACCOUNT, "alice", ALLOW, deny)
    assert isinstance(decide(caller, "a:B", ITEM, {key: "red"}), Denied)
    assert isinstance(decide(caller, "a:B", ITEM, {key: "blue"}), Allowed)
