"""Parse roles as people write them.

A role is an ARN, ACCOUNT/NAME, or a name in the caller's account. Pure.
"""

import re
from collections.abc import Sequence

from daypass.client.problems import BadUsageError

_ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/[\w+=,.@/-]{1,576}", re.ASCII)
_ACCOUNT = re.compile(r"(?P<account>\d{12})[/:](?:role/)?(?P<name>[\w+=,.@/-]{1,576})", re.ASCII)
_NAME = re.compile(r"[\w+=,.@/-]{1,576}", re.ASCII)


def needs_account(roles: Sequence[str]) -> bool:
    """Return whether the first role has no account."""
    return bool(roles) and not _ARN.fullmatch(roles[0]) and not _ACCOUNT.fullmatch(roles[0])


def role_arns(roles: Sequence[str], account: str = "", partition: str = "aws") -> tuple[str, ...]:
    """Return the roles' ARNs.

    A name without an account is in that of the role before it; the first one is in `account`.
    """
    found = []
    for role in roles:
        arn, pair = _ARN.fullmatch(role), _ACCOUNT.fullmatch(role)
        if arn:
            account, partition = arn["account"], arn["partition"]
            found.append(role)
            continue
        if pair:
            account, role = pair["account"], pair["name"]  # noqa: PLW2901 - the name within it
        elif not _NAME.fullmatch(role) or role.startswith("arn:"):
            raise BadUsageError(f"{role!r} is not a valid role. Use its ARN, ACCOUNT/NAME or its name.")
        found.append(f"arn:{partition}:iam::{account}:role/{role.lstrip('/')}")
    return tuple(found)


def first_role(roles: Sequence[str], partition: str) -> str:
    """Return the ARN of the first role.

    Raises BadUsageError if it is missing or has no account.
    """
    if not roles:
        raise BadUsageError("Name the role with --role ARN.")
    if needs_account(roles):
        raise BadUsageError("Use the role's ARN or ACCOUNT/NAME: its account is not known before the sign-in.")
    return role_arns(roles, partition=partition)[0]


def session_name(user: str, host: str) -> str:
    """Return USER@HOST as a session name, in the characters that STS allows."""
    name = re.sub(r"[^\w+=,.@-]", "-", f"{user}@{host}", flags=re.ASCII)[:64]
    return name if len(name) > 1 else "daypass"


def role_name(arn: str) -> str:
    """Return the last part of a role's ARN."""
    return arn.rpartition("/")[2]


def account_of(arn: str) -> str:
    """Return the account ID of an ARN."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 else ""  # noqa: PLR2004 - the shape of an ARN
