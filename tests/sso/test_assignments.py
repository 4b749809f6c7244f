"""The pages of accounts and roles."""

import pytest

from daypass.sign_in.open_roles import OpenRole
from daypass.sso.assignments import page_of_accounts, page_of_roles
from daypass.wire.rest_faults import InvalidRequestException

ACCOUNTS = ("111111111111", "222222222222", "333333333333")


def role(account: str, name: str = "reader") -> OpenRole:
    """Return a role that a person can take."""
    arn = f"arn:aws:iam::{account}:role/{name}"
    return OpenRole(arn=arn, provider_arn="", account=account, name=name, description="", longest=3600)


ROLES = tuple(role(account) for account in reversed(ACCOUNTS))


def test_accounts_are_listed_once_and_in_order() -> None:
    """An account with two roles is one account. A display name is optional."""
    found = page_of_accounts([*ROLES, role(ACCOUNTS[0], "writer")], {ACCOUNTS[1]: "acme"}, after="", size=100)
    assert found == {
        "accountList": [
            {"accountId": ACCOUNTS[0]},
            {"accountId": ACCOUNTS[1], "accountName": "acme"},
            {"accountId": ACCOUNTS[2]},
        ]
    }


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_accounts_follow_each_other(size: int) -> None:
    """Every account is on one page, and the last page has no token."""
    listed: list[str] = []
    after = ""
    for _ in range(3):
        found = page_of_accounts(ROLES, {}, after=after, size=size)
        listed += [each["accountId"] for each in found["accountList"]]
        after = found.get("nextToken", "")
        if not after:
            break
    assert listed == list(ACCOUNTS)
    assert after == ""


def test_pages_of_roles_follow_each_other() -> None:
    """Roles of other accounts are not on them."""
    roles = [role(ACCOUNTS[0], name) for name in ("c", "a", "b")] + [role(ACCOUNTS[1], "d")]
    first = page_of_roles(roles, ACCOUNTS[0], after="", size=2)
    assert [each["roleName"] for each in first["roleList"]] == ["a", "b"]
    second = page_of_roles(roles, ACCOUNTS[0], after=first["nextToken"], size=2)
    assert second == {"roleList": [{"roleName": "c", "accountId": ACCOUNTS[0]}]}


def test_an_account_that_is_gone_does_not_end_the_list() -> None:
    """A token is a position: the person may have lost the role between two pages."""
    found = page_of_accounts([role(ACCOUNTS[2])], {}, after=ACCOUNTS[1], size=2)
    assert found["accountList"] == [{"accountId": ACCOUNTS[2]}]


@pytest.mark.parametrize("token", ["x", "11111111111", f"{ACCOUNTS[0]}\n", "111111111111,2", "\u0661" * 12])
def test_a_token_that_no_page_had_is_refused(token: str) -> None:
    """It must have the form of an account id."""
    with pytest.raises(InvalidRequestException):
        page_of_accounts(ROLES, {}, after=token, size=1)


@pytest.mark.parametrize("token", ["a b", "a/b", "a" * 65, "é"])
def test_a_token_that_no_page_of_roles_had_is_refused(token: str) -> None:
    """It must have the form of a role name."""
    with pytest.raises(InvalidRequestException):
        page_of_roles(ROLES, ACCOUNTS[0], after=token, size=1)
