"""A revocation ends the sessions that were issued before an instant, and no session of that second."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from tests.refusals import code_of
from tests.sts.authenticator import ALLOW_ALL, User, new_user
from tests.sts.test_assume_role import new_role

from daypass.cli.main import cli
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

ISSUED = (-1, 0, 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run a server on a store that a command can open beside it."""
    with running_server(store=f"sqlite:///{tmp_path_factory.mktemp('store') / 'd.db'}") as running:
        yield running


@pytest.fixture
def cut(server: RunningServer) -> Iterator[datetime]:
    """Return the time of the revocation, a whole second at which the server's clock stands."""
    server.clock.freeze(datetime.now(UTC).replace(microsecond=0))
    yield server.clock.now()
    server.clock.reset()


def revoke(server: RunningServer, cut: datetime, *whose: str) -> None:
    """Revoke the sessions that were issued before the time, as an operator does."""
    arguments = ["sessions", "revoke", *whose, "--issued-before", cut.isoformat(), "--store", server.config.store]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output


def alice(server: RunningServer, name: str) -> User:
    """Create a user with full permissions."""
    return new_user(client_factory(server)("iam"), name)


def issued_at(server: RunningServer, cut: datetime, issue: Any) -> list[Any]:
    """Return credentials that were issued one second before, at, and one second after the time."""
    made = []
    for second in ISSUED:
        server.clock.freeze(cut + timedelta(seconds=second))
        made.append(issue()["Credentials"])
    return made


def test_an_access_key(server: RunningServer, cut: datetime) -> None:
    """The revocation is an entry in the store."""
    user = alice(server, "key")
    make = client_factory(server)
    made = issued_at(server, cut, make("sts", user.key).get_session_token)
    revoke(server, cut, "--access-key", user.key["AccessKeyId"])
    codes = [code_of(make("sts", each).get_caller_identity) for each in made]
    assert codes == ["InvalidClientTokenId", "", ""]


def test_a_role(server: RunningServer, cut: datetime) -> None:
    """The revocation is AWS's policy, whose DateLessThan aws:TokenIssueTime is exclusive."""
    user, make = alice(server, "of-role"), client_factory(server)
    role, sts = new_role(make("iam"), "r"), make("sts", user.key)
    made = issued_at(server, cut, lambda: sts.assume_role(RoleArn=role, RoleSessionName="s1"))
    revoke(server, cut, "--role", "r")
    assert [code_of(make("iam", each).list_users) for each in made] == ["AccessDenied", "", ""]


def test_a_user(server: RunningServer, cut: datetime) -> None:
    """The same for a user's sessions."""
    user, make = alice(server, "user"), client_factory(server)
    role = new_role(make("iam"), "target")
    made = issued_at(server, cut, make("sts", user.key).get_session_token)
    revoke(server, cut, "--user", "user")
    codes = [code_of(make("sts", each).assume_role, RoleArn=role, RoleSessionName="s1") for each in made]
    assert codes == ["AccessDenied", "", ""]


OPERATORS = {
    "DateLessThan": ["AccessDenied", "", ""],
    "DateLessThanEquals": ["AccessDenied", "AccessDenied", ""],
    "DateEquals": ["", "AccessDenied", ""],
    "DateNotEquals": ["AccessDenied", "", "AccessDenied"],
    "DateGreaterThanEquals": ["", "AccessDenied", "AccessDenied"],
    "DateGreaterThan": ["", "", "AccessDenied"],
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_policy_of_ones_own(server: RunningServer, cut: datetime, operator: str) -> None:
    """Each operator of dates sees aws:TokenIssueTime as the whole second in which the session was issued."""
    user, make = alice(server, operator), client_factory(server)
    iam, sts, name = make("iam"), make("sts", user.key), f"by-{operator}"
    role = new_role(iam, name, policy=ALLOW_ALL)
    made = issued_at(server, cut, lambda: sts.assume_role(RoleArn=role, RoleSessionName="s1"))
    condition = {operator: {"aws:TokenIssueTime": cut.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_role_policy(RoleName=name, PolicyName="cut", PolicyDocument=document)
    assert [code_of(make("iam", each).list_users) for each in made] == OPERATORS[operator]
