"""An account's alias and password policy in a file."""

import json
from typing import Any

import pytest
from tests.apply.directory import ACCOUNT, Directory, one_account
from tests.apply.test_form import read

from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.plan.plan_output import show_plan

POLICY = {"minimumPasswordLength": 14, "requireSymbols": True, "maxPasswordAge": 90, "passwordReusePrevention": 5}


@pytest.fixture
def directory() -> Directory:
    """Return an empty store."""
    return Directory()


def settings(directory: Directory) -> tuple[Any, Any]:
    """Return alias and password policy."""
    thing = directory.thing("account", ACCOUNT)
    assert thing is not None
    return thing.value("alias"), thing.value("passwordPolicy")


def test_an_account_is_made_with_its_settings(directory: Directory) -> None:
    """The settings are set through the API; a second apply makes no changes."""
    text = one_account(alias="acme", passwordPolicy=POLICY)
    shown = show_plan(directory.apply(text).plan, is_done=True)
    assert '+ alias: "acme"' in shown
    assert "+ passwordPolicy: {" in shown
    assert directory.call("ListAccountAliases")["AccountAliases"] == ["acme"]
    answer = directory.call("GetAccountPasswordPolicy")["PasswordPolicy"]
    assert (answer["MinimumPasswordLength"], answer["RequireSymbols"], answer["RequireNumbers"]) == (14, True, False)
    assert (answer["MaxPasswordAge"], answer["PasswordReusePrevention"], answer["HardExpiry"]) == (90, 5, None)
    assert not directory.apply(text).plan.changes


def test_settings_change_and_go_with_the_file(directory: Directory) -> None:
    """A setting that the file no longer contains is removed.

    A password policy is set as a whole.
    """
    directory.apply(one_account(alias="acme", passwordPolicy=POLICY))
    directory.apply(one_account(alias="acme-2", passwordPolicy={}))
    assert settings(directory)[0] == "acme-2"
    assert settings(directory)[1]["minimumPasswordLength"] == 6
    assert "maxPasswordAge" not in settings(directory)[1]
    directory.apply(one_account())
    assert settings(directory) == ("", None)


def test_settings_of_somebody_else_are_left_alone(directory: Directory) -> None:
    """Settings outside the file stay, with --prune too: they are in no section of the file."""
    directory.apply(one_account())
    directory.call("CreateAccountAlias", AccountAlias="theirs")
    directory.call("UpdateAccountPasswordPolicy", MinimumPasswordLength=20)
    assert not directory.apply(one_account(), prune=True).plan.changes
    assert settings(directory)[0] == "theirs"


def test_settings_are_exported_and_come_back(directory: Directory) -> None:
    """The export, applied to an empty store, creates the same account."""
    directory.apply(one_account(alias="acme", passwordPolicy={**POLICY, "hardExpiry": True}))
    text = directory.export()
    other = Directory()
    other.apply(text)
    assert other.export() == text
    assert not directory.apply(text).plan.changes


def test_an_alias_that_another_account_has_is_refused(directory: Directory) -> None:
    """The API refuses the alias with its place; the store is unchanged."""
    directory.apply(one_account(alias="acme"))
    with pytest.raises(ApplyFileError, match=r"accounts\.222233334444\.alias.*EntityAlreadyExists"):
        directory.apply(one_account(alias="acme").replace(ACCOUNT, "222233334444"))


def test_accounts_may_swap_their_aliases(directory: Directory) -> None:
    """In either order, the wanted alias is free before it is set."""
    other = "222233334444"

    def both(one: str, two: str) -> str:
        return json.dumps({"version": 1, "accounts": {ACCOUNT: {"alias": one}, other: {"alias": two}}})

    directory.apply(both("first", "second"))
    directory.apply(both("second", "first"))
    assert settings(directory)[0] == "second"
    assert directory.call("ListAccountAliases", account=other)["AccountAliases"] == ["first"]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"alias": "UPPER"}, "alias"),
        ({"alias": "a--b"}, "alias"),
        ({"alias": "222233334444"}, "alias"),
        ({"passwordPolicy": {"minimumPasswordLength": 5}}, "passwordPolicy.minimumPasswordLength"),
        ({"passwordPolicy": {"requireSymbols": "yes"}}, "passwordPolicy.requireSymbols"),
        ({"passwordPolicy": {"maxPasswordAge": 0}}, "passwordPolicy.maxPasswordAge"),
        ({"passwordPolicy": {"expirePasswords": True}}, "passwordPolicy.expirePasswords"),
    ],
)
def test_settings_of_the_wrong_form_are_refused(fields: dict[str, Any], place: str) -> None:
    """A setting of the wrong form is refused with its place."""
    with pytest.raises(ApplyFileError) as caught:
        read(one_account(**fields))
    assert str(caught.value).startswith(f"accounts.{ACCOUNT}.{place}:")
