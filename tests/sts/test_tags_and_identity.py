"""Session tags, transitive keys, source identity and session policies of role sessions."""

import json
from typing import Any

import pytest
from tests.refusals import refused
from tests.sts.authenticator import User, new_user, who
from tests.sts.test_assume_role import ACCOUNT, denied, new_role, trust

from daypass.testing.plugin import ClientFactory

DUPLICATE = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
NOT_REQUESTED = "The specified transitive tag key must be included in the requested tags."
INHERITED = (
    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
    "from the calling session."
)


def allow(*actions: str, **condition: Any) -> str:
    """Return a policy of one statement about everything."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def tag(key: str, value: str) -> dict[str, str]:
    """Return a tag as the API takes it."""
    return {"Key": key, "Value": value}


@pytest.fixture
def alice(client: ClientFactory) -> User:
    """Return a user who may do anything."""
    return new_user(client("iam"), "alice")


def assume(client: ClientFactory, credentials: Any, role: str, **more: Any) -> dict[str, Any]:
    """Return the answer of AssumeRole."""
    answer: dict[str, Any] = client("sts", credentials).assume_role(RoleArn=role, RoleSessionName="s1", **more)
    return answer


def test_session_tags_become_the_principal_s(client: ClientFactory, alice: User) -> None:
    """A session tag overrides the role's own tag with that key, in any case."""
    role = new_role(
        client("iam"),
        "r",
        policy=allow("iam:ListUsers", StringEquals={"aws:PrincipalTag/team": "a"}),
        Tags=[tag("Team", "b")],
    )
    plain = assume(client, alice.key, role)["Credentials"]
    tagged = assume(client, alice.key, role, Tags=[tag("TEAM", "a")])
    assert 0 < tagged["PackedPolicySize"] < 100
    client("iam", tagged["Credentials"]).list_users()
    assert refused(client("iam", plain).list_users).code == "AccessDenied"


def test_tagging_needs_tag_session_on_both_sides(client: ClientFactory, alice: User) -> None:
    """The trust policy must allow it, and the caller's policies too if it names the account; the denial names it."""
    iam = client("iam")
    tags = [tag("team", "a")]
    closed = new_role(iam, "closed", trust({"AWS": ACCOUNT}))
    refusal = refused(assume, client, alice.key, closed, Tags=tags)
    assert refusal == ("AccessDenied", 403, denied(who(client, alice.key), closed, "sts:TagSession"))
    assume(client, alice.key, closed)
    opened = new_role(iam, "opened")
    poor = new_user(iam, "poor", policy=allow("sts:AssumeRole"))
    refusal = refused(assume, client, poor.key, opened, Tags=tags)
    assert refusal == ("AccessDenied", 403, denied(who(client, poor.key), opened, "sts:TagSession"))


def test_a_closed_role_does_not_say_what_else_it_lacks(client: ClientFactory, alice: User) -> None:
    """A denial names another action only if AssumeRole itself is allowed."""
    role = new_role(client("iam"), "tagging-only", trust({"AWS": ACCOUNT}, "sts:TagSession"))
    refusal = refused(assume, client, alice.key, role, Tags=[tag("team", "a")], SourceIdentity="me")
    assert refusal == ("AccessDenied", 403, denied(who(client, alice.key), role))


def test_request_tags_are_conditions(client: ClientFactory, alice: User) -> None:
    """aws:RequestTag, aws:TagKeys and sts:TransitiveTagKeys are about the request's tags."""
    role = new_role(
        client("iam"),
        "r",
        trust(
            {"AWS": ACCOUNT},
            "sts:AssumeRole",
            "sts:TagSession",
            **{
                "StringEquals": {"aws:RequestTag/team": ["a", "b"]},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "cost"], "sts:TransitiveTagKeys": ["team"]},
            },
        ),
    )
    assume(client, alice.key, role, Tags=[tag("team", "b"), tag("cost", "1")], TransitiveTagKeys=["team"])
    for tags, transitive in (
        ([tag("team", "c")], []),
        ([tag("team", "a"), tag("other", "1")], []),
        ([tag("team", "a"), tag("cost", "1")], ["cost"]),
    ):
        assert refused(assume, client, alice.key, role, Tags=tags, TransitiveTagKeys=transitive).code == "AccessDenied"


def test_tags_that_cannot_be_together(client: ClientFactory, alice: User) -> None:
    """Keys that collide by case; transitive keys that are not requested."""
    role = new_role(client("iam"), "r")
    refusal = refused(assume, client, alice.key, role, Tags=[tag("team", "a"), tag("Team", "b")])
    assert refusal == ("InvalidParameterValue", 400, DUPLICATE)
    refusal = refused(assume, client, alice.key, role, Tags=[tag("team", "a")], TransitiveTagKeys=["cost"])
    assert refusal == ("InvalidParameterValue", 400, NOT_REQUESTED)
    refusal = refused(assume, client, alice.key, role, TransitiveTagKeys=["cost"])
    assert refusal == ("InvalidParameterValue", 400, NOT_REQUESTED)


def test_transitive_tags_go_along_a_chain_and_others_do_not(client: ClientFactory, alice: User) -> None:
    """They cannot be set again along the chain, in any case, and they last as long as the chain."""
    iam = client("iam")
    team = allow("sts:*", "iam:ListUsers", StringEquals={"aws:PrincipalTag/team": "a"})
    cost = allow("iam:ListUsers", StringEquals={"aws:PrincipalTag/cost": "1"})
    first, second, third = (
        new_role(iam, "first"),
        new_role(iam, "second", policy=team),
        new_role(iam, "third", policy=team),
    )
    other = new_role(iam, "other", policy=cost)
    tags = {"Tags": [tag("team", "a"), tag("cost", "1")], "TransitiveTagKeys": ["TEAM"]}
    start = assume(client, alice.key, first, **tags)["Credentials"]
    middle = assume(client, start, second)["Credentials"]
    client("iam", middle).list_users()
    client("iam", assume(client, middle, third)["Credentials"]).list_users()
    assert refused(client("iam", assume(client, start, other)["Credentials"]).list_users).code == "AccessDenied"
    for key in ("team", "Team"):
        assert refused(assume, client, middle, third, Tags=[tag(key, "b")]) == ("InvalidParameterValue", 400, INHERITED)
    assume(client, middle, third, Tags=[tag("cost", "2")])


def test_inherited_tags_need_tag_session_too(client: ClientFactory, alice: User) -> None:
    """A role that may not be tagged cannot be reached by a session with transitive tags."""
    iam = client("iam")
    first, second = new_role(iam, "first"), new_role(iam, "second", trust({"AWS": ACCOUNT}))
    start = assume(client, alice.key, first, Tags=[tag("team", "a")], TransitiveTagKeys=["team"])
    refusal = refused(assume, client, start["Credentials"], second)
    assert refusal == ("AccessDenied", 403, denied(start["AssumedRoleUser"]["Arn"], second, "sts:TagSession"))
    assume(client, assume(client, alice.key, first)["Credentials"], second)


def test_fifty_tags_are_the_most_with_those_inherited(client: ClientFactory, alice: User) -> None:
    """A chain cannot bypass the limit."""
    role = new_role(client("iam"), "r")
    many = [tag(f"k{number}", "") for number in range(50)]
    start = assume(client, alice.key, role, Tags=many, TransitiveTagKeys=[one["Key"] for one in many])["Credentials"]
    assume(client, start, role)
    assert refused(assume, client, start, role, Tags=[tag("one-more", "")]).code == "InvalidParameterValue"


def test_tags_that_do_not_pack_are_too_large(client: ClientFactory, alice: User) -> None:
    """AWS says by how much, and no credentials are issued."""
    role = new_role(client("iam"), "r")
    tags = [tag(f"k{number}-{hash(number * 7919)}", str(number**40)[:200]) for number in range(50)]
    assert refused(assume, client, alice.key, role, Tags=tags)[:2] == ("PackedPolicyTooLarge", 400)


def test_source_identity_is_fixed_along_a_chain(client: ClientFactory, alice: User) -> None:
    """It needs sts:SetSourceIdentity, is inherited, may be repeated and never changed."""
    iam = client("iam")
    first = new_role(iam, "first")
    closed = new_role(iam, "closed", trust({"AWS": ACCOUNT}))
    known = new_role(iam, "known", policy=allow("iam:ListUsers", StringEquals={"aws:SourceIdentity": "alice"}))
    start = assume(client, alice.key, first, SourceIdentity="alice")
    assert start["SourceIdentity"] == "alice"
    carried = assume(client, start["Credentials"], known)
    assert carried["SourceIdentity"] == "alice"
    client("iam", carried["Credentials"]).list_users()
    assume(client, start["Credentials"], known, SourceIdentity="alice")
    refusal = refused(assume, client, start["Credentials"], known, SourceIdentity="bob")
    assert refusal == ("ValidationError", 400, "The source identity is already set for this assume role session")
    refusal = refused(assume, client, start["Credentials"], closed)
    assert refusal == ("AccessDenied", 403, denied(start["AssumedRoleUser"]["Arn"], closed, "sts:SetSourceIdentity"))
    refusal = refused(assume, client, alice.key, closed, SourceIdentity="alice")
    assert refusal == ("AccessDenied", 403, denied(who(client, alice.key), closed, "sts:SetSourceIdentity"))


def test_session_policies_cut_the_role_s(client: ClientFactory, alice: User) -> None:
    """Inline and managed policies are one set: actions outside it are denied, and they add no permissions."""
    iam = client("iam")
    role = new_role(iam, "r", policy=allow("iam:ListUsers", "iam:ListRoles"))
    managed = iam.create_policy(PolicyName="roles", PolicyDocument=allow("iam:ListRoles"))["Policy"]["Arn"]
    inline = assume(client, alice.key, role, Policy=allow("iam:ListUsers", "iam:ListGroups"))
    assert 0 < inline["PackedPolicySize"] < 100
    cut = client("iam", inline["Credentials"])
    cut.list_users()
    for call in (cut.list_roles, cut.list_groups):
        assert refused(call).code == "AccessDenied"
    both = assume(client, alice.key, role, Policy=allow("iam:ListUsers"), PolicyArns=[{"arn": managed}])
    client("iam", both["Credentials"]).list_users()
    client("iam", both["Credentials"]).list_roles()


def test_managed_session_policies_act_live(client: ClientFactory, alice: User) -> None:
    """A new version of the policy applies to existing sessions; a deleted policy allows no action."""
    iam = client("iam")
    role = new_role(iam, "r")
    managed = iam.create_policy(PolicyName="m", PolicyDocument=allow("iam:ListUsers"))["Policy"]["Arn"]
    session = client("iam", assume(client, alice.key, role, PolicyArns=[{"arn": managed}])["Credentials"])
    session.list_users()
    iam.create_policy_version(PolicyArn=managed, PolicyDocument=allow("iam:ListRoles"), SetAsDefault=True)
    session.list_roles()
    assert refused(session.list_users).code == "AccessDenied"
    iam.delete_policy_version(PolicyArn=managed, VersionId="v1")
    iam.delete_policy(PolicyArn=managed)
    assert refused(session.list_roles).code == "AccessDenied"
