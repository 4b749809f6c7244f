"""AWSRevokeOlderSessions written by other tools.

The tests check the cut-off time that it sets, and that a revocation never moves it back.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from daypass.directory.entities.iam_entities import Role
from daypass.directory.managed_policies.older_sessions import POLICY_NAME, is_cut_off, without_older_sessions

CUT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def denial(value: object, **more: object) -> dict[str, Any]:
    """Return a statement that denies sessions issued before a time."""
    condition = {"DateLessThan": {"aws:TokenIssueTime": value}}
    return {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition, **more}


def role(*statements: object) -> Role:
    """Return a role with the policy."""
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return Role(
        id="AROAQNZGKIQYABCDEFGHI",
        account="029608264753",
        name="r",
        path="/",
        created=CUT,
        trust="{}",
        inline={POLICY_NAME: document},
    )


@pytest.mark.parametrize(
    ("statements", "cut"),
    [
        ([denial("2026-03-01T12:00:00Z")], CUT),
        ([{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, denial("2026-03-01T12:00:00Z")], CUT),
        ([denial("soon"), denial("2026-03-01T12:00:00Z")], CUT),
        ([denial(["2020-01-01T00:00:00Z", "2026-03-01T12:00:00Z"])], CUT),
        ([denial("0001-01-01T00:00:00+01:00"), denial("2026-03-01T12:00:00Z")], CUT),
        ([denial("9999-12-31T23:59:59.999Z")], LAST),
    ],
)
def test_a_statement_that_cannot_be_read_hides_no_other(statements: list[object], cut: datetime) -> None:
    """An unreadable statement does not hide another one.

    The engine denies by each statement. So the token is not redeemed, and a later cut-off is not moved back.
    """
    holder = role(*statements)
    before = int(cut.timestamp()) - 1
    assert (is_cut_off(holder, before), is_cut_off(holder, before + 1)) == (True, False)
    moved = without_older_sessions(holder, datetime(2021, 1, 1, tzinfo=UTC))
    assert (is_cut_off(moved, before), is_cut_off(moved, before + 1)) == (True, False)


@pytest.mark.parametrize("statement", [denial("2026-03-01T12:00:00Z", Effect="Allow"), denial(5), denial(None), {}])
def test_a_policy_of_somebodys_own_makes_no_cut(statement: object) -> None:
    """A customized policy sets no cut-off, and raises no exception."""
    assert not is_cut_off(role(statement), 0)


def test_a_cut_before_1970_is_a_date_that_policies_read() -> None:
    """`--issued-before 0500-01-01T00:00:00Z` is stored as a valid date.

    It revokes no sessions.
    """
    moved = without_older_sessions(role(), datetime(500, 1, 1, tzinfo=UTC))
    assert '"1970-01-01T00:00:00Z"' in moved.inline[POLICY_NAME]
