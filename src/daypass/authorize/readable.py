"""Unique ids in explanations put back as names: trust policies keep users and roles by id, people know them by ARN.

Owns which ids are names: those that stand where a principal is named, not those that are values of a request.
"""

import re

from daypass.arn import assumed_role_arn
from daypass.authorize.snapshot import SnapshotViews

# As AWS:AIDA… in a reason, "AIDA…" in a statement; a single session of a role is AROA…:name.
_UNIQUE_ID = re.compile(r'(?:(?<=AWS:)|(?<="))((?:AIDA|AROA)[A-Z0-9]{17})(?::([\w+=,.@-]+))?(?![\w:])')


def readable(text: str, views: SnapshotViews) -> str:
    """Return a text in which the principals of trust policies have their ARNs again."""
    return _UNIQUE_ID.sub(lambda found: _arn_of(found, views), text)


def _arn_of(found: re.Match[str], views: SnapshotViews) -> str:
    record = views.reader.find_by_id(found.group(1))
    if record is None:
        return found.group()
    if found.group(2):
        return assumed_role_arn(record.account, record.sort.rpartition("/")[2], found.group(2))
    # A user or role is ordered in lists by path and name.
    return f"arn:aws:iam::{record.account}:{record.kind}{record.sort}"
