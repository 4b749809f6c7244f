"""Actions about an account: alias, password policy, summary, reports."""

import csv
import io
from datetime import timedelta
from typing import Any

import msgspec
from tests.iam.conftest import EC2, LIST_BUCKET, body
from tests.refusals import refused

from daypass.directory import records
from daypass.directory.entities.account_entities import CredentialReport
from daypass.operations.iam.account.credential_reports import COLUMNS
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer


def test_an_account_has_one_alias(iam: Any, server: RunningServer, as_caller: ClientFactory) -> None:
    """A new alias replaces the old one. Another account's alias is refused."""
    assert body(iam.list_account_aliases()) == {"AccountAliases": [], "IsTruncated": False}
    iam.create_account_alias(AccountAlias="first-name")
    iam.create_account_alias(AccountAlias="second-name")
    assert iam.list_account_aliases()["AccountAliases"] == ["second-name"]
    other = as_caller("iam", server.new_account())
    taken = ("EntityAlreadyExists", 409, "The account alias second-name already exists.")
    assert refused(other.create_account_alias, AccountAlias="second-name") == taken
    other.create_account_alias(AccountAlias="first-name")
    missing = ("NoSuchEntity", 404, "The account alias first-name cannot be found.")
    assert refused(iam.delete_account_alias, AccountAlias="first-name") == missing
    iam.delete_account_alias(AccountAlias="second-name")
    other.delete_account_alias(AccountAlias="first-name")
    assert iam.list_account_aliases()["AccountAliases"] == []
    assert refused(iam.create_account_alias, AccountAlias="123456789012")[0] == "InvalidInput"


def test_the_password_policy_is_set_as_a_whole(iam: Any, account: str) -> None:
    """A missing parameter gets its default. A policy must be set to be read."""
    missing = ("NoSuchEntity", 404, f"The Password Policy with domain name {account} cannot be found.")
    assert refused(iam.get_account_password_policy) == missing
    none = ("NoSuchEntity", 404, "The account policy with name PasswordPolicy cannot be found.")
    assert refused(iam.delete_account_password_policy) == none
    custom = {
        "MinimumPasswordLength": 10,
        "RequireSymbols": True,
        "RequireNumbers": True,
        "RequireUppercaseCharacters": True,
        "RequireLowercaseCharacters": True,
        "AllowUsersToChangePassword": True,
        "MaxPasswordAge": 60,
        "PasswordReusePrevention": 3,
        "HardExpiry": True,
    }
    iam.update_account_password_policy(**custom)
    assert iam.get_account_password_policy()["PasswordPolicy"] == {**custom, "ExpirePasswords": True}
    iam.update_account_password_policy()
    assert iam.get_account_password_policy()["PasswordPolicy"] == {
        "MinimumPasswordLength": 6,
        "RequireSymbols": False,
        "RequireNumbers": False,
        "RequireUppercaseCharacters": False,
        "RequireLowercaseCharacters": False,
        "AllowUsersToChangePassword": False,
        "ExpirePasswords": False,
    }
    iam.delete_account_password_policy()
    assert refused(iam.get_account_password_policy) == missing


def test_the_summary_counts(iam: Any) -> None:
    """The members are AWS's, and each new entity adds one."""
    before = iam.get_account_summary()["SummaryMap"]
    assert len(before) == 34
    assert (before["UsersQuota"], before["VersionsPerPolicyQuota"], before["AccessKeysPerUserQuota"]) == (5000, 5, 2)
    assert before["AccountAccessKeysPresent"] == 1
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    iam.create_instance_profile(InstanceProfileName="p")
    iam.create_policy(PolicyName="p", PolicyDocument=LIST_BUCKET)
    after = iam.get_account_summary()["SummaryMap"]
    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    made = ("Users", "Groups", "Roles", "InstanceProfiles", "Policies", "PolicyVersionsInUse")
    assert grown == dict.fromkeys(made, 1)


def test_a_credential_report_is_made_and_kept_for_four_hours(iam: Any, account: str, server: RunningServer) -> None:
    """The first call creates it, and it expires after four hours."""
    assert refused(iam.get_credential_report) == ("ReportNotPresent", 410, "")
    iam.create_user(UserName="comma,name")
    key = iam.create_access_key(UserName="comma,name")["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName="comma,name", AccessKeyId=key, Status="Inactive")
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(report["Content"].decode())))
    assert tuple(rows[0]) == COLUMNS
    assert [row["user"] for row in rows] == ["<root_account>", "comma,name"]
    assert (rows[0]["arn"], rows[0]["access_key_1_active"]) == (f"arn:aws:iam::{account}:root", "true")
    user = rows[1]
    assert (user["password_enabled"], user["mfa_active"], user["access_key_1_active"]) == ("false", "false", "false")
    assert (user["access_key_1_last_used_date"], user["access_key_2_last_rotated"]) == ("N/A", "N/A")
    with server.there.store.write() as writer:
        known = records.find(writer, CredentialReport, account, "last")
        assert known is not None
        records.replace(writer, msgspec.structs.replace(known, generated=known.generated - timedelta(hours=4)))
    assert refused(iam.get_credential_report) == ("ReportExpired", 410, "")
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.get_credential_report()["Content"] == report["Content"]
