"""The organization in a file: units, the accounts in them, and control policies."""

import json
from typing import Any

import pytest
from tests.apply.directory import ACCOUNT, Directory, allow

from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.plan.plan_output import show_plan

MEMBER = "222233334444"
NO_IAM = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}


def file(units: dict[str, Any], member: dict[str, Any], **manager: Any) -> str:
    """Return a file with a management account and a member."""
    return json.dumps(
        {
            "version": 1,
            "organization": {"units": units},
            "accounts": {MEMBER: member, ACCOUNT: {"standing": "management", **manager}},
        }
    )


WHOLE = file(
    {"/": {}, "/prod": {"serviceControl": {"no-iam": NO_IAM}}, "/prod/web": {}},
    {"name": "web", "unit": "/prod/web", "serviceControl": {"some": allow("s3:*")}, "fullAccess": False},
)


@pytest.fixture
def directory() -> Directory:
    """Return an empty store."""
    return Directory()


def test_an_organization_is_made_and_made_once(directory: Directory) -> None:
    """The manager comes first, then units from the top, accounts and policies.

    A second apply makes no changes.
    """
    outcome = directory.apply(WHOLE)
    assert "Organization\n  + unit /\n" in show_plan(outcome.plan, is_done=True)
    member = directory.thing("account", MEMBER, MEMBER)
    assert member is not None
    assert (member.value("unit"), member.value("fullAccess")) == ("/prod/web", False)
    assert member.value("serviceControl") == {"some": allow("s3:*")}
    assert not directory.apply(WHOLE).plan.changes


def test_an_organization_is_exported_and_applied_again(directory: Directory) -> None:
    """A round trip is lossless."""
    directory.apply(WHOLE)
    exported = directory.export()
    other = Directory()
    other.apply(exported)
    assert other.export() == exported


def test_units_and_policies_that_a_file_made_go_with_it(directory: Directory) -> None:
    """Accounts move first, then the deepest units are deleted."""
    directory.apply(WHOLE)
    directory.apply(file({"/": {}}, {"unit": "/", "fullAccess": True}))
    member = directory.thing("account", MEMBER, MEMBER)
    assert member is not None
    assert (member.value("unit"), member.value("serviceControl"), member.value("fullAccess")) == ("/", {}, True)
    assert "/prod" not in directory.export()


@pytest.mark.parametrize(
    ("units", "member", "says"),
    [
        ({"/": {}}, {"unit": "/none"}, "unit: the unit /none does not exist"),
        ({"/prod/web": {}}, {}, "organization.units./prod/web: The unit /prod does not exist"),
        ({"/": {}}, {"fullAccess": False}, "fullAccess: The last service control policy"),
        ({"/": {"serviceControl": {"x": {"Statement": 1}}}}, {}, "serviceControl: MalformedPolicyDocument"),
    ],
)
def test_what_cannot_be_says_where(
    directory: Directory, units: dict[str, Any], member: dict[str, Any], says: str
) -> None:
    """The error has its place, and the store is unchanged."""
    revision = directory.revision()
    with pytest.raises(ApplyFileError) as caught:
        directory.apply(file(units, member))
    assert says in str(caught.value)
    assert directory.revision() == revision
