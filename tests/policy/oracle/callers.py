"""Callers of every kind, and the names that a policy may use for them.

Owns the callers of the differential test and of the laws. Names collide on purpose: one user in two cases, one role
name in two accounts, a session and its role, names that have no meaning for a caller's kind.
"""

from typing import Any

from hypothesis import strategies as st

from daypass.policy.authorization_request import Principal, PrincipalKind

HERE, THERE = "111111111111", "222222222222"

# Callers ----------------------------------------------------------------------------------------------------

ALICE = f"arn:aws:iam::{HERE}:user/team/alice"
ROLE = f"arn:aws:iam::{HERE}:role/path/builder"

CALLERS = (
    Principal(PrincipalKind.ROOT, HERE, f"arn:aws:iam::{HERE}:root"),
    Principal(PrincipalKind.USER, HERE, ALICE, unique_id="AIDAALICE00000000000"),
    Principal(PrincipalKind.USER, HERE, f"arn:aws:iam::{HERE}:user/Alice", unique_id="AIDAOTHER00000000000"),
    Principal(PrincipalKind.USER, THERE, f"arn:aws:iam::{THERE}:user/team/alice", unique_id="AIDATHERE00000000000"),
    Principal(
        PrincipalKind.ROLE_SESSION,
        HERE,
        f"arn:aws:sts::{HERE}:assumed-role/builder/s1",
        issuer_arn=ROLE,
        unique_id="AROABUILDER000000000",
        session_id="AROABUILDER000000000:s1",
    ),
    Principal(
        PrincipalKind.ROLE_SESSION,
        THERE,
        f"arn:aws:sts::{THERE}:assumed-role/builder/s1",
        issuer_arn=f"arn:aws:iam::{THERE}:role/builder",
        unique_id="AROATHERE00000000000",
        session_id="AROATHERE00000000000:s1",
    ),
    Principal(PrincipalKind.FEDERATED_USER, HERE, f"arn:aws:sts::{HERE}:federated-user/bob", issuer_arn=ALICE),
    Principal(
        PrincipalKind.FEDERATED_USER,
        THERE,
        f"arn:aws:sts::{THERE}:federated-user/bob",
        issuer_arn=f"arn:aws:iam::{THERE}:user/team/alice",
    ),
    Principal(PrincipalKind.WEB_IDENTITY, "", "", federated="accounts.google.com"),
    Principal(PrincipalKind.WEB_IDENTITY, "", "", federated=f"arn:aws:iam::{HERE}:oidc-provider/idp.example/"),
    Principal(PrincipalKind.SAML, "", "", federated=f"arn:aws:iam::{HERE}:saml-provider/corp"),
    Principal(PrincipalKind.SERVICE, "", "", service="ec2.amazonaws.com"),
    Principal(PrincipalKind.ANONYMOUS, "", ""),
    # Names in fields where they have no meaning, or a different one.
    Principal(PrincipalKind.WEB_IDENTITY, HERE, "", federated="accounts.google.com"),
    Principal(PrincipalKind.SERVICE, HERE, "", service="lambda.amazonaws.com", federated="accounts.google.com"),
    Principal(
        PrincipalKind.ROLE_SESSION,
        HERE,
        f"arn:aws:sts::{HERE}:assumed-role/builder/s2",
        issuer_arn=ROLE,
        unique_id="AROABUILDER000000000",
        session_id="AROABUILDER000000000:s2",
        federated="accounts.google.com",
        service="ec2.amazonaws.com",
    ),
    Principal(
        PrincipalKind.FEDERATED_USER,
        HERE,
        f"arn:aws:sts::{HERE}:federated-user/carol",
        issuer_arn=f"arn:aws:iam::{HERE}:root",
    ),
    Principal(
        PrincipalKind.FEDERATED_USER,
        HERE,
        f"arn:aws:sts::{HERE}:federated-user/dave",
        issuer_arn=ALICE,
        unique_id="AIDAALICE00000000000",
        session_id=f"{HERE}:dave",
    ),
)

_AWS_NAMES = (
    "*",
    HERE,
    THERE,
    f"arn:aws:iam::{HERE}:root",
    f"arn:aws:iam::{THERE}:root",
    f"arn:aws-cn:iam::{HERE}:root",
    ALICE,
    f"arn:aws:iam::{HERE}:user/alice",
    f"arn:aws:iam::{HERE}:user/Alice",
    f"arn:aws:iam::{THERE}:user/team/alice",
    ROLE,
    f"arn:aws:iam::{HERE}:role/builder",
    f"arn:aws:iam::{THERE}:role/builder",
    f"arn:aws:sts::{HERE}:assumed-role/builder/s1",
    f"arn:aws:sts::{HERE}:assumed-role/builder/s2",
    f"arn:aws:sts::{THERE}:assumed-role/builder/s1",
    f"arn:aws:sts::{HERE}:federated-user/bob",
    "AIDAALICE00000000000",
    "AIDAGONE000000000000",
    "AROABUILDER000000000",
)
_FEDERATED_NAMES = (
    "accounts.google.com",
    f"arn:aws:iam::{HERE}:oidc-provider/idp.example/",
    f"arn:aws:iam::{HERE}:oidc-provider/idp.example",
    f"arn:aws:iam::{HERE}:saml-provider/corp",
)
_SERVICE_NAMES = ("ec2.amazonaws.com", "lambda.amazonaws.com")


def one_or_some(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Any]:
    """Draw a scalar or a list, as the policy language allows."""
    return values | st.lists(values, min_size=1, max_size=most, unique_by=repr)


def principal_elements() -> st.SearchStrategy[Any]:
    """Draw the value of a Principal or NotPrincipal element."""
    maps = st.fixed_dictionaries(
        {"AWS": one_or_some(st.sampled_from(_AWS_NAMES), 4)},
        optional={
            "Federated": one_or_some(st.sampled_from(_FEDERATED_NAMES)),
            "Service": one_or_some(st.sampled_from(_SERVICE_NAMES)),
        },
    )
    alone = st.one_of(
        st.fixed_dictionaries({"Federated": one_or_some(st.sampled_from(_FEDERATED_NAMES))}),
        st.fixed_dictionaries({"Service": one_or_some(st.sampled_from(_SERVICE_NAMES))}),
    )
    return st.one_of(maps, maps, st.just("*"), alone)
