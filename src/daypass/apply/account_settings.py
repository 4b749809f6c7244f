"""The alias and the password policy of an account in a file.

Owns the choice of the IAM actions for each difference.
"""

from daypass.apply.api import Api
from daypass.apply.plan import Change


def release_alias(change: Change, api: Api) -> None:
    """Remove an alias that the file changes or omits.

    This runs before any account gets an alias, so that two accounts can swap theirs.
    """
    for difference in change.parts("alias"):
        if difference.before:
            _call(change, api, "alias", "DeleteAccountAlias", AccountAlias=difference.before)


def set_account(change: Change, api: Api) -> None:
    """Apply the changes of an account's alias and password policy.

    Raises ApplyFileError.
    """
    thing = change.thing
    for difference in change.parts("alias"):
        if difference.after:
            _call(change, api, "alias", "CreateAccountAlias", AccountAlias=difference.after)
    for difference in change.parts("passwordPolicy"):
        if difference.after is None:
            _call(change, api, "passwordPolicy", "DeleteAccountPasswordPolicy")
        else:
            params = {name[0].upper() + name[1:]: value for name, value in difference.after.items()}
            api.call(thing.account, "UpdateAccountPasswordPolicy", params, thing.place_of("passwordPolicy"))


def _call(change: Change, api: Api, attribute: str, action: str, **params: str) -> None:
    api.call(change.thing.account, action, params, change.thing.place_of(attribute))
