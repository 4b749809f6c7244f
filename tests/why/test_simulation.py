"""The policy simulator decides like the engine, in the simulator's format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.documents import allow, deny, document, trusting
from tests.refusals import refused

from daypass.bootstrap import RootKey
from daypass.directory.organization.organization_changes import set_policy
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

A, B = "111111111111", "222222222222"
_CALLERS = {
    "user": f"arn:aws:iam::{A}:user/alice",
    "user of another account": f"arn:aws:iam::{B}:user/alice",
    "role session": f"arn:aws:iam::{A}:role/app",
}
_CASES = Path(__file__).parents[1] / "policy" / "cases"
_UNLIKE = ("session", "rcp")  # a simulation has neither


def _cases() -> list[Any]:
    return [
        pytest.param(case, id=case["rule"])
        for path in sorted(_CASES.glob("*.json"))
        for case in json.loads(path.read_text("utf-8"))
        if case["caller"] in _CALLERS
        and not any(name in case for name in _UNLIKE)
        # A simulated role has no session and no unique ID, so policies cannot name them.
        and not ("assumed-role" in str(case) or "AIDA" in str(case) or "AROA" in str(case))
    ]


def _texts(documents: Any) -> list[str]:
    return [json.dumps(one) for one in (documents if isinstance(documents, list) else [documents])]


def _entry(key: str, value: Any) -> dict[str, Any]:
    values = value if isinstance(value, list) else [value]
    kind = "stringList" if isinstance(value, list) else "string"
    return {"ContextKeyName": key, "ContextKeyValues": values, "ContextKeyType": kind}


@pytest.mark.parametrize("case", _cases())
def test_a_simulation_agrees_with_the_engine(as_caller: ClientFactory, case: dict[str, Any]) -> None:
    """Each case of the engine has the same decision through the API."""
    asked: dict[str, Any] = {
        "PolicyInputList": _texts(case["identity"]) if "identity" in case else [document(allow("none:None"))],
        "ActionNames": [case["action"]],
        "ResourceArns": [case["on"]],
        "CallerArn": _CALLERS[case["caller"]],
        "ContextEntries": [_entry(key, value) for key, value in case.get("context", {}).items()],
    }
    if "boundary" in case:
        asked["PermissionsBoundaryPolicyInputList"] = _texts(case["boundary"])
    if "scp" in case:
        levels = [{"ServiceControlPolicyInputList": _texts(level)} for level in case["scp"]]
        asked["OrderedOrganizationPolicyInputList"] = levels
    if "resource" in case or "trust" in case:
        asked["ResourcePolicy"] = json.dumps(case.get("trust", case.get("resource")))
    if "resource" in case or case["caller"] == "user of another account":
        asked["ResourceOwner"] = case.get("account", A)
    (result,) = as_caller("iam").simulate_custom_policy(**asked)["EvaluationResults"]
    assert result["EvalDecision"] == case["expect"].partition(" ")[0]


def test_a_result_names_the_statements_that_decided(iam: Any) -> None:
    """MatchedStatements has the deciding statements with their position."""
    given = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:*"), deny("s3:Delete*")]}, indent=2)
    results = iam.simulate_custom_policy(
        PolicyInputList=[document(allow("ec2:*")), given],
        ActionNames=["s3:GetObject", "s3:DeleteObject", "iam:GetUser"],
    )["EvaluationResults"]
    assert [one["EvalDecision"] for one in results] == ["allowed", "explicitDeny", "implicitDeny"]
    assert [one["EvalResourceName"] for one in results] == ["*", "*", "*"]
    allowed, denied, missing = (one["MatchedStatements"] for one in results)
    assert missing == []
    for statements, text in ((allowed, '"Allow"'), (denied, '"Deny"')):
        (statement,) = statements
        assert statement["SourcePolicyId"] == "PolicyInputList.2"
        lines = given.splitlines()[statement["StartPosition"]["Line"] - 1 : statement["EndPosition"]["Line"]]
        assert lines[0][statement["StartPosition"]["Column"] - 1] == "{"
        assert lines[-1][: statement["EndPosition"]["Column"] - 1].endswith("}")
        assert text in "".join(lines)


def test_a_propagated_identity_can_be_simulated(iam: Any) -> None:
    """Its keys are known: in conditions, in variables, and in the list of missing keys."""
    subject, department = "aws:OriginIdentity/Subject", "aws:TransactionContext/IdentityProvider/Department"
    condition = {"StringEquals": {department: "Research"}}
    policy = document(allow("s3:GetObject", f"arn:aws:s3:::b/${{{subject}}}/*", Condition=condition))
    asked = {"PolicyInputList": [policy], "ActionNames": ["s3:GetObject"], "ResourceArns": ["arn:aws:s3:::b/alice/k"]}
    names = iam.get_context_keys_for_custom_policy(PolicyInputList=[policy])["ContextKeyNames"]
    assert {name.lower() for name in names} == {subject.lower(), department.lower()}
    (bare,) = iam.simulate_custom_policy(**asked)["EvaluationResults"]
    assert bare["EvalDecision"] == "implicitDeny"
    entries = [_entry(subject, "alice"), _entry(department, "Research")]
    (given,) = iam.simulate_custom_policy(**asked, ContextEntries=entries)["EvaluationResults"]
    assert given["EvalDecision"] == "allowed"


def test_missing_keys_are_listed_where_they_matter(iam: Any) -> None:
    """Missing keys that statements about this action test are listed."""
    policy = document(
        allow("s3:GetObject", "arn:aws:s3:::b/${aws:username}/*", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        allow("s3:PutObject", Condition={"StringEquals": {"s3:x-amz-acl": "private"}}),
    )
    asked = {"PolicyInputList": [policy], "ActionNames": ["s3:GetObject"]}
    (bare,) = iam.simulate_custom_policy(**asked)["EvaluationResults"]
    assert sorted(bare["MissingContextValues"]) == ["aws:SecureTransport", "aws:username"]
    assert "ResourceSpecificResults" not in bare
    (given,) = iam.simulate_custom_policy(
        **asked,
        ResourceArns=["arn:aws:s3:::b/alice/k"],
        CallerArn=f"arn:aws:iam::{A}:user/alice",
        ContextEntries=[_entry("aws:securetransport", "true")],
    )["EvaluationResults"]
    (specific,) = given["ResourceSpecificResults"]
    assert given["EvalDecision"] == specific["EvalResourceDecision"] == "allowed"
    assert given["MissingContextValues"] == specific["MissingContextValues"] == []


@pytest.mark.parametrize(
    ("kind", "values", "condition"),
    [
        ("string", ["a"], {"StringEquals": {"acme:k": "a"}}),
        ("stringList", ["a", "b"], {"ForAllValues:StringEquals": {"acme:k": ["a", "b", "c"]}}),
        ("stringList", ["a"], {"ForAnyValue:StringEquals": {"acme:k": "a"}}),
        ("numeric", ["5"], {"NumericLessThan": {"acme:k": "10"}}),
        ("numericList", ["5", "50"], {"ForAnyValue:NumericGreaterThan": {"acme:k": "10"}}),
        ("boolean", ["true"], {"Bool": {"acme:k": "true"}}),
        ("booleanList", ["true", "false"], {"ForAnyValue:Bool": {"acme:k": "false"}}),
        ("ip", ["10.1.2.3"], {"IpAddress": {"acme:k": "10.0.0.0/8"}}),
        ("ipList", ["10.1.2.3", "::1"], {"ForAllValues:NotIpAddress": {"acme:k": "11.0.0.0/8"}}),
        ("date", ["2026-01-01T00:00:00Z"], {"DateLessThan": {"acme:k": "2026-06-01T00:00:00Z"}}),
        ("dateList", ["2026-01-01T00:00:00Z"], {"ForAllValues:DateLessThan": {"acme:k": "2026-06-01T00:00:00Z"}}),
        ("binary", ["AQID"], {"BinaryEquals": {"acme:k": "AQID"}}),
        ("binaryList", ["AQID"], {"ForAnyValue:BinaryEquals": {"acme:k": "AQID"}}),
        ("string", [], {"Null": {"acme:k": "true"}}),
        ("stringList", [], {"Null": {"acme:k": "true"}}),
    ],
)
def test_context_entries_of_every_type(iam: Any, kind: str, values: list[str], condition: Any) -> None:
    """A value has the type that conditions use; a list type is multivalued."""
    (result,) = iam.simulate_custom_policy(
        PolicyInputList=[document(allow("s3:GetObject", Condition=condition))],
        ActionNames=["s3:GetObject"],
        ContextEntries=[{"ContextKeyName": "acme:k", "ContextKeyValues": values, "ContextKeyType": kind}],
    )["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"


def test_a_list_never_fits_a_plain_operator(iam: Any) -> None:
    """A multivalued key needs ForAnyValue or ForAllValues, as in real calls."""
    (result,) = iam.simulate_custom_policy(
        PolicyInputList=[document(allow("s3:GetObject", Condition={"StringEquals": {"acme:k": "a"}}))],
        ActionNames=["s3:GetObject"],
        ContextEntries=[{"ContextKeyName": "acme:k", "ContextKeyValues": ["a"], "ContextKeyType": "stringList"}],
    )["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny"


@pytest.mark.parametrize(("boundary", "allowed"), [(allow("s3:*"), True), (allow("ec2:*"), False), (deny("*"), False)])
def test_a_boundary_is_told_apart(iam: Any, boundary: dict[str, Any], allowed: bool) -> None:  # noqa: FBT001 - a case
    """PermissionsBoundaryDecisionDetail has the boundary's own decision."""
    (result,) = iam.simulate_custom_policy(
        PolicyInputList=[document(allow("s3:*"))],
        PermissionsBoundaryPolicyInputList=[document(boundary)],
        ActionNames=["s3:GetObject"],
    )["EvaluationResults"]
    assert result["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] is allowed
    assert (result["EvalDecision"] == "allowed") is allowed


def test_each_level_of_the_organization_must_allow(iam: Any) -> None:
    """The levels of OrderedOrganizationPolicyInputList are never merged.

    Their decision is separate in the result.
    """
    asked = {"PolicyInputList": [document(allow("s3:*"))], "ActionNames": ["s3:GetObject"]}
    everything, narrow = document(allow("*")), document(allow("ec2:*"))
    for levels, allowed in (([[everything], [everything]], True), ([[everything], [narrow]], False), ([[]], False)):
        (result,) = iam.simulate_custom_policy(
            **asked,
            OrderedOrganizationPolicyInputList=[{"ServiceControlPolicyInputList": level} for level in levels],
        )["EvaluationResults"]
        assert result["OrganizationsDecisionDetail"]["AllowedByOrganizations"] is allowed
        assert (result["EvalDecision"] == "allowed") is allowed


def test_both_accounts_are_told_apart(iam: Any) -> None:
    """Across accounts both sides must allow; EvalDecisionDetails has both.

    Within one account it is empty.
    """
    bucket = "arn:aws:s3:::b/k"
    policy = document({**allow("s3:GetObject", bucket), "Principal": {"AWS": A}})
    asked: dict[str, Any] = {
        "ActionNames": ["s3:GetObject"],
        "ResourceArns": [bucket],
        "ResourcePolicy": policy,
        "CallerArn": f"arn:aws:iam::{A}:user/alice",
    }
    own = {"yes": document(allow("s3:*")), "no": document(allow("ec2:*"))}
    for name, decision in (("yes", "allowed"), ("no", "implicitDeny")):
        (result,) = iam.simulate_custom_policy(**asked, PolicyInputList=[own[name]], ResourceOwner=B)[
            "EvaluationResults"
        ]
        assert result["EvalDecision"] == decision
        assert result["EvalDecisionDetails"] == {"IAM Policy": decision, "Resource Policy": "allowed"}
    asked["PolicyInputList"] = [own["yes"]]
    (same,) = iam.simulate_custom_policy(**asked)["EvaluationResults"]
    assert same["EvalDecisionDetails"] == {}
    shown = [one["SourcePolicyType"] for one in same["MatchedStatements"]]
    assert shown == ["resource", "none"]


def test_without_a_resource_policy_the_other_account_does_not_decide(iam: Any) -> None:
    """The simulator does not look up the policies of real resources.

    Without a resource policy and an owner, only one side is evaluated.
    """
    asked: dict[str, Any] = {
        "PolicyInputList": [document(allow("sts:AssumeRole"))],
        "ActionNames": ["sts:AssumeRole"],
        "ResourceArns": [f"arn:aws:iam::{B}:role/there"],
    }
    (alone,) = iam.simulate_custom_policy(**asked)["EvaluationResults"]
    (owned,) = iam.simulate_custom_policy(**asked, ResourceOwner=B)["EvaluationResults"]
    assert (alone["EvalDecision"], owned["EvalDecision"]) == ("allowed", "implicitDeny")


def test_pages(iam: Any) -> None:
    """Every pair of action and resource has one result on exactly one page."""
    asked: dict[str, Any] = {
        "PolicyInputList": [document(allow("s3:*"))],
        "ActionNames": [f"s3:Action{number}" for number in range(5)],
        "ResourceArns": ["arn:aws:s3:::a", "arn:aws:s3:::b"],
    }
    paginator = iam.get_paginator("simulate_custom_policy")
    pages = list(paginator.paginate(**asked, PaginationConfig={"PageSize": 3}))
    assert [len(page["EvaluationResults"]) for page in pages] == [3, 3, 3, 1]
    pairs = {(one["EvalActionName"], one["EvalResourceName"]) for page in pages for one in page["EvaluationResults"]}
    assert len(pairs) == 10
    assert refused(iam.simulate_custom_policy, **asked, Marker="nonsense").code == "ValidationError"


def test_long_policies_make_short_pages(iam: Any) -> None:
    """A page ends early if policies are long, so that each call is fast."""
    statements = [allow("s3:Get*", f"arn:aws:s3:::bucket{number}/*") for number in range(1500)]
    answer = iam.simulate_custom_policy(
        PolicyInputList=[document(*statements)], ActionNames=["s3:GetObject"] * 200, MaxItems=1000
    )
    assert answer["IsTruncated"] is True
    assert 1 <= len(answer["EvaluationResults"]) < 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"PolicyInputList": ["{}"]},
        {"PolicyInputList": [document(allow("s3:*") | {"Principal": "*"})]},
        {"ActionNames": ["GetObject"]},
        {"ActionNames": ["s3:*"]},
        {"ResourceArns": ["bucket"]},
        {"ResourceOwner": "somebody"},
        {"CallerArn": f"arn:aws:sts::{A}:assumed-role/app/s1"},
        {"CallerArn": f"arn:aws:iam::{A}:root"},
        {"ResourcePolicy": document({**allow("s3:*"), "Principal": "*"})},
        {"PermissionsBoundaryPolicyInputList": [document(allow("s3:*"))] * 2},
        {"ContextEntries": [_entry("aws:SourceIp", "1.2.3.4"), _entry("aws:sourceip", "1.2.3.5")]},
        {"ContextEntries": [_entry("SourceIp", "1.2.3.4")]},
        {"PolicyInputList": [document(allow("s3:*"), allow("s3:Get*", "arn:aws:s3:::" + "b" * 120_000))] * 9},
    ],
)
def test_what_cannot_be_simulated_is_refused(iam: Any, wrong: dict[str, Any]) -> None:
    """The error is InvalidInput, with a sentence about the problem."""
    asked = {"PolicyInputList": [document(allow("s3:*"))], "ActionNames": ["s3:GetObject"], **wrong}
    refusal = refused(iam.simulate_custom_policy, **asked)
    assert refusal.code == "InvalidInput"
    assert len(refusal.words) > 20


def test_a_principals_policies_are_simulated(iam: Any, new_user: Callable[..., Any], account: str) -> None:
    """Inline, managed and group policies count, with the simulator's types."""
    new_user("alice", allow("s3:GetObject"), Tags=[{"Key": "team", "Value": "red"}])
    managed = iam.create_policy(PolicyName="more", PolicyDocument=document(allow("s3:PutObject")))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="alice", PolicyArn=managed)
    iam.create_group(GroupName="devs")
    iam.put_group_policy(
        GroupName="devs",
        PolicyName="tagged",
        PolicyDocument=document(
            allow("s3:ListBucket", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}),
            allow("s3:DeleteObject", "arn:aws:s3:::b/${aws:userid}"),
        ),
    )
    iam.add_user_to_group(GroupName="devs", UserName="alice")
    arn = f"arn:aws:iam::{account}:user/alice"
    results = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteBucket"]
    )["EvaluationResults"]
    assert [one["EvalDecision"] for one in results] == ["allowed"] * 3 + ["implicitDeny"]
    shown = [
        (one["MatchedStatements"][0]["SourcePolicyId"], one["MatchedStatements"][0]["SourcePolicyType"])
        for one in results[:3]
    ]
    assert shown == [("own", "user"), ("more", "user-managed"), ("tagged", "group")]
    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"]
    assert keys == ["aws:PrincipalTag/team", "aws:userid"]
    (group,) = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{account}:group/devs", ActionNames=["s3:ListBucket"]
    )["EvaluationResults"]
    assert group["MissingContextValues"] == ["aws:PrincipalTag/team"]


def test_policies_can_be_left_out(iam: Any, new_user: Callable[..., Any], account: str) -> None:
    """PolicyExclusionList excludes by type, ARN pattern, or name and owner."""
    new_user("alice", allow("s3:GetObject"))
    managed = iam.create_policy(PolicyName="more", PolicyDocument=document(allow("s3:PutObject")))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="alice", PolicyArn=managed)
    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=managed)
    arn = f"arn:aws:iam::{account}:user/alice"
    inline = {"PolicyName": "own", "AttachmentType": "user", "AttachmentName": "alice"}

    def decisions(*exclusions: dict[str, Any]) -> list[str]:
        results = iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=["s3:GetObject", "s3:PutObject"], PolicyExclusionList=list(exclusions)
        )["EvaluationResults"]
        return [one["EvalDecision"] for one in results]

    assert decisions() == ["implicitDeny", "allowed"]
    assert decisions({"PolicyType": "permission-boundary"}) == ["allowed", "allowed"]
    no_boundary = {"PolicyType": "permission-boundary"}
    assert decisions(no_boundary, {"PolicyType": "inline"}) == ["implicitDeny", "allowed"]
    assert decisions(no_boundary, {"InlinePolicyIdentifier": inline}) == ["implicitDeny", "allowed"]
    assert decisions(no_boundary, {"PolicyArn": managed[:-2] + "*"}) == ["allowed", "implicitDeny"]
    with_two = {"PolicyArn": f"arn:aws:iam::{account}:policy/*m*"}
    assert (
        refused(
            iam.simulate_principal_policy,
            PolicySourceArn=arn,
            ActionNames=["s3:GetObject"],
            PolicyExclusionList=[with_two],
        ).code
        == "InvalidInput"
    )


def test_bob_with_alices_policies(iam: Any, new_user: Callable[..., Any], account: str) -> None:
    """CallerArn is the caller; PolicySourceArn is the owner of the policies."""
    new_user("alice", allow("s3:GetObject", "arn:aws:s3:::b/${aws:username}"))
    arn = f"arn:aws:iam::{account}:user/"
    (result,) = iam.simulate_principal_policy(
        PolicySourceArn=arn + "alice",
        CallerArn=arn + "bob",
        ActionNames=["s3:GetObject"],
        ResourceArns=["arn:aws:s3:::b/bob"],
    )["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"


def test_other_accounts_have_nobody_to_simulate(server: RunningServer, iam: Any, as_caller: ClientFactory) -> None:
    """A user of another account, or with another path, does not exist."""
    other = server.new_account()
    as_caller("iam", other).create_user(UserName="alice")
    iam.create_user(UserName="bob", Path="/a/")
    here = iam.get_user(UserName="bob")["User"]["Arn"]
    for arn in (f"arn:aws:iam::{other.account}:user/alice", here.replace("/a/", "/")):
        for call in (iam.simulate_principal_policy, iam.get_context_keys_for_principal_policy):
            more = {"ActionNames": ["s3:GetObject"]} if call == iam.simulate_principal_policy else {}
            assert refused(call, PolicySourceArn=arn, **more).code == "NoSuchEntity"


def test_what_is_simulated_is_what_happens(
    iam: Any, new_user: Callable[..., Any], as_caller: ClientFactory, account: str
) -> None:
    """The simulation and the user's real call have the same result."""
    key = new_user("alice", allow("iam:List*"), deny("iam:ListGroups"))
    (users, groups) = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{account}:user/alice", ActionNames=["iam:ListUsers", "iam:ListGroups"]
    )["EvaluationResults"]
    assert (users["EvalDecision"], groups["EvalDecision"]) == ("allowed", "explicitDeny")
    client = as_caller("iam", key)
    client.list_users()
    assert refused(client.list_groups).words.endswith("with an explicit deny in an identity-based policy")


def test_a_standalone_account_has_no_organization(iam: Any, account: str) -> None:
    """Without an organization, the result does not mention one."""
    iam.create_user(UserName="alice")
    (result,) = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{account}:user/alice", ActionNames=["s3:GetObject"]
    )["EvaluationResults"]
    assert "OrganizationsDecisionDetail" not in result


def test_the_organization_counts(daypass_server: RunningServer, client: ClientFactory) -> None:
    """A member's service control policies count, and their decision is shown."""
    daypass_server.new_account(standing="management")
    member = daypass_server.new_account()
    iam = client("iam", member)
    iam.create_user(UserName="alice")
    iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=document(allow("*")))
    asked = {
        "PolicySourceArn": f"arn:aws:iam::{member.account}:user/alice",
        "ActionNames": ["s3:GetObject", "ec2:RunInstances"],
    }
    with daypass_server.there.store.write() as writer:
        set_policy(writer, member.account, "service", "NoMachines", document(deny("ec2:*")))
    results = iam.simulate_principal_policy(**asked)["EvaluationResults"]
    allowed = [one["OrganizationsDecisionDetail"]["AllowedByOrganizations"] for one in results]
    assert allowed == [True, False]
    assert [one["EvalDecision"] for one in results] == ["allowed", "explicitDeny"]
    assert results[1]["MatchedStatements"] == []
    excluded = iam.simulate_principal_policy(**asked, PolicyExclusionList=[{"PolicyType": "scp"}])
    assert [one["EvalDecision"] for one in excluded["EvaluationResults"]] == ["allowed", "allowed"]


def test_context_keys_of_any_policy(iam: Any) -> None:
    """Keys of conditions and variables are listed once, as written.

    Resource and trust policies count too.
    """
    texts = [
        document(allow("s3:*", "arn:aws:s3:::b/${aws:username}", Condition={"Bool": {"aws:SecureTransport": "true"}})),
        document({**allow("s3:*", Condition={"IpAddress": {"AWS:sourceip": "::1"}}), "Principal": "*"}),
        document(trusting({"AWS": A}, Condition={"StringEquals": {"sts:ExternalId": "x", "aws:SecureTransport": "y"}})),
    ]
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=texts)["ContextKeyNames"]
    assert keys == ["aws:SecureTransport", "aws:username", "AWS:sourceip", "sts:ExternalId"]
    assert refused(iam.get_context_keys_for_custom_policy, PolicyInputList=["[]"]).code == "InvalidInput"


def test_simulating_needs_the_permission(new_user: Callable[..., Any], as_caller: ClientFactory, root: RootKey) -> None:
    """The four actions have their own permissions.

    Two of them are on the principal's ARN.
    """
    arn = f"arn:aws:iam::{root.account}:user/alice"
    client = as_caller("iam", new_user("alice", allow("iam:GetContextKeysForPrincipalPolicy", arn)))
    assert client.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == []
    refusal = refused(client.simulate_principal_policy, PolicySourceArn=arn, ActionNames=["s3:GetObject"])
    assert f"iam:SimulatePrincipalPolicy on resource: {arn} because" in refusal.words
    custom = refused(client.simulate_custom_policy, PolicyInputList=["{}"], ActionNames=["s3:GetObject"])
    assert "iam:SimulateCustomPolicy on resource: * because" in custom.words
