"""Traps 13 to 20: combinations of several policy types."""

import pytest
from tests.policy.engine_requests import (
    ALL,
    NOTHING,
    OIDC,
    ROLE_ARN,
    WEB,
    A,
    B,
    allow,
    denial,
    deny,
    federated_user,
    identity,
    is_allowed,
    may_assume,
    policies,
    question,
    resource,
    root,
    session,
    trust,
    trusting,
    user,
)

from daypass.policy.authorization_request import Principal
from daypass.policy.compiled import PolicySet, PolicyType, compile_set
from daypass.policy.evaluate import Policies


def boundary(*statements: dict[str, object]) -> PolicySet:
    """Return a permissions boundary."""
    return policies(PolicyType.BOUNDARY, *statements)


def session_policy(*statements: dict[str, object]) -> PolicySet:
    """Return a session policy."""
    return policies(PolicyType.SESSION, *statements)


def scp(*statements: dict[str, object]) -> PolicySet:
    """Return one level of service control policies."""
    return policies(PolicyType.SERVICE_CONTROL, *statements)


def granting(name: object) -> PolicySet:
    """Return a resource policy that grants everything to `name`."""
    return resource({**allow(), "Principal": name})


ELSEWHERE = allow("iam:*")


@pytest.mark.parametrize("limit", ["boundary", "session"])
def test_trap_13_an_explicit_deny_beats_every_grant(limit: str) -> None:
    """A Deny in a session policy or boundary overrides a resource policy.

    Even if the resource policy names the session itself.
    """
    stop = session_policy(allow(), deny("s3:*")) if limit == "session" else None
    fence = boundary(allow(), deny("s3:*")) if limit == "boundary" else None
    given = Policies(ALL, boundary=fence, session=stop, resource=granting({"AWS": session().arn}))
    found = denial(question(session()), given)
    assert found.explicit
    assert found.by.name.lower() == limit


IDENTITY, BOUNDARY, SESSION = PolicyType.IDENTITY, PolicyType.BOUNDARY, PolicyType.SESSION
ROWS = [
    # the caller, the name in the resource policy, the types that must still allow
    (user(), {"AWS": user().arn}, {SESSION}),
    (session(), {"AWS": session().issuer_arn}, {BOUNDARY, SESSION}),
    (session(), {"AWS": session().arn}, set()),
    (federated_user(), {"AWS": user().arn}, {BOUNDARY, SESSION}),
    (federated_user(), {"AWS": federated_user().arn}, set()),
    (session(), {"AWS": A}, {IDENTITY, BOUNDARY, SESSION}),
    (session(), "*", {BOUNDARY, SESSION}),
]


@pytest.mark.parametrize(("who", "named", "needed"), ROWS)
def test_trap_13_which_implicit_denies_a_resource_policy_skips(
    who: Principal, named: object, needed: set[PolicyType]
) -> None:
    """AWS's table of implicit denies, by the principal in the resource policy."""
    grant = granting(named)
    opened = {IDENTITY: ALL, BOUNDARY: boundary(allow()), SESSION: session_policy(allow())}
    for lacking in (None, IDENTITY, BOUNDARY, SESSION):
        sets = {of: policies(of, ELSEWHERE) if of is lacking else found for of, found in opened.items()}
        given = Policies(sets[IDENTITY], boundary=sets[BOUNDARY], session=sets[SESSION], resource=grant)
        assert is_allowed(question(who), given) is (lacking not in needed)


@pytest.mark.parametrize("operator", ["ArnEquals", "StringLike", "ArnEqualsIfExists", "ArnNotEquals"])
def test_trap_13_everyone_narrowed_by_principal_arn(operator: str) -> None:
    """`*` with a positive condition on the principal skips every implicit deny.

    Other conditions do not.
    """
    name = user().arn if operator == "ArnNotEquals" else session().issuer_arn
    grant = resource({**allow(), "Principal": "*", "Condition": {operator: {"aws:PrincipalArn": name}}})
    given = Policies(NOTHING, session=session_policy(ELSEWHERE), resource=grant)
    asked = question(session(), context={"aws:principalarn": session().issuer_arn})
    assert is_allowed(asked, given) is (operator in {"ArnEquals", "StringLike"})


def test_trap_14_session_policies_are_united_and_then_narrow() -> None:
    """A request needs the Allow of one of several session policies.

    They never allow more than the identity policies.
    """
    inline = session_policy(allow("s3:GetObject"))
    managed = session_policy(allow("s3:PutObject"), allow("iam:*"))
    both = compile_set([*inline.policies, *managed.policies])
    given = Policies(identity(allow("s3:*")), session=both)
    assert is_allowed(question(session()), given)
    assert is_allowed(question(session(), "s3:PutObject"), given)
    assert not is_allowed(question(session(), "s3:DeleteObject"), given)
    assert not is_allowed(question(session(), "iam:GetUser", "*"), given)


def test_trap_15_every_level_of_control_policies_must_allow() -> None:
    """The Allow of one level does not replace the Allow of another level."""
    assert is_allowed(question(), Policies(ALL, service_control=(scp(allow()), scp(allow("s3:*")))))
    assert not is_allowed(question(), Policies(ALL, service_control=(scp(allow()), scp(ELSEWHERE))))
    assert not is_allowed(question(), Policies(ALL, service_control=(scp(allow()), NOTHING)))
    assert not is_allowed(question(root()), Policies(NOTHING, service_control=(scp(ELSEWHERE),)))


def test_trap_16_across_accounts_a_resource_policy_alone_never_suffices() -> None:
    """The caller's account must allow too, even if the caller is named exactly."""
    named = granting({"AWS": user(B).arn})
    assert not is_allowed(question(user(B)), Policies(NOTHING, resource=named))
    assert is_allowed(question(user(B)), Policies(ALL, resource=named))
    assert not is_allowed(question(user(B)), Policies(ALL))
    assert not is_allowed(question(user(B)), Policies(ALL, boundary=boundary(ELSEWHERE), resource=named))


def test_trap_17_an_identity_policy_alone_never_assumes_a_role() -> None:
    """The trust policy must allow, in the same account and for root users too."""
    bob = trusting({"AWS": f"arn:aws:iam::{A}:user/bob"})
    assert not may_assume(user(), bob, own=ALL)
    assert not may_assume(root(), bob)
    assert not is_allowed(question(user(), "sts:AssumeRole", ROLE_ARN), Policies(ALL, trust=True))


def test_trap_18_tagging_a_session_is_an_action_of_its_own() -> None:
    """sts:TagSession is evaluated like sts:AssumeRole.

    The trust policy and the caller's own policies must allow it.
    """
    only_assume, both = trusting({"AWS": A}), trusting({"AWS": A}, ["sts:AssumeRole", "sts:TagSession"])
    tagging = question(user(), "sts:TagSession", ROLE_ARN, {"aws:tagkeys": ("team",)})
    own = identity(allow(["sts:AssumeRole", "sts:TagSession"]))
    assert not is_allowed(tagging, Policies(own, resource=trust(only_assume), trust=True))
    assert is_allowed(tagging, Policies(own, resource=trust(both), trust=True))
    weak = identity(allow("sts:AssumeRole"))
    assert not is_allowed(tagging, Policies(weak, resource=trust(both), trust=True))


def test_trap_19_a_boundary_limits_grants_to_the_role_but_not_to_the_user_or_session() -> None:
    """The role's boundary limits a resource policy that names the role ARN."""
    fence = boundary(ELSEWHERE)
    to_role = granting({"AWS": session().issuer_arn})
    assert not is_allowed(question(session()), Policies(ALL, boundary=fence, resource=to_role))
    to_session = granting({"AWS": session().arn})
    assert is_allowed(question(session()), Policies(NOTHING, boundary=fence, resource=to_session))
    to_user = granting({"AWS": user().arn})
    assert is_allowed(question(user()), Policies(NOTHING, boundary=fence, resource=to_user))


def test_trap_20_a_negated_deny_hits_federated_callers_who_lack_the_key() -> None:
    """Unsigned calls have no aws:PrincipalOrgID: `StringNotEquals` is always true."""
    stop = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-example"}},
    }
    give = trusting({"Federated": OIDC}, "sts:AssumeRoleWithWebIdentity")
    assert may_assume(WEB, give)
    assert not may_assume(WEB, give, stop)


def test_the_root_user_is_stopped_by_control_and_resource_policies_alone() -> None:
    """The root user does not need identity policies."""
    assert is_allowed(question(root()), Policies(NOTHING))
    assert not is_allowed(question(root()), Policies(NOTHING, service_control=(scp(allow(), deny("s3:*")),)))
    assert not is_allowed(question(root()), Policies(NOTHING, resource=resource({**deny(), "Principal": "*"})))


def test_a_federated_user_without_a_session_policy_has_no_rights() -> None:
    """Without a session policy, a federated user has no permissions.

    Its permissions are the intersection with the session policy.
    """
    assert not is_allowed(question(federated_user()), Policies(ALL))
    assert is_allowed(question(federated_user()), Policies(ALL, session=session_policy(allow())))


def test_resource_control_policies_deny_callers_from_outside() -> None:
    """They protect the account's resources from every caller."""
    full = {**allow(), "Principal": "*"}
    stop = {**deny("sts:*"), "Principal": "*"}
    rcp = policies(PolicyType.RESOURCE_CONTROL, full, stop)
    give = trust(trusting({"AWS": B}))
    asked = question(user(B), "sts:AssumeRole", ROLE_ARN)
    assert is_allowed(asked, Policies(ALL, resource=give, trust=True))
    found = denial(asked, Policies(ALL, resource=give, trust=True, resource_control=(rcp,)))
    assert found.explicit
    assert found.by is PolicyType.RESOURCE_CONTROL
