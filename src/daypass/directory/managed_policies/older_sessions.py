"""The policy that revokes sessions issued before an instant.

Its document and name are AWS's: the console's "Revoke active sessions" writes the same, `aws iam` shows it, and
deleting it makes those sessions valid again. Source: IAM User Guide, "Revoke IAM role temporary security credentials".
"""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from daypass.directory.entities.iam_entities import Role, User

POLICY_NAME = "AWSRevokeOlderSessions"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799  # the last second of the year 9999, the limit of datetime
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def without_older_sessions(holder: User | Role, before: datetime) -> User | Role:
    """Return the user or role with the policy.

    A later instant stays: revoked sessions do not become valid again.
    """
    return replace(holder, inline={**holder.inline, POLICY_NAME: older_sessions_policy(holder, before)})


def older_sessions_policy(holder: User | Role, before: datetime) -> str:
    """Return the policy that revokes the sessions issued before an instant.

    A later instant in the holder's present policy stays.
    """
    # Sessions do not exist before 1970, and policies cannot read strftime's form of a year before 1000.
    cut = max((before, _EPOCH, *_cuts_of(holder)))
    return _document(cut.strftime(_FORMAT))


def find_cut(holder: User | Role) -> datetime | None:
    """Return the instant before which sessions are revoked, or None."""
    return max(_cuts_of(holder), default=None)


def is_cut_off(holder: User | Role, issued: int) -> bool:
    """Return whether the policy revokes a session issued in this second.

    Reads this module's form and that of AWS's console.
    """
    instant = datetime.fromtimestamp(issued, UTC)
    return any(instant < cut for cut in _cuts_of(holder))


def _document(cut: str) -> str:
    statement = {
        "Effect": "Deny",
        "Action": ["*"],
        "Resource": ["*"],
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": cut}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _cuts_of(holder: User | Role) -> Iterator[datetime]:
    """Yield the instants of the policy's statements, in whole seconds.

    AWS's console writes fractions of a second.
    """
    document = json.loads(holder.inline.get(POLICY_NAME, "{}"))
    found = document.get("Statement", [])
    for statement in found if isinstance(found, list) else [found]:
        try:
            values = statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
            if statement["Effect"] == "Deny":
                yield from map(_whole_second, values if isinstance(values, list) else [values])
        except (ValueError, LookupError, TypeError):
            continue  # An operator's own statement.


def _whole_second(text: Any) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    seconds = math.ceil((instant - _EPOCH).total_seconds())
    return _EPOCH + timedelta(seconds=min(max(seconds, 0), _LAST))
