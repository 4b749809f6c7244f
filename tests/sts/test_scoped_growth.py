"""The law of scoped credentials: whatever grows from them never gets past a layer.

Sessions grow by steps: a scope-down policy, a shorter life, another role, another role with a session policy.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.documents import allow, deny, document, new_key, trust
from tests.refusals import code_of

from daypass.operations.sts.get_scoped_credentials import MOST_SCOPED
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import running_server

PROBES = {"iam:ListUsers": "list_users", "iam:ListRoles": "list_roles", "iam:ListGroups": "list_groups"}
RIGHTS = {
    "wide": frozenset(PROBES),
    "users": frozenset({"iam:ListUsers"}),
    "no-groups": frozenset({"iam:ListUsers", "iam:ListRoles"}),
}
LIMITS = st.frozensets(st.sampled_from(sorted(PROBES)))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("allow"), LIMITS),
        st.tuples(st.just("deny"), LIMITS),
        st.tuples(st.just("shorten"), st.just(frozenset[str]())),
        st.tuples(st.sampled_from(sorted(RIGHTS)), st.none() | LIMITS),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[ClientFactory, Any, dict[str, str]]]:
    """Run a server with a user and roles; return its clients, the user's key and the roles' ARNs."""
    with running_server() as server:
        as_caller = client_factory(server)
        iam, roles = as_caller("iam"), {}
        for name, rights in RIGHTS.items():
            made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(AWS=server.root.account))
            roles[name] = made["Role"]["Arn"]
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(allow(["sts:*", *rights])))
        yield as_caller, new_key(iam, "alice", allow("sts:*")), roles


def policy_of(kind: str, limits: frozenset[str]) -> str:
    """Return a policy that leaves only `limits` of the probes, by Allows or by a Deny."""
    taken = sorted(frozenset(PROBES) - limits)
    if kind == "deny":
        return document(allow("*"), *([deny(taken)] if taken else []))
    return document(allow(["sts:*", *sorted(limits)]))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_growth_gets_past_a_layer(
    scene: tuple[ClientFactory, Any, dict[str, str]], steps: list[tuple[str, frozenset[str] | None]]
) -> None:
    """A session may do what its role, its session policy and every layer allow, and nothing else."""
    as_caller, key, roles = scene
    session = as_caller("sts", key).assume_role(RoleArn=roles["wide"], RoleSessionName="start")["Credentials"]
    own, layers = RIGHTS["wide"], list[frozenset[str]]()
    for step, (kind, limits) in enumerate(steps, 1):
        sts = as_caller("sts", session)
        if kind in roles:
            own = RIGHTS[kind] if limits is None else RIGHTS[kind] & limits
            more = {} if limits is None else {"Policy": policy_of("allow", limits)}
            session = sts.assume_role(RoleArn=roles[kind], RoleSessionName="next", **more)["Credentials"]
        elif kind == "shorten":
            session = sts.get_scoped_credentials(DurationSeconds=3000 - 400 * step)["Credentials"]
        elif len(layers) == MOST_SCOPED:
            assert code_of(sts.get_scoped_credentials, Policy=policy_of(kind, limits or frozenset())) == "AccessDenied"
        else:
            layers.append(limits or frozenset())
            answer = sts.get_scoped_credentials(Policy=policy_of(kind, layers[-1]))
            assert answer["ScopedPoliciesCount"] == len(layers)
            session = answer["Credentials"]
    iam = as_caller("iam", session)
    found = {action for action, call in PROBES.items() if not code_of(getattr(iam, call))}
    assert found == own.intersection(*layers)
