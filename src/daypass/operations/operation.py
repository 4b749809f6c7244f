"""The interface of an operation, and the value that allows it to run.

Only the pipeline calls the methods, in the order `declared`, `parse`, `verify_identity`, `permissions`, `run`, so an
operation cannot skip a shared step. `run` takes an Authorized, which can only be built from the engine's Allowed: code
that mints without a decision does not type-check. NEEDS_NO_PERMISSION lists the two actions without a required
permission.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory.identity import AssumableRole
from daypass.errors import Fault
from daypass.operations.declared import declare
from daypass.operations.request_context import RequestContext
from daypass.policy.compiled import PolicySet
from daypass.policy.decision import Allowed
from daypass.ports import Entropy
from daypass.wire.operation import OperationModel
from daypass.wire.supported import Declared

Parameters = Mapping[str, Any]
Result = Mapping[str, Any]

# IAM User Guide: "No permissions are required to perform this operation", even under an explicit deny.
NEEDS_NO_PERMISSION = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})


# Read-only actions, except those of IAM that open a snapshot. All others issue credentials or change the store.
_ISSUES_NOTHING = frozenset({"sts:GetCallerIdentity", "sts:GetAccessKeyInfo", "sts:DecodeAuthorizationMessage"})


class StoreAccess(Enum):
    """How an operation uses the store beyond the cache.

    BLOCKING opens no transaction, but runs on a worker thread: the operation needs too much processor time, contacts
    another server, or writes in a transaction of its own. SHORT_READ is a READ that the event loop tries first: the
    operation's work is in proportion to the records that it reads, whose number and size are limited there, and it has
    no effect before its last read.
    """

    CACHE = "cache"
    BLOCKING = "waits"
    SHORT_READ = "reads a little"
    READ = "reads"
    WRITE = "writes"


class PermissionCheck(msgspec.Struct, frozen=True):
    """One permission that is required before the operation runs.

    `context` has the operation's own condition keys in lower case. `resource_policy` is the resource's policy; `trust`
    says that it is a role's trust policy, and `role` is the role as read for this check. `refusal` replaces the usual
    message.
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
    """Says that an action is open to every authenticated caller.

    Raises ValueError for an action that is not listed in NEEDS_NO_PERMISSION.
    """

    action: str

    def __post_init__(self) -> None:
        if self.action not in NEEDS_NO_PERMISSION:
            raise ValueError(f"{self.action} needs a permission")


Permissions = NoPermissionNeeded | tuple[PermissionCheck, ...]

A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)


class Authorized(msgspec.Struct, Generic[A], frozen=True):
    """The parameters of a call whose caller was authorized.

    The proof is the engine's Allowed for every permission. `role` is the evaluated role, if any: minting must not read
    it again, or the trust policy of another would grant a role created meanwhile under the same name.
    """

    params: A
    caller: Caller
    proof: NoPermissionNeeded | tuple[Allowed, ...]
    role: AssumableRole | None = None

    def __post_init__(self) -> None:
        if not self.proof:
            raise ValueError("no permission was checked")


class Operation(Protocol[A]):
    """One action of the API.

    With `answers_caller`, it needs no permission and reads nothing: its answer follows from the caller alone.
    """

    service: str
    action: str
    signed: bool
    answers_caller: bool

    @property
    def declared(self) -> Declared | None:
        """The members of the service model that it reads; all others are refused.

        Returns None if all members are accepted without effect.
        """
        ...

    def store_access(self, params: A) -> StoreAccess:
        """Return how the operation will use the store.

        The parameters alone decide.
        """
        ...

    def parse(self, parameters: Parameters) -> A:
        """Return the typed parameters. Pure.

        Raises a Fault for values that the service model cannot rule out.
        """
        ...

    def verify_identity(self, params: A, signer: Caller | None, ctx: RequestContext) -> Caller:
        """Return the caller: the signer, or the subject of a token.

        It may also be that of a SAML assertion.
        """
        ...

    def permissions(self, params: A, caller: Caller, ctx: RequestContext) -> Permissions:
        """Return the required permissions."""
        ...

    def run(self, authorized: Authorized[A], ctx: RequestContext) -> Result:
        """Perform the action and return the members of its answer."""
        ...


class NoMembers(msgspec.Struct, frozen=True):
    """The parameters of an operation that reads no members."""


class Declares:
    """Declares the members that the struct `takes` has, and no others."""

    service: str
    action: str
    takes: type[msgspec.Struct]
    answers_caller = False

    @property
    def spelled(self) -> Mapping[str, str]:
        """The model's names of some fields of `takes`.

        Their names differ from action to action.
        """
        return {}

    @property
    def declared(self) -> Declared | None:
        """The supported members."""
        return declare(self.service, self.action, self.takes, self.spelled)


class Signed(Declares, Generic[A]):
    """The common part of most operations: the signer is the caller."""

    service = "iam"
    signed = True
    access = StoreAccess.READ

    def parse(self, parameters: Parameters) -> Any:
        """Return the typed parameters.

        `spelled` maps the parameters whose name is different in each action.
        """
        renamed = {name: parameters[member] for name, member in self.spelled.items() if member in parameters}
        return msgspec.convert({**parameters, **renamed}, self.takes)

    def store_access(self, params: A) -> StoreAccess:
        """Return the same for every call."""
        return self.access

    def verify_identity(self, params: A, signer: Caller | None, ctx: RequestContext) -> Caller:
        """Return the signer."""
        if signer is None:
            raise ValueError("a signed operation without a signer")
        return signer


class WithoutResource(Signed[A], Generic[A]):
    """A signed operation on the caller's account, without a resource."""

    def permissions(self, params: A, caller: Caller, ctx: RequestContext) -> tuple[PermissionCheck, ...]:
        """Require the permission for the action on `*`."""
        return (PermissionCheck(f"{self.service}:{self.action}", "*", caller.account),)


class StrippableProof(ABC):
    """An operation whose proof is one parameter, WebIdentityToken.

    It is parsed separately; the other parameters may be cached without it.
    """

    @abstractmethod
    def strip_proof(self, params: Any) -> Any:
        """Return the parameters without any part of the proof."""

    @abstractmethod
    def with_proof(self, stripped: Any, proof: str) -> Any:
        """Return the parameters with another proof, as `parse` would.

        Raises a Fault if the proof is not valid.
        """


class NamedSession(ABC):
    """An operation with a RoleSessionName.

    The name has no influence on how the other parameters are parsed.
    """

    @abstractmethod
    def with_session_name(self, params: Any, name: str) -> Any:
        """Return the parameters with another session name, as `parse` would.

        The name has 2 to 64 letters, digits, hyphens, underscores and dots; an empty one stands for a name that is
        left out.
        """


class TaggedSession(ABC):
    """An operation with session tags.

    A plain value of a tag has no influence on how the other parameters are parsed.
    """

    @abstractmethod
    def with_tag_values(self, params: Any, places: tuple[int, ...], values: tuple[str, ...]) -> Any:
        """Return the parameters with other values of some tags, as `parse` would.

        `places` counts the tags from 0. The values have 1 to 64 letters, digits, hyphens, underscores and dots, or are
        MARKED_TAG.
        """


MARKED_TAG: Final = "(tag-value)"
"""The mark of a value that is left out of a tag. No valid value contains a parenthesis."""

MARKED_NAME: Final = "(session-name)"
"""The mark of a session's name in a template. No valid name contains a parenthesis."""


EncodeEvent = Callable[[Result, AssumableRole | None, str, str], bytes]


class SessionAnswers(Protocol):
    """The answers to one caller and form, but for the session."""

    def answer(
        self, authorized: Authorized[Any], session_name: str, now: datetime, request_id: str, entropy: Entropy
    ) -> tuple[bytes, bytes]:
        """Return an answer with a new session, and its part of the audit event.

        It has the bytes of the answer of `run` and the writer of the service model. `authorized` is for this session
        name, which is plain.
        """
        ...


class TemplatedSession(ABC):
    """An operation whose answers differ in the session alone.

    The caller, and the form without its RoleSessionName, are the same.
    """

    @abstractmethod
    def make_template(
        self, model: OperationModel, authorized: Authorized[Any], ctx: RequestContext, encode_event: EncodeEvent
    ) -> SessionAnswers | None:
        """Return what the answers have in common, or None.

        `encode_event` returns the part of an answer's audit event: of the answer, the role that it is for, the
        caller's account and the request id.

        It follows from the parameters without the session name, the caller, and the values that `ctx` reads.
        """

    def has_lasting_caller(self, caller: Caller) -> bool:
        """Return whether each proof of the same identity has this caller.

        It is one object for all of them.
        """
        return False


AnyOperation = Operation[Any]


def is_read_only(operation: AnyOperation, access: StoreAccess) -> bool:
    """Return whether a call issues no credentials and changes no data.

    Returns False for an unknown action.
    """
    if operation.service == "iam":
        return access in {StoreAccess.READ, StoreAccess.SHORT_READ}
    return f"{operation.service}:{operation.action}" in _ISSUES_NOTHING
