"""Build an authorization request, and remember its lasting half.

Owns the precedence of condition keys: an operation's override the organization's, which override the caller's, which
override the request's.

- For a user or root user with a long-term key and without an MFA code, the caller's and the organization's keys and all
  policies follow from a few cached records. They are merged once for these records and remembered.
- What is remembered is used only for the same records, by identity. A change of a user, a role, a policy or the
  organization makes the cache load a new record, and a new record a new merger. Each request asks the cache for all of
  the records, so that their freshness is that of every other request.
- A web identity or a SAML identity has neither an account nor policies. Its policies follow from those of the resource
  and the position of the resource's account, and are remembered in the same way. Its keys are those of its proof.
- All other callers, such as sessions, have their keys and policies collected for each request.
"""

from typing import Final

import msgspec

from daypass.authenticate.caller import Caller
from daypass.authenticate.caller_keys import caller_keys
from daypass.authorize.context import organization_keys
from daypass.authorize.gather import OF_NO_ACCOUNT, find_positions, gather
from daypass.bounded_memory import BoundedMemory
from daypass.directory.organization.organization_tree import AccountPosition
from daypass.directory.store import Views
from daypass.operations.operation import PermissionCheck
from daypass.policy.authorization_request import AuthorizationRequest, ConditionKeys, NewConditionKeys, PrincipalKind
from daypass.policy.compiled import PolicySet
from daypass.policy.evaluate import Policies

MOST_MERGED: Final = 1024
MOST_CHARACTERS: Final = 4_096  # of policies (some 200 KB compiled); more is not kept alive for a microsecond
_USER, _ROOT = PrincipalKind.USER, PrincipalKind.ROOT


class Merged(msgspec.Struct, frozen=True):
    """Condition keys and policies, and the records that they follow from."""

    caller: Caller
    ours: AccountPosition | None
    theirs: AccountPosition
    resource_policy: PolicySet | None
    keys: ConditionKeys
    policies: Policies


class MergedResource(msgspec.Struct, frozen=True):
    """Condition keys and policies for callers without an account.

    They follow from the two records.
    """

    theirs: AccountPosition
    resource_policy: PolicySet | None
    keys: ConditionKeys
    policies: Policies


_resources: BoundedMemory[tuple[int, int, bool, bool], MergedResource] = BoundedMemory(MOST_MERGED)
_merged: BoundedMemory[tuple[int, int, int, bool, bool], Merged] = BoundedMemory(MOST_MERGED)


def is_lasting(caller: Caller) -> bool:
    """Return whether a caller's condition keys are the same at each moment."""
    kind = caller.principal.kind
    is_plain = type(caller) is Caller and caller.session is None and caller.mfa_at is None
    return is_plain and (kind is _USER or kind is _ROOT)


def build_request(
    check: PermissionCheck, caller: Caller, common: NewConditionKeys, views: Views
) -> tuple[AuthorizationRequest, Policies]:
    """Return the request and its policies.

    `common` has the keys of the request and of its caller.
    """
    positions = find_positions(caller, check.account, views)
    if caller.principal.kind in OF_NO_ACCOUNT and caller.identity is None and caller.session is None:
        merged = _merged_resource(check, caller, positions[1], views)
        keys, policies = merged.keys, merged.policies
    else:
        keys, policies = organization_keys(*positions), gather(check, caller, positions, views)
    context = {**common, **keys, **check.context}
    request = AuthorizationRequest(check.action, check.resource, check.account, caller.principal, context)
    return request, policies


def build_lasting_request(
    check: PermissionCheck, caller: Caller, common: NewConditionKeys, views: Views
) -> tuple[AuthorizationRequest, Policies]:
    """Return the request of a lasting caller, and its policies.

    `common` has the keys of the request alone. Raises ValueError for another caller.
    """
    ours, theirs = find_positions(caller, check.account, views)
    resource_policy, is_iam = check.resource_policy, check.action.startswith("iam:")
    # The records are compared as well: an address may belong to another record by now.
    merged = _merged.get((id(caller), id(resource_policy), id(theirs), check.trust, is_iam))
    if (
        merged is None
        or merged.caller is not caller
        or merged.resource_policy is not resource_policy
        or merged.theirs is not theirs
        or merged.ours is not ours
    ):
        merged = _merge(check, caller, (ours, theirs), views)
    context = {**common, **merged.keys, **check.context}
    request = AuthorizationRequest(check.action, check.resource, check.account, caller.principal, context)
    return request, merged.policies


def _merged_resource(check: PermissionCheck, caller: Caller, theirs: AccountPosition, views: Views) -> MergedResource:
    """Return the half of a request that is the same for each caller without an account."""
    resource_policy = check.resource_policy
    name = (id(resource_policy), id(theirs), check.trust, check.action.startswith("iam:"))
    found = _resources.get(name)
    if found is not None and found.resource_policy is resource_policy and found.theirs is theirs:
        return found
    positions = (None, theirs)
    policies = gather(check, caller, positions, views)
    merged = MergedResource(theirs, resource_policy, organization_keys(*positions), policies)
    if policies.characters <= MOST_CHARACTERS:
        _resources.put(name, merged)
    return merged


def _merge(
    check: PermissionCheck, caller: Caller, positions: tuple[AccountPosition | None, AccountPosition], views: Views
) -> Merged:
    if not is_lasting(caller):
        raise ValueError("the condition keys of this caller change")
    keys = {**caller_keys(caller, seconds=0), **organization_keys(*positions)}
    policies = gather(check, caller, positions, views)
    merged = Merged(caller, *positions, check.resource_policy, keys, policies)
    if policies.characters <= MOST_CHARACTERS:
        records = (id(caller), id(check.resource_policy), id(positions[1]))
        _merged.put((*records, check.trust, check.action.startswith("iam:")), merged)
    return merged
