"""Delegation requests as frozen values.

Owns their fields, their states and the duration of each state. Leaves the transitions to
operations/iam/delegation/delegation_requests.py. Source: IAM User Guide, "IAM temporary delegation", "Understanding the
request lifecycle".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from daypass.directory.entities.iam_entities import Entity
from daypass.mint.durations import HOUR
from daypass.mint.key_chain import KeyChain
from daypass.mint.session import SessionKind

OF_REQUESTOR = "delegation_workflow"
"""From the requestor's account and the workflow name to the request."""

OF_OWNER = "delegation_owner"
"""From the owner's account to the request."""

WAITING = "delegation_notification"
"""From the requestor's account to a request.

The body is the id of the waiting or last sent notification.
"""


class State(Enum):
    """The state of a request, by AWS's name."""

    UNASSIGNED = "UNASSIGNED"
    ASSIGNED = "ASSIGNED"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    ACCEPTED = "ACCEPTED"
    FINALIZED = "FINALIZED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


_DAY = timedelta(days=1)
LIFETIMES: Mapping[State, timedelta] = {
    State.UNASSIGNED: _DAY,
    State.ASSIGNED: 7 * _DAY,
    State.PENDING_APPROVAL: 7 * _DAY,
    State.ACCEPTED: 7 * _DAY,
    State.FINALIZED: 7 * _DAY,
    State.REJECTED: 7 * _DAY,
}

LONGEST_DELEGATION = 43_200
"""The maximum duration of delegated access in seconds.

IAM API Reference, SessionDuration of CreateDelegationRequest.
"""


class Parameter(Entity, frozen=True, kw_only=True):
    """A value for a policy template."""

    name: str
    values: tuple[str, ...]
    type: str


class Approver(Entity, frozen=True, kw_only=True):
    """The identity that accepted a request, at the time of acceptance.

    `kind` is a value of SessionKind; the other names are those of a Session. The use of an MFA code is not recorded:
    the approver is not present in the delegated session.

    `accepted` is the time of the acceptance; `keys` and `key_times` are the chain of access keys behind it. `ends` is
    the end of the approver's session, None for a long-term key. A request that a server of 0.1.0 stored last lacks
    these fields.
    """

    kind: str
    account: str
    arn: str
    principal_id: str
    principal_name: str = ""
    session_name: str = ""
    tags: Mapping[str, str] = {}
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str = ""
    provider: str = ""
    context: Mapping[str, tuple[str, ...]] = {}
    accepted: datetime | None = None
    keys: tuple[str, ...] = ()
    key_times: tuple[int, ...] = ()
    has_all_keys: bool = False
    ends: datetime | None = None

    @property
    def key_chain(self) -> KeyChain:
        """Return the known access keys behind the acceptance."""
        return KeyChain(self.keys, self.key_times, self.has_all_keys)


class DelegationRequest(Entity, frozen=True, kw_only=True):
    """A request.

    `policy` is the template with its parameters, and does not change. `owner` is the owner's ARN and `owner_id` its
    unique id, both empty before. `since` is the start of the present state and of its time limit. `redeemed_key` is the
    access key id of the issued credentials.
    """

    id: str
    requestor: str
    requestor_name: str
    workflow: str
    description: str
    message: str = ""
    template: str
    parameters: tuple[Parameter, ...] = ()
    policy: str
    channel: str
    redirect: str = ""
    seconds: int
    only_owner_sends: bool = False
    owner_account: str = ""
    owner: str = ""
    owner_id: str = ""
    approver: Approver | None = None
    redeemed_key: str = ""
    stored_state: str = State.UNASSIGNED.value
    since: datetime
    notes: str = ""
    rejection: str = ""
    created: datetime
    updated: datetime

    @property
    def expires(self) -> datetime:
        """Return the end of the present state without further action."""
        return self.since + LIFETIMES[State(self.stored_state)]

    @property
    def ends(self) -> datetime:
        """Return when the access of a finalized request ends.

        It ends at the latest with the approver's session.
        """
        end, approver = self.since + timedelta(seconds=self.seconds), self.approver
        if approver is None:
            return end
        if approver.accepted is None and approver.kind == SessionKind.ROLE.value:
            # It may be a chained session, so their limit applies.
            return min(end, self.since + timedelta(seconds=HOUR))
        return end if approver.ends is None else min(end, approver.ends)

    @property
    def accepted(self) -> datetime:
        """Return when the request was accepted, or the earliest possible time."""
        if self.approver is not None and self.approver.accepted is not None:
            return self.approver.accepted
        return self.since if self.stored_state == State.ACCEPTED.value else self.created

    def state(self, now: datetime) -> State:
        """Return the state. EXPIRED follows from the time alone."""
        return State.EXPIRED if now >= self.expires else State(self.stored_state)


class Notification(Entity, frozen=True, kw_only=True):
    """A notification to a partner in the queue.

    Its body is encrypted at rest: it may contain an exchange token. `due` is the next attempt and `expires` the end of
    the attempts, in whole seconds since 1970. `requestor` is the webhook's account, which version 0.1.0 does not store.
    """

    id: str
    url: str
    sealed_body: bytes
    due: int
    expires: int
    attempts: int = 0
    requestor: str = ""

    @property
    def bound_to(self) -> str:
        """Return the name that the sealed body is bound to."""
        return f"notice:{self.id}"
