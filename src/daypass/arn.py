"""Amazon Resource Names: their parts, and the ARNs that Daypass issues.

Owns parsing and building; policy/ matches patterns.
Source: IAM User Guide, "IAM identifiers"; AWS General Reference, "Amazon Resource Names".
"""

from dataclasses import dataclass
from typing import Self

PARTITION = "aws"
"""The partition of every ARN that Daypass issues."""

_SECTIONS = 6


@dataclass(frozen=True, slots=True)
class Arn:
    """The parts of an ARN. `resource` may contain colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def find(cls, text: str) -> Self | None:
        """Return the parts of `text`, or None if it is not a valid ARN."""
        parts = _parts(text)
        return None if parts is None else cls(*parts[1:])

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def account_in_arn(text: str) -> str:
    """Return the account in an ARN, or an empty string.

    The account is empty if `text` is not a valid ARN, or if the ARN has no account.
    """
    parts = _parts(text)
    return "" if parts is None else parts[4]


def _parts(text: str) -> list[str] | None:
    parts = text.split(":", _SECTIONS - 1)
    if len(parts) != _SECTIONS or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
        return None
    return parts


def root_arn(account: str) -> str:
    """Return the ARN of an account itself, which is also its root user's."""
    return f"arn:aws:iam::{account}:root"


def iam_arn(account: str, kind: str, path: str, name: str) -> str:
    """Return the ARN of an IAM entity.

    `path` begins and ends with a slash.
    """
    return f"arn:aws:iam::{account}:{kind}{path}{name}"


def assumed_role_arn(account: str, role_name: str, session_name: str) -> str:
    """Return the ARN of a role session.

    It omits the role's path, as on AWS.
    """
    return f"arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}"


def federated_user_arn(account: str, name: str) -> str:
    """Return the ARN of a GetFederationToken session."""
    return f"arn:aws:sts::{account}:federated-user/{name}"


def is_account_id(text: str) -> bool:
    """Return whether `text` consists of twelve ASCII digits."""
    return len(text) == 12 and text.isascii() and text.isdigit()  # noqa: PLR2004 - AWS's number
