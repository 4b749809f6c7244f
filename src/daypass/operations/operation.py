"""The contract of an operation, and the value that lets one run.

An operation says which members of the service model it reads (`declared`), what it makes of them (`parse`), who
vouches (`prove`), what must be allowed (`question`) and what it does (`run`). Only the pipeline calls these, in that
order, so no operation can forget a shared step. `run` takes an Authorized, which nobody can build without the engine's
Allowed: minting without a decision does not type-check. The two actions that need no permission are named in
NEEDS_NO_PERMISSION.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory.identity import AssumableRole
from daypass.errors import Fault
from daypass.operations.declared import declare
from daypass.operations.world import World
from daypass.policy.compiled import PolicySet
from daypass.policy.decision import Allowed
from daypass.wire.supported import Declared

Params = Mapping[str, Any]
Result = Mapping[str, Any]

# IAM User Guide: "No permissions are required to perform this operation", even under an explicit deny.
NEEDS_NO_PERMISSION = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})


# What only reads, apart from the actions of IAM that open a snapshot. All else issues credentials or changes something.
_ISSUES_NOTHING = frozenset({"sts:GetCallerIdentity", "sts:GetAccessKeyInfo", "sts:DecodeAuthorizationMessage"})


class Touches(Enum):
    """What an operation asks of the store beyond the cache.

    One that WAITS opens nothing, but runs where waiting is allowed: it costs the processor more than the event loop
    can spare, asks somebody else, or writes apart from what it decides.
    """

    CACHE = "cache"
    WAITS = "waits"
    READS = "reads"
    WRITES = "writes"


class Asking(msgspec.Struct, frozen=True):
    """One permission that must be given before the operation runs.

    `context` holds the operation's own condition keys, lower case. `resource_policy` is the policy of the
    resource itself; `trust` says that it is a role's trust policy, and `role` is that role as it was read for this
    question. `refusal`, where it is given, is what the caller is told instead of the usual words.
    """

    action: str
    resource: str
    account: str
    context: Mapping[str, str | tuple[str, ...]] = msgspec.field(default_factory=dict)
    resource_policy: PolicySet | None = None
    trust: bool = False
    refusal: Fault | None = None
    role: AssumableRole | None = None


@dataclass(frozen=True, slots=True)
class NoPermissionNeeded:
    """Says that an action is open to every caller who has proved itself. Refuses any action not so named."""

    action: str

    def __post_init__(self) -> None:
        if self.action not in NEEDS_NO_PERMISSION:
            raise ValueError(f"{self.action} needs a permission")


Question = NoPermissionNeeded | tuple[Asking, ...]

A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)


class Authorized(msgspec.Struct, Generic[A], frozen=True):
    """What was asked, by a caller who may have it: the proof is the engine's Allowed for every question.

    `role` is the very role that was judged, where one was: what is minted must not be read anew, or a role made in
    between under the same name would be granted on the word of another's trust policy.
    """

    asked: A
    caller: Caller
    proof: NoPermissionNeeded | tuple[Allowed, ...]
    role: AssumableRole | None = None

    def __post_init__(self) -> None:
        if not self.proof:
            raise ValueError("no question was asked")


class Operation(Protocol[A]):
    """One action of the API."""

    service: str
    action: str
    signed: bool

    @property
    def declared(self) -> Declared | None:
        """The members of the service model that it reads; all others are refused. None where nothing comes of any."""
        ...

    def touches(self, asked: A) -> Touches:
        """Return what it will ask of the store, known from the parameters alone."""
        ...

    def parse(self, params: Params) -> A:
        """Return what is asked, typed. Pure. Raises a Fault for what the service model cannot express."""
        ...

    def prove(self, asked: A, signer: Caller | None, world: World) -> Caller:
        """Return who vouches: the signer, or whom an assertion or a token speaks for."""
        ...

    def question(self, asked: A, caller: Caller, world: World) -> Question:
        """Return what must be allowed."""
        ...

    def run(self, authorized: Authorized[A], world: World) -> Result:
        """Do it, and return the answer with the members that AWS's model names."""
        ...


class NoMembers(msgspec.Struct, frozen=True):
    """The parameters of an operation that reads none."""


class Declares:
    """Declares the members that the struct `takes` has, and no others."""

    service: str
    action: str
    takes: type[msgspec.Struct]

    @property
    def spelled(self) -> Mapping[str, str]:
        """The model's names of those members of `takes` whose names differ from action to action."""
        return {}

    @property
    def declared(self) -> Declared | None:
        """The members that are supported."""
        return declare(self.service, self.action, self.takes, self.spelled)


class Signed(Declares, Generic[A]):
    """What most operations share: they are signed, and the signer vouches for itself."""

    service = "iam"
    signed = True
    reach = Touches.READS

    def touches(self, asked: A) -> Touches:
        """Return the same for every call."""
        return self.reach

    def prove(self, asked: A, signer: Caller | None, world: World) -> Caller:
        """Return the signer."""
        if signer is None:
            raise ValueError("a signed operation without a signer")
        return signer


class ProvedApart(ABC):
    """An operation whose proof is one parameter, WebIdentityToken, that is read by itself.

    What else is asked may then be remembered without it.
    """

    @abstractmethod
    def apart(self, asked: Any) -> Any:
        """Return what is asked, with nothing of the proof."""

    @abstractmethod
    def together(self, apart: Any, proof: str) -> Any:
        """Return what is asked, with another proof, as `parse` would. Raises a Fault for a proof that is none."""


AnyOperation = Operation[Any]


def is_read_only(operation: AnyOperation, touches: Touches) -> bool:
    """Tell whether a call issues no credentials and changes nothing. An action that is not known to be so is not."""
    if operation.service == "iam":
        return touches is Touches.READS
    return f"{operation.service}:{operation.action}" in _ISSUES_NOTHING
