"""The graph that one account may see.

It has all principals of the account and those of others that its trust policies name.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.documents import allow, document, trusting

from daypass.authorize.named_request import Assumed
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.trust_graph import Graph, GraphTooLargeError, account_graph
from daypass.directory.organization import organization_changes as changes
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

OURS, THEIRS = "111122223333", "444455556666"
HERE, THERE = f"arn:aws:iam::{OURS}:", f"arn:aws:iam::{THEIRS}:"


@dataclass(frozen=True)
class Two:
    """Two accounts of one server."""

    server: RunningServer
    iam: Any
    abroad: Any

    def graph(self) -> Graph:
        """Return the graph for the first account."""
        with self.server.there.store.read() as reader:
            return account_graph(SnapshotViews(reader), Assumed(self.server.clock.now()), OURS)


@pytest.fixture
def two() -> Iterator[Two]:
    """Run a server."""
    with running_server(account=OURS) as server:
        make = client_factory(server)
        yield Two(server, make("iam"), make("iam", server.new_account(THEIRS)))


def role(iam: Any, name: str, *statements: dict[str, Any]) -> None:
    """Create a role."""
    statements = tuple({**one, "Action": one.get("Action", "sts:AssumeRole")} for one in statements)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(*statements))


def test_who_of_another_account_may_is_not_told(two: Two) -> None:
    """A trust policy that names an account does not reveal which of its principals may assume the role."""
    two.abroad.create_user(UserName="spy")
    two.abroad.put_user_policy(UserName="spy", PolicyName="p", PolicyDocument=document(allow("sts:*")))
    role(two.iam, "shared", trusting({"AWS": THEIRS}))
    (edge,) = two.graph().edges
    assert (edge.way.kind, edge.source) == ("account", f"{THERE}root")
    assert edge.way.conditions == ("the policies of the caller's own account allow it too",)
    assert "spy" not in repr(two.graph())


def test_what_another_accounts_role_asks_for_is_not_told(two: Two) -> None:
    """The trust policy of another account's role is not shown.

    It contains the external ID.
    """
    two.iam.create_user(UserName="alice")
    two.iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=document(allow("sts:*")))
    secret = {"StringEquals": {"sts:ExternalId": "blue-42"}}
    role(two.abroad, "vendor", trusting({"AWS": f"{HERE}user/alice"}, Condition=secret))
    assert two.graph() == Graph((), (), ())


def test_whom_our_own_policies_name_is_told(two: Two) -> None:
    """Named users and roles of other accounts are shown.

    So are providers, services and everyone.
    """
    for name in ("bob", "carl"):
        two.abroad.create_user(UserName=name)
    role(two.abroad, "build", trusting({"Service": "ec2.amazonaws.com"}))
    named = [f"{THERE}user/bob", f"{THERE}role/build", THEIRS]
    role(two.iam, "shared", trusting({"AWS": named}), trusting({"Service": "ec2.amazonaws.com"}))
    role(two.iam, "open", trusting({"AWS": "*"}, Condition={"StringEquals": {"sts:ExternalId": "x"}}))
    found = {(edge.way.kind, edge.source, edge.target.rpartition("/")[2]) for edge in two.graph().edges}
    assert found == {
        ("user", f"{THERE}user/bob", "shared"),
        ("role", f"{THERE}role/build", "shared"),
        ("account", f"{THERE}root", "shared"),
        ("service", "ec2.amazonaws.com", "shared"),
        ("everybody", "*", "open"),
        ("role", f"{HERE}role/open", "open"),
        ("role", f"{HERE}role/shared", "open"),
    }


def test_our_own_are_told_with_their_policies(two: Two) -> None:
    """Statements on both sides are shown as their authors wrote them."""
    two.iam.create_user(UserName="alice")
    role(two.iam, "admin", trusting({"AWS": f"{HERE}user/alice"}, Sid="Alice"))
    (edge,) = two.graph().edges
    assert [json.loads(text)["Sid"] for text in edge.way.texts] == ["Alice"]


def test_an_organizations_policies_are_obeyed_and_not_quoted(two: Two) -> None:
    """The graph shows that control policies have conditions, but not which."""
    two.server.new_account(standing="management")
    member = two.server.new_account()
    iam = client_factory(two.server)("iam", member)
    for name in ("alice", "bob"):
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(allow("sts:*")))
    role(iam, "admin", trusting({"AWS": member.account}))
    alice, admin = f"arn:aws:iam::{member.account}:user/alice", f"arn:aws:iam::{member.account}:role/admin"
    without_mfa = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}, "ArnEquals": {"aws:PrincipalArn": alice}}
    guards = (allow("*"), {"Effect": "Deny", "Action": "*", "Resource": admin, "Condition": without_mfa})
    with two.server.there.store.write() as writer:
        changes.set_policy(writer, member.account, "service", "guard", document(*guards))
    with two.server.there.store.read() as reader:
        graph = account_graph(SnapshotViews(reader), Assumed(two.server.clock.now()), member.account)
    found = {edge.source.rpartition("/")[2]: edge.way.conditions for edge in graph.edges}
    assert found == {"alice": ("the organization's policies have conditions",), "bob": ()}
    assert "MultiFactorAuthPresent" not in repr(graph)
    assert '"Deny"' not in repr(graph)


def test_a_graph_without_an_end_is_given_up(two: Two) -> None:
    """The caller's time limit ends the search with GraphTooLargeError.

    Part of a graph would wrongly show the remaining roles as closed.
    """
    two.iam.create_user(UserName="alice")
    role(two.iam, "admin", trusting({"AWS": f"{HERE}user/alice"}))
    with two.server.there.store.read() as reader, pytest.raises(GraphTooLargeError):
        account_graph(SnapshotViews(reader), Assumed(two.server.clock.now()), OURS, is_over=lambda: True)


def test_a_deny_of_the_trust_policy_counts_for_principals_that_cannot_be_named(two: Two) -> None:
    """A principal with an unconditional Deny has no path.

    For other principals the Deny is an additional condition.
    """
    services = {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}
    deny = {"Effect": "Deny"}
    role(two.iam, "machines", trusting(services), trusting({"Service": "lambda.amazonaws.com"}, **deny))
    role(two.iam, "nobody", trusting(services), trusting("*", **deny))
    office = {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    role(two.iam, "office", trusting(services), trusting("*", **deny, Condition=office))
    unless = ("no Deny of the trust policy applies",)
    found = {
        (edge.source.partition(".")[0], edge.target.rpartition("/")[2]): edge.way.conditions
        for edge in two.graph().edges
    }
    assert found == {
        ("ec2", "machines"): unless,
        ("ec2", "office"): unless,
        ("lambda", "office"): unless,
    }
    assert two.graph().closed == (f"{HERE}role/nobody",)
