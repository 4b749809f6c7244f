"""Applying files: create, change and delete, atomically and by the rules of the API."""

import json
from typing import Any

import msgspec
import pytest
from tests.apply.directory import ACCOUNT, Directory, allow, one_account, trust

from daypass.apply.apply import ApplyResult
from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.plan.differences import Verb
from daypass.apply.plan.plan_output import plain_plan, show_plan
from daypass.authenticate.caller import root_caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import ManagedPolicy, Role
from daypass.directory.principals import store_principals
from daypass.operations.settings import Quotas

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
KEY = "AKIAIOSFODNN7EXAMPLE"
CHINESE = "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"
FOREIGN = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws-cn:s3:::b"}}
OTHER = f"arn:aws-us-gov:iam::{ACCOUNT}:root"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/x"


@pytest.fixture
def directory() -> Directory:
    """Return an empty store."""
    return Directory()


def counted(outcome: ApplyResult) -> tuple[int, int, int]:
    """Return the numbers of creations, changes and deletions in a plan."""
    create, change, delete = (sum(1 for _ in outcome.plan.of(verb)) for verb in Verb)
    return create, change, delete


EVERYTHING = one_account(
    name="prod",
    policies={"reader": {"document": allow("s3:Get*"), "path": "/data/", "tags": {"a": "b"}, "description": "reads"}},
    groups={"staff": {"policies": ["reader"], "requireMfa": True}},
    users={
        "alice": {"groups": ["staff"], "policies": [ADMIN], "tags": {"team": "red"}, "boundary": ADMIN},
        "bob": {"path": "/eng/", "inline": {"own": allow("sts:*")}},
    },
    oidcProviders={"token.example/a": {"clientIds": ["sts.amazonaws.com"], "thumbprints": ["0" * 40]}},
    roles={
        "a": {"trust": trust(AWS=f"arn:aws:iam::{ACCOUNT}:role/b"), "description": "one of a ring"},
        "b": {"trust": trust(AWS=[f"arn:aws:iam::{ACCOUNT}:role/a", f"arn:aws:iam::{ACCOUNT}:user/alice"])},
        "web": {
            "trust": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.example/a"},
                        "Action": "sts:AssumeRoleWithWebIdentity",
                    }
                ],
            },
            "maxSessionDuration": 7200,
        },
    },
)


def test_applying_twice_is_applying_once(directory: Directory) -> None:
    """A second apply of the same file has no changes and does not write."""
    first = directory.apply(EVERYTHING)
    assert counted(first) == (10, 0, 0)
    assert [key.account for key in first.root_keys] == [ACCOUNT]
    revision = directory.revision()
    assert counted(directory.apply(EVERYTHING)) == (0, 0, 0)
    assert directory.revision() == revision


def test_export_applied_to_an_empty_store_exports_the_same(directory: Directory) -> None:
    """A round trip loses only secrets."""
    directory.apply(EVERYTHING)
    exported = directory.export()
    other = Directory()
    other.apply(exported)
    assert other.export() == exported
    assert counted(other.apply(EVERYTHING)) == (0, 0, 0)
    assert "requireMfa: true" in exported


def test_a_trial_changes_nothing_and_says_the_same(directory: Directory) -> None:
    """The plan of a trial is the plan of the real apply."""
    before = directory.revision()
    trial = directory.apply(EVERYTHING, is_trial=True)
    assert directory.revision() == before
    assert directory.events.all == []
    assert plain_plan(trial.plan) == plain_plan(directory.apply(EVERYTHING).plan)


def test_what_a_file_no_longer_names_goes_if_a_file_made_it(directory: Directory) -> None:
    """Entities that no file has created stay, unless they are pruned."""
    directory.apply(one_account(users={"alice": {}, "bob": {"tags": {"a": "b"}}}, groups={}))
    directory.call("CreateUser", UserName="byhand")
    directory.call("CreateGroup", GroupName="byhand")
    assert counted(directory.apply(one_account(users={"bob": {}}))) == (0, 1, 1)
    assert directory.thing("user", "alice") is None
    assert directory.thing("user", "byhand") is not None
    assert counted(directory.apply(one_account(users={"bob": {}}), prune=True)) == (0, 0, 1)
    assert directory.thing("user", "byhand") is None
    # A section that the file does not mention is not pruned.
    assert directory.thing("group", "byhand") is not None


def test_a_user_made_anew_by_hand_is_nobodys(directory: Directory) -> None:
    """Ownership follows the unique id: a new entity of the same name is not owned."""
    directory.apply(one_account(users={"alice": {}}))
    directory.call("DeleteUser", UserName="alice")
    directory.call("CreateUser", UserName="alice")
    assert counted(directory.apply(one_account())) == (0, 0, 0)
    assert directory.thing("user", "alice") is not None


def test_parts_that_somebody_else_added_stay(directory: Directory) -> None:
    """A file removes only the tags, policies and memberships that it added, unless it prunes."""
    directory.apply(
        one_account(users={"alice": {"tags": {"a": "1"}, "policies": [ADMIN]}, "boss": {"policies": [ADMIN]}})
    )
    directory.call("TagUser", UserName="alice", Tags=[{"Key": "hand", "Value": "made"}])
    bare = one_account(users={"alice": {}, "boss": {"policies": [ADMIN]}})
    outcome = directory.apply(bare)
    alice = directory.thing("user", "alice")
    assert alice is not None
    assert (alice.value("tags"), alice.value("policies")) == ({"hand": "made"}, {})
    assert outcome.plan.kept == 1
    directory.apply(bare, prune=True)
    alice = directory.thing("user", "alice")
    assert alice is not None
    assert alice.value("tags") == {}


def test_files_of_different_names_leave_each_other_alone(directory: Directory) -> None:
    """Two teams may keep two files for one account."""

    def file(name: str, *users: str) -> str:
        return one_account(users={user: {} for user in users}).replace(
            '"version": 1', f'"version": 1, "name": "{name}"'
        )

    directory.apply(file("red", "a"))
    directory.apply(file("blue", "b"))
    assert counted(directory.apply(file("red"))) == (0, 0, 1)
    assert directory.thing("user", "b") is not None


_REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("group", {"users": {"a": {"groups": ["none"]}}}, "users.a.groups: the group none does not exist"),
    ("policy", {"users": {"a": {"policies": ["none"]}}}, "users.a.policies: the policy"),
    ("AWS policy", {"users": {"a": {"policies": ["arn:aws:iam::aws:policy/No"]}}}, "users.a.policies: NoSuchEntity"),
    ("boundary", {"users": {"a": {"boundary": "none"}}}, "users.a.boundary: the policy"),
    ("trusted role", {"roles": {"r": {"trust": trust(AWS=f"arn:aws:iam::{ACCOUNT}:role/x")}}}, "roles.r.trust: "),
    ("trusted account", {"roles": {"r": {"trust": trust(AWS="999999999999")}}}, "roles.r: MalformedPolicyDocument"),
    ("trusted provider", {"roles": {"r": {"trust": trust(Federated=PROVIDER)}}}, "which does not exist"),
    ("document", {"policies": {"p": {"document": {"Statement": []}}}}, "policies.p: MalformedPolicyDocument"),
    ("inline", {"groups": {"g": {"inline": {"i": {"Statement": 1}}}}}, "groups.g.inline: MalformedPolicyDocument"),
    ("tag", {"users": {"a": {"tags": {"aws:x": "y"}}}}, "InvalidInput"),
    ("partition", {"policies": {"p": {"document": FOREIGN}}}, 'MalformedPolicyDocument: Partition "aws-cn"'),
    ("inline partition", {"users": {"a": {"inline": {"p": FOREIGN}}}}, 'Partition "aws-cn" is not valid for resource'),
    ("trusting", {"roles": {"r": {"trust": trust(AWS=OTHER)}}}, f'Invalid principal in policy: "AWS":"{OTHER}'),
    ("attached partition", {"users": {"a": {"policies": [CHINESE]}}}, "ValidationError: Invalid ARN partition"),
    ("boundary partition", {"users": {"a": {"boundary": CHINESE}}}, "ValidationError: Invalid ARN partition"),
    ("quota", {"users": {"a": {"policies": [ADMIN], "groups": []}, "b": {}, "c": {}, "d": {}}}, "LimitExceeded"),
]  # fmt: skip


@pytest.mark.parametrize(("sections", "says"), [row[1:] for row in _REFUSED], ids=[row[0] for row in _REFUSED])
def test_what_cannot_be_says_where_and_changes_nothing(sections: dict[str, Any], says: str) -> None:
    """A missing reference, or an entity that the API refuses, is reported with its place."""
    directory = Directory(quotas=Quotas(users=3))
    before = directory.revision()
    with pytest.raises(ApplyFileError) as caught:
        directory.apply(one_account(**sections))
    assert f"accounts.{ACCOUNT}." in str(caught.value)
    assert says in str(caught.value)
    assert directory.revision() == before


def test_the_longest_sign_in_of_a_role_is_set_changed_and_reset(directory: Directory) -> None:
    """A file without the field has no limit; an exported file says the same as the store."""
    role = {"trust": trust(AWS="*")}
    for seconds in (3600, 7_776_000):
        directory.apply(one_account(roles={"r": {**role, "maxSigninSessionDuration": seconds}}))
        shown = directory.call("GetRole", RoleName="r")["Role"]
        assert shown["MaxSigninSessionDuration"] == seconds
        assert f"maxSigninSessionDuration: {seconds}" in directory.export()
        assert counted(directory.apply(directory.export())) == (0, 0, 0)
    assert counted(directory.apply(one_account(roles={"r": role}))) == (0, 1, 0)
    assert "MaxSigninSessionDuration" not in directory.call("GetRole", RoleName="r")["Role"]
    assert "Signin" not in directory.export()


def test_a_policy_saved_by_an_earlier_release_stays(directory: Directory) -> None:
    """Its resource of another partition matches no request; the policy is read, exported and left alone."""
    directory.apply(one_account(policies={"p": {"document": allow("s3:Get*")}}, roles={"r": {"trust": trust(AWS="*")}}))
    old = {"policies": {"p": {"document": FOREIGN}}, "roles": {"r": {"trust": trust(AWS=OTHER)}}}
    with directory.there.store.write() as writer:
        policy = records.find(writer, ManagedPolicy, ACCOUNT, "p")
        role = records.find(writer, Role, ACCOUNT, "r")
        assert policy is not None
        assert role is not None
        version = msgspec.structs.replace(policy.versions[0], document=" " + json.dumps(FOREIGN))
        records.replace(writer, msgspec.structs.replace(policy, versions=(version,)))
        records.replace(writer, msgspec.structs.replace(role, trust=json.dumps(trust(AWS=OTHER))))
    assert counted(directory.apply(one_account(**old))) == (0, 0, 0)
    assert "aws-cn" in directory.export()
    assert counted(directory.apply(directory.export())) == (0, 0, 0)
    with pytest.raises(ApplyFileError, match='Partition "aws-cn" is not valid'):
        Directory().apply(one_account(policies=old["policies"]))


def test_a_policy_changes_by_a_new_version_and_there_is_always_room(directory: Directory) -> None:
    """A policy has at most five versions.

    The oldest one that is not the default is deleted.
    """
    for number in range(8):
        directory.apply(one_account(policies={"p": {"document": allow(f"s3:Get{number}")}}))
    arn = f"arn:aws:iam::{ACCOUNT}:policy/p"
    versions = directory.call("ListPolicyVersions", PolicyArn=arn)["Versions"]
    assert [version["VersionId"] for version in versions] == ["v8", "v7", "v6", "v5", "v4"]


def test_what_cannot_change_in_place_is_refused(directory: Directory) -> None:
    """A role's path is part of its ARN."""
    directory.apply(one_account(roles={"r": {"trust": trust(AWS="*")}}))
    with pytest.raises(ApplyFileError, match="the path of a role cannot change"):
        directory.apply(one_account(roles={"r": {"trust": trust(AWS="*"), "path": "/x/"}}))


def test_the_last_administrator_stays(directory: Directory) -> None:
    """Deleting, detaching or emptying the policy must not remove the last administrator; another may replace it."""
    boss = {"policies": [ADMIN]}
    directory.apply(one_account(users={"boss": boss, "other": {}}))
    without: tuple[dict[str, Any], ...] = ({"other": {}}, {"boss": {}, "other": {}})
    for left in without:
        with pytest.raises(ApplyFileError, match="last administrator"):
            directory.apply(one_account(users=left))
    with pytest.raises(ApplyFileError, match="last administrator"):
        directory.apply(one_account(users={"other": {}}), prune=True)
    assert directory.thing("user", "boss") is not None
    directory.apply(one_account(users={"other": boss}))
    assert directory.thing("user", "boss") is None


def test_an_access_key_has_the_secret_that_was_given(directory: Directory) -> None:
    """A key is created, rotated in place and deactivated.

    A missing secret makes no change.
    """
    directory.secrets = {"ALICE": "a-secret-of-alice"}

    def file(**more: Any) -> str:
        key = {"secretAccessKey": {"secret": "ALICE"}, **more}
        return one_account(users={"alice": {"accessKeys": {KEY: key}}})

    def stored() -> Any:
        alice = directory.thing("user", "alice")
        return None if alice is None else alice.value("accessKeys")[KEY]

    directory.apply(file())
    assert stored().secret.text == "a-secret-of-alice"
    directory.secrets = {}
    assert counted(directory.apply(file())) == (0, 0, 0)
    directory.secrets = {"ALICE": "another-secret-of-alice"}
    outcome = directory.apply(file(status="Inactive"))
    assert (stored().secret.text, stored().active) == ("another-secret-of-alice", False)
    shown = show_plan(outcome.plan, is_done=True) + str(plain_plan(outcome.plan)) + repr(outcome)
    assert "secret-of" not in shown
    assert "another secret" in shown
    assert "secret-of" not in "".join(str(event.parameters) for event in directory.events.all)


def test_a_new_access_key_needs_its_secret(directory: Directory) -> None:
    """The message names the variable."""
    with pytest.raises(ApplyFileError, match="DAYPASS_SECRET_ALICE"):
        directory.apply(one_account(users={"a": {"accessKeys": {KEY: {"secretAccessKey": {"secret": "alice"}}}}}))


def test_every_call_is_audited_and_nothing_that_was_undone(directory: Directory) -> None:
    """Events are like those of API calls by the account's root.

    A refused file records only the refusal.
    """
    directory.apply(one_account(users={"alice": {"tags": {"a": "b"}}}))
    assert [event.action for event in directory.events.all] == ["CreateAccount", "CreateUser"]
    directory.events.all.clear()
    with pytest.raises(ApplyFileError):
        directory.apply(one_account(users={"alice": {"policies": ["arn:aws:iam::aws:policy/No"]}, "bob": {}}))
    assert [(event.action, event.code) for event in directory.events.all] == [("AttachUserPolicy", "NoSuchEntity")]


def test_a_plan_shows_what_a_person_changed(directory: Directory) -> None:
    """It shows signs, values before and after, and the policy as a unified diff."""
    directory.apply(one_account(roles={"r": {"trust": trust(AWS="*"), "inline": {"i": allow("s3:Get*", "s3:List*")}}}))
    changed = {"trust": trust(AWS="*"), "inline": {"i": allow("s3:Get*", "s3:Put*")}, "maxSessionDuration": 7200}
    outcome = directory.apply(one_account(roles={"r": changed}, users={"u": {}}), is_trial=True)
    assert show_plan(outcome.plan, is_done=False) == (
        f"Account {ACCOUNT}\n"
        "  ~ role r\n"
        "      ~ maxSessionDuration: 3600 -> 7200\n"
        "      ~ inline policy i\n"
        "          @@ -5,7 +5,7 @@\n"
        '                 "Effect": "Allow",\n'
        '                 "Action": [\n'
        '                   "s3:Get*",\n'
        '          -        "s3:List*"\n'
        '          +        "s3:Put*"\n'
        "                 ],\n"
        '                 "Resource": "*"\n'
        "               }\n"
        "  + user u\n"
        "\n"
        "Plan: 1 to create, 1 to change, 0 to delete."
    )


def test_a_deleted_user_goes_with_all_that_is_its_own(directory: Directory) -> None:
    """Keys, memberships, policies and MFA devices that were added later are deleted too."""
    directory.apply(one_account(users={"alice": {}}, groups={"g": {}}))
    directory.call("AddUserToGroup", UserName="alice", GroupName="g")
    directory.call("CreateAccessKey", UserName="alice")
    directory.call("AttachUserPolicy", UserName="alice", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    directory.apply(one_account(groups={"g": {}}))
    assert directory.thing("user", "alice") is None


def test_a_trust_policy_may_not_name_who_goes_in_the_same_file(directory: Directory) -> None:
    """The name would become an unresolved principal a moment later."""
    named = {"r": {"trust": trust(AWS=f"arn:aws:iam::{ACCOUNT}:user/alice")}}
    directory.apply(one_account(users={"alice": {}}, roles=named))
    with pytest.raises(ApplyFileError, match=r"roles\.r\.trust"):
        directory.apply(one_account(roles=named))


def test_missing_principals_are_exported_as_unresolved(directory: Directory) -> None:
    """They never match where they come from, so they must not match where the file is applied."""
    text = "arn:aws:iam::999999999999:role/x"
    directory.apply(one_account())
    trusting = json.dumps(trust(AWS=[text, ACCOUNT]))
    with directory.there.store.write() as writer:
        world = msgspec.structs.replace(directory.tools.open_context(writer), store_trust=store_principals)
        create: Any = directory.tools.registry.find("iam", "CreateRole")
        asked = create.parse({"RoleName": "r", "AssumeRolePolicyDocument": trusting})
        create.perform(asked, root_caller(ACCOUNT, ""), world)
    exported = directory.export()
    assert "strangers" in exported
    assert counted(directory.apply(exported)) == (0, 0, 0)
    other = Directory()
    other.apply(exported)
    assert other.export() == exported


def test_unresolved_principals_are_stored_and_exported(directory: Directory) -> None:
    """Unresolved principals stay as they were.

    The exported file contains them again.
    """
    text = "arn:aws:iam::999999999999:role/x"
    role = {"trust": trust(AWS=[text, ACCOUNT], Service="ec2.amazonaws.com"), "strangers": [text]}
    directory.apply(one_account(roles={"r": role}))
    assert counted(directory.apply(one_account(roles={"r": role}))) == (0, 0, 0)
    exported = directory.export()
    assert text in exported
    other = Directory()
    other.apply(exported)
    assert other.export() == exported
