"""The page of role sessions by role, and their revocation.

Owns the list of the account's roles with their use, and the form that revokes. A role session is a token that only its
holder has, so the page counts the sessions that the audit log names. Revoking is AWS's "Revoke active sessions": the
inline policy AWSRevokeOlderSessions, put with the operator's own permissions.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from daypass.directory import records
from daypass.directory.entities.iam_entities import Role
from daypass.directory.last_uses import find_last_use
from daypass.directory.managed_policies.older_sessions import POLICY_NAME, find_cut, older_sessions_policy
from daypass.directory.revocations import end_of_second
from daypass.directory.store import Reader
from daypass.errors import NoSuchEntity
from daypass.operations.operation import StoreAccess
from daypass.portal import pages
from daypass.portal.operator.audit_reader import events_from_end
from daypass.portal.operator.operator_frame import console_page, require_form
from daypass.portal.operator.operator_sessions import OperatorSessions
from daypass.wire.visible_text import visible

ADDRESS = "/operator/roles"
_ROWS, _MOST_READ = 50, 5_000
_DAY = timedelta(days=1)
_WRITTEN = "%Y-%m-%dT%H:%M:%S"
_STARTS = frozenset(
    {"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetRoleCredentials", "CreateOAuth2Token"}
)
_NAME, _LONGEST_SEARCH, _LONGEST_PLACE = 200, 200, 1_000
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role, the sessions that began in the last day, and its revocation."""

    name: str
    path: str
    arn: str
    sessions: int
    last_used: datetime | None
    cut: datetime | None

    @property
    def audit(self) -> str:
        """The address of the audit page for this role."""
        return "/operator/audit?" + urlencode({"role": self.arn, "outcome": "succeeded"})


@dataclass(frozen=True, slots=True)
class RoleSessions:
    """The page and its form."""

    sessions: OperatorSessions
    audit_file: str

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/roles: show the roles and their sessions."""
        held = self.sessions.require(request, request_id)
        site = self.sessions.site
        now = site.pipeline.now()
        query = request.query_params
        search, after = query.get("q", "").strip()[:_LONGEST_SEARCH], _place(query.get("after", ""))
        counts = count_sessions(self.audit_file, held.account, now) if self.audit_file else {}
        with site.store_view.open(StoreAccess.READ, now, site.pipeline.home_region) as ctx:
            found = list(islice(_matching(ctx.reader, held.account, search, after), _ROWS + 1))
            rows = [_row(ctx.reader, role, counts) for _, role in found[:_ROWS]]
            revoked = _find(ctx.reader, held.account, query.get("revoked", ""))
        following = urlencode({"q": search, "after": found[_ROWS - 1][0]}) if len(found) > _ROWS else ""
        values = {
            "rows": rows,
            "search": search,
            "first": not after,
            "following": f"{ADDRESS}?{following}" if following else "",
            "counted": bool(self.audit_file),
            "revoked": None if revoked is None or find_cut(revoked) is None else _row(None, revoked, counts),
        }
        return console_page(request, "operator_roles.html", held, values)

    def revoke(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/roles/revoke: revoke the sessions of a role."""
        require_form(request, fields)
        held = self.sessions.require(request, request_id)
        site = self.sessions.site
        now, name = site.pipeline.now(), fields.get("Role", "")
        with site.store_view.open(StoreAccess.READ, now, site.pipeline.home_region) as ctx:
            role = _find(ctx.reader, held.account, name)
        if role is None:
            raise NoSuchEntity("The role does not exist in this account.")
        document = older_sessions_policy(role, datetime.fromtimestamp(end_of_second(now), UTC))
        parameters = {"RoleName": role.name, "PolicyName": POLICY_NAME, "PolicyDocument": document}
        self.sessions.iam(request, held, "PutRolePolicy", parameters, request_id)
        return pages.redirect(f"{ADDRESS}?{urlencode({'revoked': role.name})}")


def count_sessions(file: str, account: str, now: datetime) -> dict[str, int]:
    """Return the number of sessions of each role that began in the last day.

    They are the sessions that the account's own callers, and people who signed in, began.
    """
    oldest, counts = (now - _DAY).strftime(_WRITTEN), dict[str, int]()
    for _, event in events_from_end(file, account):
        if event is None:
            continue
        if event.event_time < oldest:
            break
        role = event.parameter("roleArn")
        if event.event_name in _STARTS and not event.error_code and role:
            counts[role] = counts.get(role, 0) + 1
    return counts


def _place(text: str) -> str:
    # PostgreSQL does not accept NUL in a string.
    return text[:_LONGEST_PLACE] if text.isprintable() else ""


def _find(reader: Reader, account: str, name: str) -> Role | None:
    return records.find(reader, Role, account, name) if _ROLE_NAME.fullmatch(name) else None


def _matching(reader: Reader, account: str, search: str, after: str) -> Iterator[tuple[str, Role]]:
    """Yield the roles whose name or path contains the search."""
    read = islice(records.each_by_path(reader, Role, account, "", after), _MOST_READ)
    for place, role in read:
        if search.lower() in f"{role.path}{role.name}".lower():
            yield place, role


def _row(reader: Reader | None, role: Role, counts: Mapping[str, int]) -> RoleRow:
    use: Any = None if reader is None else find_last_use(reader, role.account, role.id)
    return RoleRow(
        name=visible(role.name, _NAME),
        path=visible(role.path, _NAME),
        arn=role.arn,
        sessions=counts.get(role.arn, 0),
        last_used=None if use is None else use.at,
        cut=find_cut(role),
    )
