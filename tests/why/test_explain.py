"""`daypass explain` explains decisions from the store.

It also lists the principals that can assume a role.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.documents import allow, deny, document, trusting
from tests.refusals import refused

from daypass.cli.operators.policies.explain import command
from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server

ACCOUNT = "111122223333"
HERE = f"arn:aws:iam::{ACCOUNT}:"
Explain = Callable[..., Result]


@dataclass(frozen=True)
class Town:
    """A store with users and roles, and the encoded messages of refused calls."""

    store: str
    iam: Any
    abroad: Any
    other: str
    refused_list: str
    refused_role: str


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Populate a SQLite store through the API."""
    store = f"sqlite:///{tmp_path_factory.mktemp('town')}/daypass.db"
    with running_server(store=store, account=ACCOUNT) as server:
        make = client_factory(server)
        iam, abroad = make("iam"), server.new_account()
        for name in ("alice", "bob", "carol"):
            iam.create_user(UserName=name)
        own = [allow("iam:List*", Sid="Office", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})]
        own += [allow("sts:AssumeRole", Sid="Roles"), deny("iam:Delete*", Sid="Never")]
        iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=document(*own))
        build = _role(iam, "build", trusting({"AWS": f"{HERE}user/alice"}, Sid="Alice"))
        iam.put_role_policy(RoleName="build", PolicyName="own", PolicyDocument=document(allow("sts:*")))
        with_mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
        _role(iam, "admin", trusting({"AWS": ACCOUNT}, Sid="Mfa", Condition=with_mfa))
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/build/nightly"
        _role(make("iam", abroad), "deploy", trusting({"AWS": session}), trusting({"Service": "ec2.amazonaws.com"}))
        assert build == f"{HERE}role/build"
        key = iam.create_access_key(UserName="alice")["AccessKey"]
        listing = refused(make("iam", key).list_users).encoded
        role = refused(make("sts", key).assume_role, RoleArn=f"{HERE}role/admin", RoleSessionName="tuesday").encoded
        assert listing is not None
        assert role is not None
        yield Town(store, iam, make("iam", abroad), abroad.account, listing, role)


def _role(iam: Any, name: str, *statements: dict[str, Any]) -> Any:
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(*statements))["Role"]["Arn"]


@pytest.fixture
def explain(town: Town) -> Explain:
    """Run the command on the store, while the server runs."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(command, [*words, "--store", town.store])

    return run


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_a_missing_allow_is_told_with_what_came_close(explain: Explain) -> None:
    """The output has the closest statement, its mismatch and the remedy."""
    asked = ("--principal", f"{HERE}user/alice", "--action", "iam:ListUsers")
    text = explain(*asked, "--context", "aws:SourceIp=192.0.2.1").output
    assert text.startswith(
        "DENIED: iam:ListUsers on *\n"
        f"  by {HERE}user/alice\n"
        "  because no identity-based policy allows the iam:ListUsers action\n"
        f'  came closest: statement 0 "Office" of identity-based policy own of {HERE}user/alice\n'
        "    but IpAddress aws:SourceIp asks for 10.0.0.0/8; the request has 192.0.2.1\n"
    )
    assert (
        "How to allow it:\n"
        f'  meet the conditions of statement 0 "Office" of identity-based policy own of {HERE}user/alice:\n'
        "    The source IP address of the call must be in 10.0.0.0/8. (IpAddress aws:SourceIp: 10.0.0.0/8)\n"
    ) in text
    assert '"Effect"' not in text
    allowed = _json(explain(*asked, "--context", "aws:SourceIp=10.9.9.9", "--output", "json"))
    assert allowed["Decision"] == "allowed"
    assert [one["Sid"] for one in allowed["DecidingStatements"]] == ["Office"]


def test_what_helps_is_what_it_says(town: Town, explain: Explain) -> None:
    """With the statement that explain shows, the call is allowed."""
    asked = ("--principal", f"{HERE}user/carol", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::b/k")
    refusal = _json(explain(*asked, "--output", "json"))
    assert refusal["Decision"] == "implicitDeny"
    helpful = document(refusal["HelpfulStatement"])
    town.iam.put_user_policy(UserName="carol", PolicyName="helpful", PolicyDocument=helpful)
    assert explain(*asked).output.startswith("ALLOWED")


def test_a_missed_condition_is_never_left_out(explain: Explain) -> None:
    """The remedy for a role that requires MFA is MFA.

    A statement without the condition is never shown.
    """
    asked = ("--principal", f"{HERE}user/alice", "--action", "sts:AssumeRole", "--resource", f"{HERE}role/admin")
    text = explain(*asked).output
    assert "Use an MFA code: --mfa-serial auto. (Bool aws:MultiFactorAuthPresent: true)" in text
    assert '"Effect"' not in text
    told = _json(explain(*asked, "--output", "json"))
    assert told["HelpfulStatement"] is None
    assert told["HelpfulStatements"] == []
    (need,) = told["ConditionsToMeet"]
    assert (need["Key"], need["Operator"], need["Values"]) == ("aws:MultiFactorAuthPresent", "Bool", ["true"])
    assert (need["Effect"], need["Sid"], need["PolicyId"]) == ("Allow", "Mfa", "trust-policy")


def test_a_statement_and_a_condition_are_told_together(town: Town, explain: Explain) -> None:
    """Carol needs the permission and MFA: the statement alone is not enough."""
    asked = ("--principal", f"{HERE}user/carol", "--action", "sts:AssumeRole", "--resource", f"{HERE}role/admin")
    text = explain(*asked).output
    assert f"  and a statement in an identity-based policy of {HERE}user/carol:\n" in text
    assert "    Use an MFA code" in text
    (helpful,) = _json(explain(*asked, "--output", "json"))["HelpfulStatements"]
    town.iam.put_user_policy(UserName="carol", PolicyName="roles", PolicyDocument=document(helpful["Statement"]))
    assert explain(*asked).output.startswith("DENIED")
    assert explain(*asked, "--context", "aws:MultiFactorAuthPresent=true").output.startswith("ALLOWED")
    town.iam.delete_user_policy(UserName="carol", PolicyName="roles")


def test_a_deny_with_conditions_is_to_be_avoided(town: Town, explain: Explain) -> None:
    """The remedy against DenyWithoutMFA is MFA."""
    without = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
    policy = document(allow("iam:*"), deny("iam:*", Sid="DenyWithoutMFA", Condition=without))
    town.iam.create_user(UserName="dave")
    town.iam.put_user_policy(UserName="dave", PolicyName="own", PolicyDocument=policy)
    text = explain("--principal", f"{HERE}user/dave", "--action", "iam:ListUsers").output
    assert "An Allow does not override a Deny, so the request itself has to change:\n" in text
    assert '  avoid the conditions of statement 1 "DenyWithoutMFA" of identity-based policy own of' in text
    assert "    Use an MFA code: --mfa-serial auto. (BoolIfExists" in text
    assert '"Effect"' not in text


def test_an_explicit_deny_is_told(explain: Explain) -> None:
    """The statement that denies is named, and no Allow is shown as a remedy."""
    text = explain("--principal", f"{HERE}user/alice", "--action", "iam:DeleteUser").output
    assert "with an explicit deny in an identity-based policy" in text
    assert f'decided by statement 2 "Never" of identity-based policy own of {HERE}user/alice' in text
    assert "An Allow does not override a Deny" in text


def test_a_trust_policy_is_told_with_the_names_that_people_know(explain: Explain) -> None:
    """Principals of trust policies are stored by ID and shown by ARN.

    The missing type of policy is the role trust policy.
    """
    text = explain(
        "--principal", f"{HERE}user/bob", "--action", "sts:AssumeRole", "--resource", f"{HERE}role/build"
    ).output
    assert "because no role trust policy allows the sts:AssumeRole action" in text
    assert f"Principal is AWS:{HERE}user/alice; the request has {HERE}user/bob" in text
    assert "a statement in the role's trust policy:" in text


def test_missing_keys_can_be_given(explain: Explain) -> None:
    """A missing key is named; with --context it has a value."""
    asked = ("--principal", f"{HERE}user/alice", "--action", "sts:AssumeRole", "--resource", f"{HERE}role/admin")
    text = explain(*asked).output
    assert "test condition keys that the request does not have: aws:MultiFactorAuthPresent." in text
    assert explain(*asked, "--context", "aws:MultiFactorAuthPresent=true").output.startswith("ALLOWED")


def test_a_key_can_be_taken_away(explain: Explain) -> None:
    """`key=` removes the key from the request."""
    asked = ("--principal", f"{HERE}user/alice", "--action", "iam:GetUser", "--output", "json")
    assert "aws:SecureTransport" in _json(explain(*asked))["Context"]
    assert "aws:SecureTransport" not in _json(explain(*asked, "--context", "aws:SecureTransport="))["Context"]


def test_roots_and_sessions_can_ask(explain: Explain) -> None:
    """A root user and a single session of a role are callers too."""
    for principal in (f"{HERE}root", f"{HERE}role/build", f"arn:aws:sts::{ACCOUNT}:assumed-role/build/nightly"):
        assert explain("--principal", principal, "--action", "sts:GetFederationToken").output.startswith("ALLOWED")


def test_a_message_is_told_without_the_server(town: Town, explain: Explain) -> None:
    """The operator's command decodes messages of every account of the store."""
    text = explain(town.refused_list).output
    assert text.startswith("DENIED: iam:ListUsers on")
    assert 'came closest: statement 0 "Office"' in text
    assert "aws:SourceIp = 127.0.0.1" in text
    told = _json(explain(town.refused_role, "--output", "json"))
    assert told["onlyOwnAccount"] is True
    assert "resource's side" in told["reason"]


def test_a_principal_that_did_not_exist_is_told_as_such(town: Town, explain: Explain) -> None:
    """The operator sees its name, and that it never matches; it is not among those who can."""
    late = f"arn:aws:iam::{town.other}:user/late"
    missing = "arn:aws:iam::999999999999:root"
    role = _role(town.iam, "unresolved", trusting({"AWS": [late, missing, f"{HERE}user/alice"]}))
    town.abroad.create_user(UserName="late")
    text = explain("--principal", late, "--action", "sts:AssumeRole", "--resource", role).output
    note = "(it did not exist when the policy was saved, so it never matches)"
    assert f"AWS:{late} {note}" in text
    assert f"AWS:{missing} {note}" in text
    assert f"AWS:{HERE}user/alice {note}" not in text
    ways = _json(explain("--who-can", "sts:AssumeRole", role, "--output", "json"))["Principals"]
    assert [way["Principal"] for way in ways] == [f"{HERE}user/alice"]
    assert ways[0]["Statements"][-1]["Statement"]["Principal"]["AWS"] == [late, missing, f"{HERE}user/alice"]


def test_a_name_cannot_change_the_statement_that_shows_it(town: Town, explain: Explain) -> None:
    """An ARN may contain quotation marks. They stay part of the name, in the statement and in its JSON."""
    forged = 'arn:aws:iam::999999999999:user/x"],"Service":["y'
    role = _role(town.iam, "forged", trusting({"AWS": [forged, f"{HERE}user/alice"]}))
    ways = _json(explain("--who-can", "sts:AssumeRole", role, "--output", "json"))["Principals"]
    assert [way["Principal"] for way in ways] == [f"{HERE}user/alice"]
    assert ways[0]["Statements"][-1]["Statement"]["Principal"] == {"AWS": [forged, f"{HERE}user/alice"]}
    assert forged not in explain("--who-can", "sts:AssumeRole", role).output


def test_who_can_assume_a_role(town: Town, explain: Explain) -> None:
    """Every way is listed with its statements, and conditions that fail now."""
    build = _json(explain("--who-can", "sts:AssumeRole", f"{HERE}role/build", "--output", "json"))
    (alice,) = build["Principals"]
    assert (alice["Principal"], alice["Conditional"]) == (f"{HERE}user/alice", False)
    assert [one["Sid"] for one in alice["Statements"]] == ["Alice"]
    admin = _json(explain("--who-can", "sts:AssumeRole", f"{HERE}role/admin", "--output", "json"))
    assert [one["Principal"] for one in admin["Principals"]] == [f"{HERE}user/alice", f"{HERE}role/build"]
    assert all(one["Conditional"] for one in admin["Principals"])
    assert "aws:MultiFactorAuthPresent asks for true" in admin["Principals"][0]["Conditions"][0]
    assert [one["Sid"] for one in admin["Principals"][0]["Statements"]] == ["Roles", "Mfa"]


def test_who_can_lists_single_sessions_and_services(town: Town, explain: Explain) -> None:
    """A session that is trusted by name is listed, and a service too."""
    role = f"arn:aws:iam::{town.other}:role/deploy"
    text = explain("--who-can", "sts:AssumeRole", role).output
    assert f"CAN: role arn:aws:sts::{ACCOUNT}:assumed-role/build/nightly" in text
    shown = _json(explain("--who-can", "sts:AssumeRole", role, "--output", "json"))["Principals"][0]
    named = f"arn:aws:sts::{ACCOUNT}:assumed-role/build/nightly"
    assert shown["Statements"][-1]["Statement"]["Principal"] == {"AWS": named}
    assert "CAN: service ec2.amazonaws.com" in text
    assert "alice" not in text
    nobody = explain("--who-can", "sts:AssumeRoleWithSAML", role).output
    assert nobody == f"No principal in this store can do sts:AssumeRoleWithSAML to {role}.\n"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "Use MESSAGE"),
        (("--principal", f"{HERE}user/alice"), 2, "Use MESSAGE"),
        (("--who-can", "sts:AssumeRole"), 2, "Use MESSAGE"),
        (("--principal", f"{HERE}user/nobody", "--action", "iam:GetUser"), 6, "does not exist"),
        (("--principal", f"{HERE}role/nobody", "--action", "iam:GetUser"), 6, "does not exist"),
        (("--principal", "arn:aws:iam::999999999999:root", "--action", "iam:GetUser"), 6, "does not exist"),
        (("--principal", "alice", "--action", "iam:GetUser"), 6, "is not the ARN"),
        (("--principal", f"{HERE}root", "--action", "iam:GetUser", "--context", "x"), 2, "is not KEY=VALUE"),
        (("--who-can", "sts:AssumeRole", f"{HERE}role/nobody"), 6, "does not exist in this store"),
        (("--who-can", "sts:AssumeRole", "nobody"), 6, "nobody is invalid"),
        (("DPd1" * 100,), 5, "cannot be decrypted"),
    ],
)
def test_wrong_requests_get_a_sentence(explain: Explain, words: tuple[str, ...], code: int, says: str) -> None:
    """A wrong argument ends with an exit code and one sentence."""
    result = explain(*words)
    assert result.exit_code == code
    assert says in result.output


def test_nothing_is_written(town: Town, explain: Explain) -> None:
    """The command only reads one snapshot; the store's files do not change."""
    path = Path(town.store.removeprefix("sqlite:///"))
    before = path.read_bytes()
    explain("--who-can", "sts:AssumeRole", f"{HERE}role/admin")
    assert path.read_bytes() == before
