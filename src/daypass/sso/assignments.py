"""The accounts and roles of a person, page by page.

Owns the order of the lists, and the token of the next page. Pure.

* Accounts are sorted by their ids, roles by their names.
* The token is the last id or name of the page before. It grants nothing: every page is computed anew from the roles
  that the person can assume.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from daypass.sign_in.open_roles import OpenRole
from daypass.wire.rest_faults import InvalidRequestException

MOST = 100
"""The largest and the usual size of a page, as in the service model."""

_ACCOUNT = re.compile(r"[0-9]{12}")
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_INVALID = "nextToken is not valid"


def page_of_accounts(roles: Iterable[OpenRole], names: Mapping[str, str], *, after: str, size: int) -> dict[str, Any]:
    """Return one page of the accounts of roles.

    `names` has the names to display. Raises InvalidRequestException for a token that no page has.
    """
    _require(_ACCOUNT, after)
    accounts = sorted({role.account for role in roles} - {""})
    found, token = _page(accounts, after, size)
    listed = [{"accountId": account, **_named(names.get(account, ""))} for account in found]
    return {"accountList": listed, **token}


def _named(name: str) -> dict[str, str]:
    return {"accountName": name} if name else {}


def page_of_roles(roles: Iterable[OpenRole], account: str, *, after: str, size: int) -> dict[str, Any]:
    """Return one page of the roles of an account.

    Role names are unique in an account, whatever their paths. Raises InvalidRequestException for a token that no page
    has.
    """
    _require(_ROLE, after)
    found, token = _page(sorted({role.name for role in roles if role.account == account}), after, size)
    return {"roleList": [{"roleName": name, "accountId": account} for name in found], **token}


def _require(form: re.Pattern[str], after: str) -> None:
    if after and not form.fullmatch(after):
        raise InvalidRequestException(_INVALID)


def _page(names: list[str], after: str, size: int) -> tuple[list[str], dict[str, str]]:
    rest = [name for name in names if name > after]
    return rest[:size], {"nextToken": rest[size - 1]} if len(rest) > size else {}
