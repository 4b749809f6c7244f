"""The decision about each permission of a request.

Owns the request that the engine evaluates. Leaves the message for a denial to verify/s3/permissions/refusals.py. Its
rules:

- Every permission must be Allowed. The first one that is not refuses the request.
- The bucket policy, the public access block and the resource control policies of the owner count as
  gateway/buckets/buckets.py says. A caller of another account needs the bucket policy and its own policies.
- Tags of objects and buckets are looked up at the store only if a policy in play names them. If the look-up fails, the
  request is refused. Likewise if a policy names the version of TLS, and a proxy has ended it.
- Stores ignore the ID of a version in a bucket whose versioning is not enabled: SeaweedFS returns and deletes the
  current object, moto deletes it. There, a permission for a version needs that for the current object too, so that
  s3:GetObjectVersion does not open it. The version `null` is the current object, as on AWS.
- A decision that is too much work for the event loop runs on a worker thread, within the account's share.
- A denial carries an encoded authorization message if one can be sealed here.

Source: IAM User Guide, "Policy evaluation logic"; Amazon S3 User Guide, "Troubleshoot access denied errors".
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from typing import Protocol

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.errors import Throttling
from daypass.gateway.buckets.buckets import Bucket
from daypass.gateway.judge.lookups import TagLookups, VersionLookup
from daypass.policy.authorization_request import AuthorizationRequest, ConditionKeys, NewConditionKeys
from daypass.policy.compiled import PolicySet
from daypass.policy.decision import Allowed, Denied
from daypass.policy.evaluate import Policies, decide, is_light
from daypass.policy.reasons.explain import is_light_explanation
from daypass.verify.caller import VerifiedCaller
from daypass.verify.keys import NotLoadedError
from daypass.verify.s3.errors import S3Error, s3_error
from daypass.verify.s3.permissions.actions import Permission, current_permission
from daypass.verify.s3.permissions.conditions import MOMENT_KEYS, add_moment, keys_of_action, permission_keys
from daypass.verify.s3.permissions.lookups import LookUp, look_ups, named_keys, unknown_keys
from daypass.verify.s3.permissions.refusals import denial
from daypass.verify.signature import VerifiedRequest

_TLS_VERSION = "s3:tlsversion"
_NULL_VERSION = "null"


class DenialSeal(Protocol):
    """Seals the encoded authorization message of a denial."""

    def __call__(
        self, request: AuthorizationRequest, policies: Policies, caller: VerifiedCaller, now: datetime
    ) -> str | None:
        """Return the message, or None if the caller cannot decode one."""
        ...


class _Combined:
    """The policies of a caller and a resource together, and what they need."""

    __slots__ = ("_names_tls", "_needs", "control", "own", "policies", "resource")

    def __init__(self, own: Policies, control: tuple[PolicySet, ...], resource: PolicySet | None) -> None:
        self.own = own
        self.control = control
        self.resource = resource
        self.policies = Policies(
            own.identity, own.boundary, own.session, own.scoped, own.service_control, control, resource
        )
        self._needs: dict[str, tuple[bool, frozenset[LookUp]]] = {}
        self._names_tls: dict[str, bool] = {}

    def names_tls_version(self, action: str) -> bool:
        """Return whether a policy names the version of TLS.

        Behind a proxy, the version is not known.
        """
        found = self._names_tls.get(action)
        if found is None:
            sets = self.policies.sets()
            found = self._names_tls[action] = any(_TLS_VERSION in named_keys(each, action) for each in sets)
        return found

    def needs(self, action: str) -> tuple[bool, frozenset[LookUp]]:
        """Return whether a policy names an unknown key, and the look-ups."""
        found = self._needs.get(action)
        if found is None:
            sets = self.policies.sets
            found = self._needs[action] = (bool(unknown_keys(sets(), action)), look_ups(sets(), action))
        return found


class PolicyCombiner:
    """Keeps combinations of policies, which live longer than requests.

    An entry refers to its policies, so that their ids cannot become those of others.
    """

    def __init__(self, capacity: int = 4_096) -> None:
        self._known: BoundedMemory[tuple[int, int, int], _Combined] = BoundedMemory(capacity)

    def combine(self, own: Policies, control: tuple[PolicySet, ...], resource: PolicySet | None) -> _Combined:
        """Return the policies of a caller with those of a resource."""
        name = (id(own), id(control), id(resource))
        known = self._known.get(name)
        if known is not None and known.own is own and known.control is control and known.resource is resource:
            return known
        return self._known.put(name, _Combined(own, control, resource))


class DecisionTools(msgspec.Struct, frozen=True):
    """What decisions need beside the request.

    `heavy_work` takes a share of the worker threads for an account. `seal` is None if messages cannot be sealed here.
    """

    heavy_work: Callable[[str], AbstractContextManager[None]]
    tags: TagLookups
    versions: VersionLookup
    seal: DenialSeal | None = None
    combiner: PolicyCombiner = msgspec.field(default_factory=PolicyCombiner)


class PermissionRefusal(msgspec.Struct, frozen=True):
    """A denied permission: the error, and the encoded message or None."""

    error: S3Error
    encoded: str | None = None


class Decider:
    """Decides the permissions of one request.

    `may_wait` is whether this runs on a worker thread. On the event loop, a decision that has to wait raises
    NotLoadedError. `heavy` is the number of decisions so far that were too much work for the event loop.
    """

    __slots__ = ("_caller", "_is_tls_unknown", "_keys", "_now", "_tools", "heavy", "may_wait")

    def __init__(
        self, tools: DecisionTools, caller: VerifiedCaller, keys: NewConditionKeys, now: datetime, *, may_wait: bool
    ) -> None:
        self._tools = tools
        self._caller = caller
        self._keys = keys
        self._is_tls_unknown = keys.get("aws:securetransport") == "true" and _TLS_VERSION not in keys
        self._now = now
        self.heavy = 0
        self.may_wait = may_wait

    def refuses(
        self, permission: Permission, bucket: Bucket | None, added: Mapping[str, str | tuple[str, ...]] | None = None
    ) -> PermissionRefusal | None:
        """Return the refusal of a permission, or None if it is allowed.

        `bucket` is None for an action on all buckets, and for a bucket that the caller is about to create. `added` are
        condition keys of this permission alone.
        """
        refused = self._refuses(permission, bucket, added)
        if refused is not None or bucket is None or permission.version_id in {"", _NULL_VERSION}:
            return refused
        # Most callers may use the current object too, and then the store is not asked.
        refused = self._refuses(current_permission(permission), bucket, added)
        if refused is None:
            return None
        self._require_thread()
        return None if self._tools.versions.has_versions(bucket) else refused

    def common_part(
        self, permission: Permission, bucket: Bucket, verified: VerifiedRequest
    ) -> tuple[Policies, ConditionKeys] | None:
        """Return what this decision shares with those about other keys, later.

        These are the policies, and the condition keys except those of the time. Returns None if a decision needs more
        than the request, such as a look-up.
        """
        request, combined = self._build(permission, bucket)
        has_unknown, needed = combined.needs(permission.action)
        if has_unknown or needed or (self._is_tls_unknown and combined.names_tls_version(permission.action)):
            return None
        if not MOMENT_KEYS.isdisjoint(self._caller.context) or not MOMENT_KEYS.isdisjoint(bucket.resource_keys):
            return None
        keys = {name: value for name, value in request.context.items() if name not in MOMENT_KEYS}
        later = dict(keys)
        add_moment(later, verified, self._now)
        return (combined.policies, keys) if later == request.context else None

    def _refuses(
        self, permission: Permission, bucket: Bucket | None, added: Mapping[str, str | tuple[str, ...]] | None
    ) -> PermissionRefusal | None:
        request, combined = self._build(permission, bucket)
        policies = combined.policies
        if added:
            request = _with_keys(request, keys_of_action(permission.action, added))
        has_unknown, needed = combined.needs(permission.action)
        if has_unknown or (self._is_tls_unknown and combined.names_tls_version(permission.action)):
            detail = "a policy names a condition key that is not known here"
            return PermissionRefusal(s3_error("AccessDenied", detail=detail))
        if needed and bucket is not None:
            found = self._look_up(permission, bucket, needed)
            if isinstance(found, PermissionRefusal):
                return found
            request = _with_keys(request, found)
        decision = self._decide(request, policies)
        if isinstance(decision, Allowed) or (permission.unless_denied and _is_only_not_allowed(decision)):
            return None
        error = denial(self._caller, permission, decision, resource_account=request.resource_account)
        return PermissionRefusal(error, self._encode(request, policies))

    def _build(self, permission: Permission, bucket: Bucket | None) -> tuple[AuthorizationRequest, _Combined]:
        caller, own = self._caller, self._caller.policies
        account, resource = caller.account, None
        control: tuple[PolicySet, ...] = ()
        resource_keys: ConditionKeys = {}
        if bucket is not None:
            account, control, resource_keys = bucket.account, bucket.resource_control, bucket.resource_keys
            resource = bucket.policy_for(caller.principal, permission.action)
        owner = "" if bucket is None else account
        keys = permission_keys(self._keys, permission, account=owner, resource_keys=resource_keys)
        # The caller's own keys are last: no key of a request overrides them.
        keys.update(caller.context)
        request = AuthorizationRequest(permission.action, permission.resource, account, caller.principal, keys)
        return request, self._tools.combiner.combine(own, control, resource)

    def _look_up(
        self, permission: Permission, bucket: Bucket, needed: frozenset[LookUp]
    ) -> Mapping[str, str | tuple[str, ...]] | PermissionRefusal:
        self._require_thread()
        found = self._tools.tags.find(permission, bucket, needed)
        if found is None:
            return PermissionRefusal(
                s3_error("AccessDenied", detail="the tags that a policy names could not be looked up")
            )
        return found

    def _decide(self, request: AuthorizationRequest, policies: Policies) -> Allowed | Denied:
        if is_light(request, policies):
            return decide(request, policies)
        self._require_thread()
        self.heavy += 1
        with self._tools.heavy_work(self._payer(request)):
            return decide(request, policies)

    def _require_thread(self) -> None:
        if not self.may_wait:
            raise NotLoadedError(_nothing)

    def _payer(self, request: AuthorizationRequest) -> str:
        return self._caller.account or request.resource_account

    def _encode(self, request: AuthorizationRequest, policies: Policies) -> str | None:
        seal = self._tools.seal
        if seal is None or self._caller.anonymous:
            return None
        light = is_light_explanation(request, policies)
        if not light:
            self._require_thread()
        # A refusal is valid without its reasons. If the account has too many of them, the request is still refused.
        with suppress(Throttling), nullcontext() if light else self._tools.heavy_work(self._payer(request)):
            return seal(request, policies, self._caller, self._now)
        return None


def _is_only_not_allowed(decision: Denied) -> bool:
    return not decision.explicit and not decision.failure


def _with_keys(request: AuthorizationRequest, keys: Mapping[str, str | tuple[str, ...]]) -> AuthorizationRequest:
    return msgspec.structs.replace(request, context={**keys, **request.context})


def _nothing() -> None:
    """Do not load anything: the decision needs a thread, not a value."""
