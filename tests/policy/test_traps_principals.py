"""Traps 1 to 12: the callers that match a Principal element."""

import pytest
from tests.policy.engine_requests import (
    ALL,
    ANONYMOUS,
    NOTHING,
    OIDC,
    SERVICE,
    WEB,
    A,
    B,
    allow,
    deny,
    federated_user,
    is_allowed,
    may_assume,
    policies,
    question,
    resource,
    root,
    session,
    text_of,
    trusting,
    user,
)

from daypass.errors import MalformedPolicyDocument
from daypass.policy.compiled import PolicyType
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind, parse_document


@pytest.mark.parametrize("everyone", ["*", {"AWS": "*"}])
def test_trap_01_a_star_is_everyone_in_both_spellings(everyone: object) -> None:
    """`"*"` and `{"AWS": "*"}` are the same.

    They are enough in the account, but not across accounts.
    """
    assert may_assume(user(), trusting(everyone))
    assert not may_assume(user(B), trusting(everyone))
    assert may_assume(user(B), trusting(everyone), own=ALL)


@pytest.mark.parametrize("account", [A, f"arn:aws:iam::{A}:root"])
def test_trap_02_an_account_delegates_and_grants_nothing(account: str) -> None:
    """The root ARN and the bare digits mean the whole account.

    Its own policies must then allow.
    """
    assert not may_assume(user(), trusting({"AWS": account}))
    assert may_assume(user(), trusting({"AWS": account}), own=ALL)
    assert may_assume(root(), trusting({"AWS": account}))


def test_trap_02_in_a_condition_the_root_arn_is_the_root_user() -> None:
    """aws:PrincipalArn is the caller's own ARN; users have other ARNs."""
    only_root = trusting("*", Condition={"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{A}:root"}})
    assert not may_assume(user(), only_root, context={"aws:principalarn": user().arn})
    assert may_assume(root(), only_root, context={"aws:principalarn": root().arn})


@pytest.mark.parametrize("kind", [DocumentKind.TRUST, DocumentKind.RESOURCE])
def test_trap_03_no_wildcards_inside_principal_arns(kind: DocumentKind) -> None:
    """Names are never patterns; a document with a pattern is refused."""
    more = {} if kind is DocumentKind.TRUST else {"Resource": "*"}
    with pytest.raises(MalformedPolicyDocument, match="Invalid principal in policy"):
        parse_document(text_of(trusting({"AWS": f"arn:aws:iam::{A}:user/*"}, **more)), kind)


def test_trap_04_a_role_means_its_sessions_path_and_all() -> None:
    """The role is compared by its own ARN: a session's ARN has no path."""
    with_path = session(path="/team/")
    assert may_assume(with_path, trusting({"AWS": f"arn:aws:iam::{A}:role/team/app"}))
    assert not may_assume(with_path, trusting({"AWS": f"arn:aws:iam::{A}:role/app"}))
    assert not may_assume(with_path, trusting({"AWS": f"arn:aws:iam::{B}:role/team/app"}))
    assert not may_assume(with_path, trusting({"AWS": f"arn:aws-cn:iam::{A}:role/team/app"}))


def test_trap_05_a_session_arn_is_one_session() -> None:
    """A session named by its ARN is not limited by boundary or session policy.

    Other sessions do not match.
    """
    arn = f"arn:aws:sts::{A}:assumed-role/app/s1"
    assert may_assume(session(), trusting({"AWS": arn}))
    assert not may_assume(session(name="s2"), trusting({"AWS": arn}))
    limits = Policies(
        NOTHING,
        boundary=policies(PolicyType.BOUNDARY, allow("iam:*")),
        session=policies(PolicyType.SESSION, allow("iam:*")),
        resource=resource({**allow(), "Principal": {"AWS": arn}}),
    )
    assert is_allowed(question(session()), limits)


def test_trap_06_a_recreated_principal_is_another_principal() -> None:
    """The stored unique id does not match a new user of the same name.

    A condition value matches.
    """
    stored = trusting({"AWS": "AIDAALICE"})
    assert may_assume(user(), stored)
    assert not may_assume(user(unique_id="AIDANEWALICE"), stored)
    by_arn = trusting("*", Condition={"ArnEquals": {"aws:PrincipalArn": user().arn}})
    assert may_assume(user(unique_id="AIDANEWALICE"), by_arn, context={"aws:principalarn": user().arn})


def test_trap_06_a_role_and_its_session_by_unique_id() -> None:
    """`AROA…` is the role, `AROA…:session` is one session."""
    assert may_assume(session(), trusting({"AWS": "AROAAPP"}))
    assert may_assume(session(), trusting({"AWS": "AROAAPP:s1"}))
    assert not may_assume(session(), trusting({"AWS": "AROAAPP:s2"}))


def test_trap_07_a_deleted_principal_just_never_matches() -> None:
    """The id of a deleted principal is neither everyone nor an error.

    Other names in the list still match.
    """
    assert not may_assume(user(), trusting({"AWS": "AROADELETED"}), own=ALL)
    assert may_assume(user(), trusting({"AWS": ["AROADELETED", user().arn]}))
    assert not may_assume(ANONYMOUS, trusting({"AWS": "AROADELETED"}))


def test_trap_08_types_and_lists_of_principals_are_alternatives() -> None:
    """A caller must match only one of several types."""
    several = trusting({"Service": "ec2.amazonaws.com", "AWS": [f"arn:aws:iam::{A}:user/bob", user().arn]})
    assert may_assume(user(), several)
    assert may_assume(SERVICE, several)


def test_trap_09_names_are_compared_whole() -> None:
    """A name that contains another name is a different name."""
    assert not may_assume(user(name="al"), trusting({"AWS": f"arn:aws:iam::{A}:user/alice"}), own=ALL)
    assert not may_assume(user(name="alice2"), trusting({"AWS": f"arn:aws:iam::{A}:user/alice"}), own=ALL)


def test_trap_09_a_deny_in_a_trust_policy_denies() -> None:
    """A statement without Resource is evaluated like others, also a Deny."""
    stop = {"Effect": "Deny", "Principal": {"AWS": user().arn}, "Action": "sts:AssumeRole"}
    assert not may_assume(user(), trusting("*"), stop, own=ALL)
    assert may_assume(user(name="bob", unique_id="AIDABOB"), trusting("*"), stop)


def test_trap_10_not_principal_with_deny_spares_only_who_is_listed_by_every_name() -> None:
    """For a role session the account, role and session must all be listed."""
    names = [f"arn:aws:iam::{A}:root", session().issuer_arn, session().arn]
    for left_out in (None, *names):
        listed = [name for name in names if name != left_out]
        stop = {"Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "*", "Resource": "*"}
        given = Policies(ALL, resource=resource(stop))
        assert is_allowed(question(session()), given) is (left_out is None)
        assert not is_allowed(question(user()), given)


def test_trap_10_not_principal_with_allow_delegates() -> None:
    """Allow with NotPrincipal delegates to the callers' accounts.

    It excludes callers that are listed by any name.
    """
    give = {"Effect": "Allow", "NotPrincipal": {"AWS": user().arn}, "Action": "*", "Resource": "*"}
    bob = user(B, "bob", "AIDABOB")
    assert is_allowed(question(bob), Policies(ALL, resource=resource(give)))
    assert not is_allowed(question(bob), Policies(NOTHING, resource=resource(give)))
    assert not is_allowed(question(user(), account=B), Policies(ALL, resource=resource(give)))


def test_trap_10_not_principal_is_not_for_trust_policies() -> None:
    """AWS refuses NotPrincipal in trust policies."""
    text = text_of({"Effect": "Deny", "NotPrincipal": {"AWS": A}, "Action": "sts:AssumeRole"})
    with pytest.raises(MalformedPolicyDocument, match="NotPrincipal"):
        parse_document(text, DocumentKind.TRUST)


@pytest.mark.parametrize("caller", [SERVICE, WEB])
def test_trap_11_a_star_does_not_admit_services_or_federated_callers(caller: object) -> None:
    """AWS does not define it: an Allow must name them.

    A Deny for everyone applies to them too.
    """
    named = resource({**allow(), "Principal": {"Service": "ec2.amazonaws.com", "Federated": OIDC}})
    starred = resource({**allow(), "Principal": "*"})
    stopped = resource(
        {**allow(), "Principal": {"Service": "ec2.amazonaws.com", "Federated": OIDC}}, {**deny(), "Principal": "*"}
    )
    asked = question(caller)  # type: ignore[arg-type]
    assert is_allowed(asked, Policies(NOTHING, resource=named))
    assert not is_allowed(asked, Policies(NOTHING, resource=starred))
    assert not is_allowed(asked, Policies(NOTHING, resource=stopped))


def test_trap_11_a_star_admits_the_anonymous_but_not_to_a_role() -> None:
    """`*` includes unsigned callers, except in a role's trust policy."""
    assert is_allowed(question(ANONYMOUS), Policies(NOTHING, resource=resource({**allow(), "Principal": "*"})))
    assert not may_assume(ANONYMOUS, trusting("*"))


def test_trap_12_names_are_compared_with_their_case() -> None:
    """User and role names are unique without case, but compared with case."""
    assert not may_assume(user(), trusting({"AWS": f"arn:aws:iam::{A}:user/Alice"}), own=ALL)


def test_a_federated_user_is_meant_by_its_parent_and_by_itself() -> None:
    """The parent's ARN grants within the session policy.

    The session's own ARN grants without a session policy.
    """
    parent = Policies(NOTHING, resource=resource({**allow(), "Principal": {"AWS": f"arn:aws:iam::{A}:user/alice"}}))
    itself = Policies(NOTHING, resource=resource({**allow(), "Principal": {"AWS": federated_user().arn}}))
    assert not is_allowed(question(federated_user()), parent)
    assert is_allowed(question(federated_user()), itself)
