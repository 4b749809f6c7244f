"""Delegation requests as frozen values: what a partner asks for, how far it has come, and what it is told.

Owns their fields, their states and for how long each lasts. What moves one from state to state is
operations/iam/delegation_requests.py's work.
Source: IAM User Guide, "IAM temporary delegation", "Understanding the request lifecycle".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from daypass.directory.entities import Entity
from daypass.mint.durations import HOUR
from daypass.mint.key_chain import KeyChain
from daypass.mint.session import SessionKind

OF_REQUESTOR = "delegation_workflow"
"""From a requestor's account and its workflow's name to the request."""

OF_OWNER = "delegation_owner"
"""From the owner's account to the request."""

WAITING = "delegation_notification"
"""From a requestor's account to a request; its body is the id of the notification that waits, or that was posted."""


class State(Enum):
    """How far a request has come, by AWS's name."""

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
"""How many seconds delegated access runs at most: IAM API Reference, SessionDuration of CreateDelegationRequest."""


class Parameter(Entity, frozen=True, kw_only=True):
    """A value that was put into a policy template."""

    name: str
    values: tuple[str, ...]
    type: str


class Approver(Entity, frozen=True, kw_only=True):
    """Who accepted a request, as it was then: the delegated credentials speak for this identity.

    `kind` is a value of SessionKind; the other names are those of a Session. That an MFA code was
    given is not among them: it was given by a person who is not there any longer.

    `accepted` is the moment of the acceptance; `keys` and `key_times` are the chain of access keys behind it. `ends` is
    when the session ends that accepted, None for a long-term key. A request that a server of 0.1.0 stored has none of
    these fields, even if a newer server had stored it before.
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
        """The access keys behind the acceptance, as far as they are known."""
        return KeyChain(self.keys, self.key_times, self.has_all_keys)


class DelegationRequest(Entity, frozen=True, kw_only=True):
    """A request. `policy` is the template with its parameters put in, which nothing changes afterwards.

    `owner` is the ARN of whoever took it on and `owner_id` its unique id, both empty before. `since` is when the
    state was entered, and with it began what is left of the state's time. `redeemed_key` is the access key id of the
    delegated credentials, once they were issued.
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
        """When its present state ends, if nobody does anything."""
        return self.since + LIFETIMES[State(self.stored_state)]

    @property
    def ends(self) -> datetime:
        """When the access ends that a finalized request gives: not later than the session that accepted it."""
        end, approver = self.since + timedelta(seconds=self.seconds), self.approver
        if approver is None:
            return end
        if approver.accepted is None and approver.kind == SessionKind.ROLE.value:
            # The record does not say whether the session was a chained one, so the limit of chained ones holds.
            return min(end, self.since + timedelta(seconds=HOUR))
        return end if approver.ends is None else min(end, approver.ends)

    @property
    def accepted(self) -> datetime:
        """When the request was accepted, or the earliest moment at which it may have been."""
        if self.approver is not None and self.approver.accepted is not None:
            return self.approver.accepted
        return self.since if self.stored_state == State.ACCEPTED.value else self.created

    def state(self, now: datetime) -> State:
        """Return how far it has come. Time alone makes it EXPIRED."""
        return State.EXPIRED if now >= self.expires else State(self.stored_state)


class Notice(Entity, frozen=True, kw_only=True):
    """A message to a partner that waits to be posted. Its body is encrypted at rest: it may hold an exchange token.

    `due` is when it is tried next and `expires` when nobody tries any longer, in whole seconds since 1970. `requestor`
    is the account whose webhook it is for; version 0.1.0 stores none.
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
        """What the sealed body is bound to."""
        return f"notice:{self.id}"
