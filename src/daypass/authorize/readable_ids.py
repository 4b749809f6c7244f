"""Replace unique ids in explanations by ARNs.

Trust policies store ids, but people know ARNs. Only ids in the place of a principal are replaced, not those in values
of a request.
"""

import json
import re
from collections.abc import Mapping

from daypass.arn import assumed_role_arn
from daypass.authorize.snapshot import SnapshotViews
from daypass.directory.unresolved_principals import find_text, is_unresolved

# As AWS:AIDA… in a reason, "AIDA…" in a statement; a single session of a role is AROA…:name.
_UNIQUE_ID = re.compile(r'(?:(?<=AWS:)|(?<="))((?:AIDA|AROA)[A-Z0-9]{17,})(?::([\w+=,.@-]+))?(?![\w:])')
_NOTE = " (it did not exist when the policy was saved, so it never matches)"


def readable(statement: str, views: SnapshotViews, foreign: Mapping[str, str]) -> str:
    """Return a JSON statement with ARNs in the place of unique ids.

    `foreign` maps ids to the given strings, which are escaped: an ARN can contain quotation marks.
    """
    return _UNIQUE_ID.sub(lambda found: _in_json(_shown(found, views, foreign)), statement)


def readable_name(stored: str, views: SnapshotViews, foreign: Mapping[str, str]) -> str:
    """Return the ARN of one stored principal, as it is."""
    return _UNIQUE_ID.sub(lambda found: _shown(found, views, foreign), f"AWS:{stored}").removeprefix("AWS:")


def explained(text: str, views: SnapshotViews, foreign: Mapping[str, str]) -> str:
    """Return a line of an explanation with ARNs, for an operator.

    Principals that never match get a note.
    """

    def annotate(found: re.Match[str]) -> str:
        shown = _shown(found, views, foreign)
        in_prose = found.string[: found.start()].endswith("AWS:")
        if not in_prose:
            return _in_json(shown)
        return shown + _NOTE if is_unresolved(found.group()) else shown

    return _UNIQUE_ID.sub(annotate, text)


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _shown(found: re.Match[str], views: SnapshotViews, foreign: Mapping[str, str]) -> str:
    return foreign.get(found.group()) or _arn_of(found, views)


def _arn_of(found: re.Match[str], views: SnapshotViews) -> str:
    if is_unresolved(found.group()):
        return find_text(views.reader, found.group()) or found.group()
    record = views.reader.find_by_id(found.group(1))
    if record is None:
        return found.group()
    if found.group(2):
        return assumed_role_arn(record.account, record.sort.rpartition("/")[2], found.group(2))
    # The sort key of users and roles is their path and name.
    return f"arn:aws:iam::{record.account}:{record.kind}{record.sort}"
