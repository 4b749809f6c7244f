"""Each kind of caller has exactly its own condition keys."""

from typing import Any

import msgspec
import pytest
from tests.authenticate.directory import ACCOUNT, ENDS, ISSUED, ROLE_ID, USER_ID, session

from daypass.authenticate.caller import Caller, federated_caller, role_caller, root_caller, user_caller
from daypass.authenticate.caller_keys import caller_keys
from daypass.directory.identity import Identity
from daypass.mint.session import SessionKind
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.policy.compiled import compile_set

NOW = ENDS - 60
NOTHING = compile_set(())
USER = Identity(ACCOUNT, USER_ID, f"arn:aws:iam::{ACCOUNT}:user/x/alice", "alice", {"Team": "Red"}, NOTHING, None)
ROLE = Identity(ACCOUNT, ROLE_ID, f"arn:aws:iam::{ACCOUNT}:role/x/deploy", "deploy", {"Team": "Red"}, NOTHING, None)
BARE = {"aws:principalaccount": ACCOUNT, "aws:principalisawsservice": "false"}
OF_SESSION = {"aws:tokenissuetime": "2026-03-14T14:59:26Z", "aws:multifactorauthpresent": "false"}


def keys(caller: Caller) -> dict[str, Any]:
    """Return the keys of a caller."""
    return dict(caller_keys(caller, seconds=NOW))


def test_a_user_with_a_long_term_key() -> None:
    """It has no issue time, and its MFA keys are absent rather than false."""
    assert keys(user_caller(USER, "AKIAX")) == {
        **BARE,
        "aws:principaltype": "User",
        "aws:principalarn": USER.arn,
        "aws:userid": USER_ID,
        "aws:username": "alice",
        "aws:principaltag/team": "Red",
    }


def test_a_user_with_a_session() -> None:
    """The principal is still the user."""
    made = session(SessionKind.USER)
    assert keys(user_caller(USER, made.access_key_id, made)) == {
        **keys(user_caller(USER, "AKIAX")),
        **OF_SESSION,
    }


def test_a_root_user() -> None:
    """The principal is the account: without name and tags."""
    root = {
        **BARE,
        "aws:principaltype": "Account",
        "aws:principalarn": f"arn:aws:iam::{ACCOUNT}:root",
        "aws:userid": ACCOUNT,
    }
    assert keys(root_caller(ACCOUNT, "AKIAX")) == root
    made = session(SessionKind.ROOT, root_task_policy="arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials")
    assert keys(root_caller(ACCOUNT, made.access_key_id, made)) == {**root, **OF_SESSION, "aws:assumedroot": "true"}


def test_a_role_session() -> None:
    """The ARN is the role's, and session tags replace the role's tags.

    The keys of the assertion are present.
    """
    made = session(
        tags={"TEAM": "Blue", "job": "42"},
        source_identity="ada",
        provider="arn:aws:iam::123456789012:oidc-provider/id.example.org",
        context={"id.example.org:aud": ("one", "two"), "id.example.org:amr": ("pwd", "otp")},
    )
    assert keys(role_caller(ROLE, made)) == {
        **BARE,
        **OF_SESSION,
        "aws:principaltype": "AssumedRole",
        "aws:principalarn": ROLE.arn,
        "aws:userid": f"{ROLE_ID}:build-17",
        "aws:principaltag/team": "Blue",
        "aws:principaltag/job": "42",
        "aws:sourceidentity": "ada",
        "aws:federatedprovider": "arn:aws:iam::123456789012:oidc-provider/id.example.org",
        "id.example.org:aud": "one",
        "id.example.org:amr": ("pwd", "otp"),
    }


def test_a_federated_user() -> None:
    """It does not have the name and the tags of the user that created it."""
    made = session(SessionKind.FEDERATED)
    assert keys(federated_caller(ACCOUNT, USER, made)) == {
        **BARE,
        **OF_SESSION,
        "aws:principaltype": "FederatedUser",
        "aws:principalarn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
        "aws:userid": f"{ACCOUNT}:bob",
    }


SIGNED = {PrincipalKind.ROOT, PrincipalKind.USER, PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER}


@pytest.mark.parametrize("kind", [kind for kind in PrincipalKind if kind not in SIGNED])
def test_a_caller_without_a_signature_has_none(kind: PrincipalKind) -> None:
    """The operation adds the keys of an assertion or a token."""
    assert keys(Caller(ACCOUNT, "arn", "id", "", Principal(kind, "", ""))) == {}


@pytest.mark.parametrize(
    ("of_session", "of_request", "age"),
    [
        (None, None, None),
        (NOW - 1, None, "1"),
        (NOW, None, "0"),
        # The clocks of two nodes differ: an age is never below zero.
        (NOW + 1, None, "0"),
        (ISSUED, NOW - 5, "5"),
        (None, NOW - 5, "5"),
    ],
)
def test_the_age_of_an_mfa_code(of_session: int | None, of_request: int | None, age: str | None) -> None:
    """The age counts from the acceptance of the code, with this request or with the one that created the session."""
    made = session(SessionKind.USER, mfa_time=of_session)
    caller = msgspec.structs.replace(user_caller(USER, made.access_key_id, made), mfa_at=of_request)
    found = keys(caller)
    assert found["aws:multifactorauthpresent"] == ("false" if age is None else "true")
    assert found.get("aws:multifactorauthage") == age


def test_a_long_term_key_with_an_mfa_code() -> None:
    """A request may contain the code itself."""
    found = keys(msgspec.structs.replace(user_caller(USER, "AKIAX"), mfa_at=NOW - 7))
    assert (found["aws:multifactorauthpresent"], found["aws:multifactorauthage"]) == ("true", "7")
