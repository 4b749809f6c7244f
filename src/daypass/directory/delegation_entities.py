"""Delegation requests as frozen values: what a partner asks for, how far it has come, and what it is told.

Owns their fields, their states and for how long each lasts. What moves one from state to state is
operations/iam/delegation_requests.py's work.
Source: IAM User Guide, "IAM temporary delegation", "Understanding the request lifecycle".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from daypass.directory.entities import Entity

OF_REQUESTOR = "delegation_workflow"
"""From a requestor's account and its workflow's name to the request."""

OF_OWNER = "delegation_owner"
"""From the owner's account to the request."""


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


class Parameter(Entity, frozen=True, kw_only=True):
    """A value that was put into a policy template."""

    name: str
    values: tuple[str, ...]
    type: str


class Approver(Entity, frozen=True, kw_only=True):
    """Who accepted a request, as it was then: the delegated credentials speak for this identity.

    `kind` is a value of SessionKind; the other names are those of a Session. That an MFA code was
    given is not among them: it was given by a person who is not there any longer.
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


class DelegationRequest(Entity, frozen=True, kw_only=True):
    """A request. `policy` is the template with its parameters put in, which nothing changes afterwards.

    `owner` is the ARN of whoever took it on and `owner_id` its unique id, both empty before. `since` is when the
    state was entered, and with it began what is left of the state's time.
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
        """When the access ends that a finalized request gives."""
        return self.since + timedelta(seconds=self.seconds)

    def state(self, now: datetime) -> State:
        """Return how far it has come. Time alone makes it EXPIRED."""
        return State.EXPIRED if now >= self.expires else State(self.stored_state)


class Notice(Entity, frozen=True, kw_only=True):
    """A message to a partner that waits to be posted. Its body is encrypted at rest: it may hold an exchange token.

    `due` is when it is tried next and `expires` when nobody tries any longer, in whole seconds since 1970.
    """

    id: str
    url: str
    sealed_body: bytes
    due: int
    expires: int
    attempts: int = 0

    @property
    def bound_to(self) -> str:
        """What the sealed body is bound to."""
        return f"notice:{self.id}"
