"""The policy that ends the sessions of a user or role that were issued before an instant.

Owns its document and its name, both AWS's own: the console's "Revoke active sessions" puts the same, `aws iam` shows
it, and whoever deletes it lets those sessions live again.
Source: IAM User Guide, "Revoke IAM role temporary security credentials".
"""

import json
from datetime import datetime

from msgspec.structs import replace

from daypass.directory.entities import Role, User

POLICY_NAME = "AWSRevokeOlderSessions"
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def without_older_sessions(holder: User | Role, before: datetime) -> User | Role:
    """Return the user or role with the policy. A cut that was made later stands: nothing comes alive again."""
    present = holder.inline.get(POLICY_NAME)
    cut = before.strftime(_FORMAT)
    if present is not None:
        cut = max(cut, _cut_of(present))
    return replace(holder, inline={**holder.inline, POLICY_NAME: _document(cut)})


def _document(cut: str) -> str:
    statement = {
        "Effect": "Deny",
        "Action": ["*"],
        "Resource": ["*"],
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": cut}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _cut_of(document: str) -> str:
    """Return the instant of a document that we made, or nothing of another's."""
    try:
        cut = json.loads(document)["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
        return datetime.strptime(cut, _FORMAT).strftime(_FORMAT)  # noqa: DTZ007 - the Z is in the format
    except (ValueError, LookupError, TypeError):
        return ""
