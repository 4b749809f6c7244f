"""Whether the approval of a delegation request is valid, and until when.

Owns the end of an approval before its exchange token is redeemed. Leaves to revocations.py the end of issued
credentials, and to operations/iam/delegation/delegation_decisions.py the approval itself.

An approval is valid as long as:

- its approver exists and is not cut off by the policy AWSRevokeOlderSessions;
- no access key behind it was revoked, and each long-term key among them is active;
- the request itself was not revoked.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from daypass.directory import records
from daypass.directory.entities.delegation_entities import Approver, DelegationRequest
from daypass.directory.entities.iam_entities import Role, User
from daypass.directory.identity import load_access_key, load_account
from daypass.directory.managed_policies.older_sessions import is_cut_off
from daypass.directory.revocations import is_chain_revoked, load_revocations
from daypass.directory.store import Reader
from daypass.mint.durations import HOUR
from daypass.mint.key_chain import is_delegation
from daypass.mint.session import SessionKind

_TEMPORARY = "ASIA"


def find_withdrawal(reader: Reader, request: DelegationRequest, approver: Approver) -> str:
    """Return why the approval is not valid any more, or an empty string."""
    accepted, revocations = int(request.accepted.timestamp()), load_revocations(reader)
    if accepted < revocations.get(request.id, 0):
        return "the request was revoked"
    if is_chain_revoked(approver.key_chain, revocations):
        return "an access key behind the approval was revoked"
    if not all(_is_usable(reader, key) for key in approver.keys if not is_delegation(key)):
        return "the access key behind the approval is inactive or was deleted"
    if approver.kind == SessionKind.ROOT.value:
        return "" if load_account(reader, approver.account) is not None else "the approver was deleted"
    holder = _find_holder(reader, approver)
    if holder is None:
        return "the approver was deleted"
    return "the approver's older sessions were revoked" if is_cut_off(holder, accepted) else ""


def approved_end(reader: Reader, request: DelegationRequest) -> datetime:
    """Return when the access of a finalized request ends.

    The present limit of the role applies.
    """
    approver, end = request.approver, request.ends
    if approver is None or approver.kind != SessionKind.ROLE.value:
        return end
    role = records.find_by_id(reader, Role, approver.principal_id)
    longest = 0 if role is None else role.max_session_seconds
    return min(end, (approver.accepted or request.since) + timedelta(seconds=longest))


def dated_approver(request: DelegationRequest, now: datetime) -> Approver | None:
    """Return the approver of an accepted request, with its times.

    A server of 0.1.0 recorded neither the time of the acceptance nor the end of the approver's session. The request
    shows the former; a role session counts as a chained one and lasts one hour.
    """
    approver = request.approver
    if approver is None or approver.accepted is not None:
        return approver
    is_role = approver.kind == SessionKind.ROLE.value
    return replace(approver, accepted=request.accepted, ends=now + timedelta(seconds=HOUR) if is_role else None)


def _is_usable(reader: Reader, key_id: str) -> bool:
    key = load_access_key(reader, key_id)
    return key_id.startswith(_TEMPORARY) if key is None else key.active


def _find_holder(reader: Reader, approver: Approver) -> User | Role | None:
    kind: type[User | Role] = Role if approver.kind == SessionKind.ROLE.value else User
    return records.find_by_id(reader, kind, approver.principal_id)
