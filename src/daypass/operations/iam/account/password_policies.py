"""The password policy of an account.

Daypass does not have passwords, but tools read and write the policy. An omitted parameter gets its default, as in AWS's
recorded answers.
Source: IAM API Reference.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import PasswordPolicy
from daypass.errors import NoSuchEntity
from daypass.operations.iam.iam_action import IamAction, IamParams, Nothing
from daypass.operations.iam.lookup import get_account
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext


class _UpdateAccountPasswordPolicyParams(IamParams, frozen=True):
    minimum_password_length: int = 6
    require_symbols: bool = False
    require_numbers: bool = False
    require_uppercase_characters: bool = False
    require_lowercase_characters: bool = False
    allow_users_to_change_password: bool = False
    max_password_age: int | None = None
    password_reuse_prevention: int | None = None
    hard_expiry: bool | None = None


class UpdateAccountPasswordPolicy(IamAction[_UpdateAccountPasswordPolicyParams]):
    """Replaces the password policy."""

    action, takes, access = "UpdateAccountPasswordPolicy", _UpdateAccountPasswordPolicyParams, StoreAccess.WRITE

    def perform(self, params: _UpdateAccountPasswordPolicyParams, caller: Caller, ctx: RequestContext) -> None:
        """Replace the policy."""
        policy = PasswordPolicy(
            minimum_length=params.minimum_password_length,
            require_symbols=params.require_symbols,
            require_numbers=params.require_numbers,
            require_uppercase=params.require_uppercase_characters,
            require_lowercase=params.require_lowercase_characters,
            allow_change=params.allow_users_to_change_password,
            max_age_days=params.max_password_age or None,
            reuse_prevention=params.password_reuse_prevention,
            hard_expiry=params.hard_expiry,
        )
        _keep(policy, caller, ctx)


class GetAccountPasswordPolicy(IamAction[Nothing]):
    """Shows the password policy."""

    action, takes, access = "GetAccountPasswordPolicy", Nothing, StoreAccess.SHORT_READ

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the policy, or raise NoSuchEntity if it was never set."""
        policy = get_account(ctx.reader, caller.account).password_policy
        if policy is None:
            raise NoSuchEntity(f"The Password Policy with domain name {caller.account} cannot be found.")
        return {
            "PasswordPolicy": {
                "MinimumPasswordLength": policy.minimum_length,
                "RequireSymbols": policy.require_symbols,
                "RequireNumbers": policy.require_numbers,
                "RequireUppercaseCharacters": policy.require_uppercase,
                "RequireLowercaseCharacters": policy.require_lowercase,
                "AllowUsersToChangePassword": policy.allow_change,
                "ExpirePasswords": policy.max_age_days is not None,
                "MaxPasswordAge": policy.max_age_days,
                "PasswordReusePrevention": policy.reuse_prevention,
                "HardExpiry": policy.hard_expiry,
            }
        }


class DeleteAccountPasswordPolicy(IamAction[Nothing]):
    """Deletes the password policy."""

    action, takes, access = "DeleteAccountPasswordPolicy", Nothing, StoreAccess.WRITE

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> None:
        """Delete the policy."""
        if get_account(ctx.reader, caller.account).password_policy is None:
            raise NoSuchEntity("The account policy with name PasswordPolicy cannot be found.")
        _keep(None, caller, ctx)


def _keep(policy: PasswordPolicy | None, caller: Caller, ctx: RequestContext) -> None:
    account = get_account(ctx.reader, caller.account)
    records.replace(ctx.writer, msgspec.structs.replace(account, password_policy=policy))


OPERATIONS = (UpdateAccountPasswordPolicy(), GetAccountPasswordPolicy(), DeleteAccountPasswordPolicy())
