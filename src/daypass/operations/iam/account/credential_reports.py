"""The credential report: a CSV of every user's keys and MFA devices.

Owns the columns and the lifetime of four hours. GenerateCredentialReport creates it at once, so the next call returns
COMPLETE.
Source: IAM User Guide, "Generate credential reports".
"""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

from daypass.arn import root_arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.account_entities import CredentialReport
from daypass.directory.entities.iam_entities import AccessKey, User
from daypass.directory.last_uses import find_last_use
from daypass.directory.records import each_by_path
from daypass.directory.store import Reader
from daypass.errors import ReportExpired, ReportNotPresent
from daypass.operations.iam.iam_action import IamAction, Nothing
from daypass.operations.iam.identities.access_keys import keys_of
from daypass.operations.iam.lookup import get_account
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext

_FRESH = timedelta(hours=4)
_KEYS = 2
_NONE = "N/A"
_KEY_COLUMNS = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
COLUMNS = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    *(f"access_key_{number}_{column}" for number in range(1, _KEYS + 1) for column in _KEY_COLUMNS),
    *(f"cert_{number}_{column}" for number in (1, 2) for column in ("active", "last_rotated")),
)


class GenerateCredentialReport(IamAction[Nothing]):
    """Creates a report, unless the last one is less than four hours old."""

    action, takes, access = "GenerateCredentialReport", Nothing, StoreAccess.WRITE

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return COMPLETE for an existing report, STARTED for a new one."""
        known = _find(caller, ctx)
        if known is not None and ctx.now - known.generated < _FRESH:
            return {"State": "COMPLETE"}
        content = _write(ctx.reader, caller.account)
        report = CredentialReport(account=caller.account, generated=ctx.now, content=content)
        if known is None:
            records.insert(ctx.writer, report)
        else:
            records.replace(ctx.writer, report)
        return {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}


class GetCredentialReport(IamAction[Nothing]):
    """Shows the report."""

    action, takes = "GetCredentialReport", Nothing

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the CSV.

        Raises ReportNotPresent (AWS has a code but no message for it) or ReportExpired.
        """
        report = _find(caller, ctx)
        if report is None:
            raise ReportNotPresent
        if ctx.now - report.generated >= _FRESH:
            raise ReportExpired
        return {
            "Content": report.content.encode(),
            "ReportFormat": "text/csv",
            "GeneratedTime": report.generated,
        }


def _find(caller: Caller, ctx: RequestContext) -> CredentialReport | None:
    return records.find(ctx.reader, CredentialReport, caller.account, "last")


def _write(reader: Reader, account: str) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    root = get_account(reader, account)
    rows.writerow(["<root_account>", root_arn(account), _time(root.created), *_credentials(reader, account, account)])
    for _, user in each_by_path(reader, User, account, "/", ""):
        rows.writerow([user.name, user.arn, _time(user.created), *_credentials(reader, account, user.id)])
    return text.getvalue().rstrip("\n")


def _credentials(reader: Reader, account: str, owner: str) -> list[str]:
    yes_no = "true" if reader.page("mfa_device", account, prefix=f"{owner}/", limit=1) else "false"
    keys = sorted(keys_of(reader, account, owner), key=lambda key: key.created)[:_KEYS]
    row = ["not_supported" if owner == account else "false", _NONE, _NONE, _NONE, yes_no]
    for key in keys:
        row += _key(reader, key)
    row += ["false", _NONE, _NONE, _NONE, _NONE] * (_KEYS - len(keys))
    return [*row, "false", _NONE, "false", _NONE]


def _key(reader: Reader, key: AccessKey) -> list[str]:
    use = find_last_use(reader, key.account, key.id)
    used = (_NONE, _NONE, _NONE) if use is None else (_time(use.at), use.region, use.service)
    return ["true" if key.active else "false", _time(key.created), *used]


def _time(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S+00:00")


OPERATIONS = (GenerateCredentialReport(), GetCredentialReport())
