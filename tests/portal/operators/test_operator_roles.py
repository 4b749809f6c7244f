"""The console revokes the sessions of a role as AWS's console does, with the operator's own permission."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.documents import allow
from tests.portal.conftest import ACCOUNT, OTHER
from tests.portal.gallery import success
from tests.portal.operators.console import Console, assumed, entered, operators_role

from daypass.config import Config
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

REVOKE, ROLES = "/operator/roles/revoke", "/operator/roles"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the audit log of the server."""
    return tmp_path_factory.mktemp("roles") / "audit.jsonl"


@pytest.fixture(scope="module")
def server(log: Path) -> Iterator[RunningServer]:
    """Run a server with a log."""
    with running_server(account=ACCOUNT, config=Config(audit_log=str(log))) as running:
        running.new_account(OTHER)
        yield running


@pytest.fixture(scope="module")
def operator(server: RunningServer) -> Console:
    """Enter the console with a role that may change roles."""
    return entered(server, "revoking", allow("iam:PutRolePolicy"))


def works(server: RunningServer, credentials: Any) -> bool:
    """Tell whether credentials are still accepted for an action that their role allows."""
    iam = client_factory(server)("iam", credentials)
    try:
        iam.list_users()
    except ClientError as error:
        return bool(error.response["Error"]["Code"] != "AccessDenied")
    return True


def test_revoking_ends_the_sessions_of_one_role(server: RunningServer, operator: Console) -> None:
    """Sessions that were issued until now end, others stay, and the role can be assumed again."""
    first, other = (
        assumed(server, operators_role(server, name, allow("iam:ListUsers"))) for name in ("deploy", "stay")
    )
    assert works(server, first)
    form = operator.get(f"{ROLES}?q=deploy").form(REVOKE)
    assert form["Role"] == "deploy"
    done = operator.post(REVOKE, form)
    assert (done.status, done.location) == (303, f"{ROLES}?revoked=deploy")
    assert "The sessions of role deploy that were issued before" in operator.get(done.location).words
    assert not works(server, first)
    assert works(server, other)
    policy = client_factory(server)("iam").get_role_policy(RoleName="deploy", PolicyName="AWSRevokeOlderSessions")
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert list(statement["Condition"]) == ["DateLessThan"]


def test_a_later_revocation_stays(server: RunningServer, operator: Console) -> None:
    """Revoking again does not make sessions valid that another operator revoked."""
    operators_role(server, "tomorrow", allow("iam:ListUsers"))
    cut = {"DateLessThan": {"aws:TokenIssueTime": "2999-01-01T00:00:00Z"}}
    statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": cut}
    iam = client_factory(server)("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="tomorrow", PolicyName="AWSRevokeOlderSessions", PolicyDocument=document)
    operator.post(REVOKE, operator.get(f"{ROLES}?q=tomorrow").form(REVOKE))
    policy = iam.get_role_policy(RoleName="tomorrow", PolicyName="AWSRevokeOlderSessions")["PolicyDocument"]
    assert policy["Statement"][0]["Condition"] == cut


def test_the_operator_needs_the_permission(server: RunningServer) -> None:
    """A role that may look may not revoke: the page calls IAM with the operator's own permissions."""
    operators_role(server, "kept", allow("iam:ListUsers"))
    console = entered(server, "looking")
    answer = console.post(REVOKE, console.get(f"{ROLES}?q=kept").form(REVOKE))
    assert (answer.status, answer.heading) == (403, "You do not have this permission")
    assert "iam:PutRolePolicy" in answer.words
    assert client_factory(server)("iam").list_role_policies(RoleName="kept")["PolicyNames"] == ["own"]


def test_a_form_without_its_token_changes_nothing(server: RunningServer, operator: Console) -> None:
    """Another site, and another session, cannot revoke."""
    form = operator.get(f"{ROLES}?q=kept").form(REVOKE)
    for fields, headers in (
        ({**form, "Form": ""}, {}),
        ({**form, "Form": "x" * 32}, {}),
        (form, {"Origin": "https://evil.example"}),
        (form, {"Sec-Fetch-Site": "cross-site"}),
    ):
        assert operator.post(REVOKE, fields, **headers).status == 403
    assert client_factory(server)("iam").list_role_policies(RoleName="kept")["PolicyNames"] == ["own"]
    assert Console(server).post(REVOKE, form).status == 403


@pytest.mark.parametrize("name", ["", "none", "../x", "a\0b", "x" * 99, "operators-of-other"])
def test_a_role_of_another_account_does_not_exist(server: RunningServer, operator: Console, name: str) -> None:
    """A name that the account does not have is not found."""
    form = operator.get(ROLES).form("/operator/leave")
    answer = operator.post(REVOKE, {"Form": form["Form"], "Role": name})
    assert (answer.status, answer.heading) == (404, "Not found")
    assert "are revoked" not in operator.get(f"{ROLES}?revoked={'none' if chr(0) in name else name}").words


def test_sessions_are_counted_from_the_log(server: RunningServer, operator: Console, log: Path) -> None:
    """The page counts the account's sessions of the last day, and leads to the audit page."""
    now = server.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    role = operators_role(server, "busy", allow("iam:ListUsers"))
    started = success(1) | {"eventTime": now, "requestParameters": {"roleArn": role}}
    theirs = started | {"userIdentity": {"accountId": OTHER}}
    old = started | {"eventTime": "2026-01-01T00:00:00Z"}
    log.write_text("".join(json.dumps(each) + "\n" for each in (old, started, theirs, started)), encoding="utf-8")
    row = operator.get(f"{ROLES}?q=busy").tree.xpath("//tbody/tr[td[1]//b='busy']/td[2]//a")[0]
    assert row.text == "2"
    assert len(operator.get(row.get("href")).tree.xpath("//ol/li")) == 3


def test_many_roles_have_pages(server: RunningServer, operator: Console) -> None:
    """A page has fifty roles, and invalid positions are ignored."""
    for number in range(51):
        operators_role(server, f"many-{number:02}", allow("iam:ListUsers"))
    page = operator.get(f"{ROLES}?q=many")
    assert len(page.tree.xpath("//tbody/tr")) == 50
    (following,) = page.tree.xpath("//nav[@aria-label='Pages of roles']/a/@href")
    assert [each.text for each in operator.get(following).tree.xpath("//tbody/tr/td[1]//b")] == ["many-50"]
    assert operator.get(f"{ROLES}?after=%00&q=%00").status == 200
