"""The alias of an account: at most one, and unique among all accounts.

Source: IAM User Guide, "Your AWS account alias"; IAM API Reference.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.account_entities import AccountAlias
from daypass.directory.entities.iam_entities import Account
from daypass.directory.store import Writer
from daypass.errors import EntityAlreadyExists, InvalidInput, NoSuchEntity
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.lookup import get_account
from daypass.operations.iam.paging import Paged, page_of_values
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext


class _Alias(IamParams, frozen=True):
    account_alias: str


class CreateAccountAlias(IamAction[_Alias]):
    """Sets the alias of the account, in place of the previous one."""

    action, takes, access = "CreateAccountAlias", _Alias, StoreAccess.WRITE

    def perform(self, params: _Alias, caller: Caller, ctx: RequestContext) -> None:
        """Set the alias. Raises EntityAlreadyExists if another account has it."""
        if params.account_alias.isdigit():
            raise InvalidInput("An account alias cannot be all digits: it would read as an account id.")
        set_alias(ctx.writer, get_account(ctx.reader, caller.account), params.account_alias)


class ListAccountAliases(IamAction[Paged]):
    """Lists the account's alias."""

    action, takes, access = "ListAccountAliases", Paged, StoreAccess.SHORT_READ

    def perform(self, params: Paged, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page with the alias, or an empty page."""
        alias = get_account(ctx.reader, caller.account).alias
        return page_of_values([alias] if alias else [], params, key=str, show=str, name="AccountAliases")


class DeleteAccountAlias(IamAction[_Alias]):
    """Deletes the alias of the account."""

    action, takes, access = "DeleteAccountAlias", _Alias, StoreAccess.WRITE

    def perform(self, params: _Alias, caller: Caller, ctx: RequestContext) -> None:
        """Delete the alias, or raise NoSuchEntity if the account does not have it."""
        account = get_account(ctx.reader, caller.account)
        if account.alias != params.account_alias:
            raise NoSuchEntity(f"The account alias {params.account_alias} cannot be found.")
        set_alias(ctx.writer, account, "")


def set_alias(writer: Writer, account: Account, alias: str) -> None:
    """Set the alias of an account. An empty alias removes it.

    Raises EntityAlreadyExists if another account has the alias.
    """
    if alias == account.alias:
        return
    if account.alias:
        records.delete(writer, AccountAlias(name=account.alias, account=account.id))
    if alias:
        taken = EntityAlreadyExists(f"The account alias {alias} already exists.")
        records.insert_new(writer, AccountAlias(name=alias, account=account.id), taken)
    records.replace(writer, msgspec.structs.replace(account, alias=alias))


OPERATIONS = (CreateAccountAlias(), ListAccountAliases(), DeleteAccountAlias())
