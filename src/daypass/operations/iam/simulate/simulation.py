"""Policy simulation: SimulateCustomPolicy and SimulatePrincipalPolicy.

Owns the choice of the policies of a simulation, and its pages. The caller's other permissions do not affect the result.
Source: IAM API Reference.
"""

from contextlib import nullcontext
from itertools import product
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory.identity import Identity
from daypass.directory.organization.organization_tree import load_inherited_controls, load_place
from daypass.errors import InvalidInput, ValidationError
from daypass.operations.iam.iam_action import IamAction
from daypass.operations.iam.paging import Paged, read_marker, truncation
from daypass.operations.iam.simulate.simulate_exclusions import Exclusion, exclude
from daypass.operations.iam.simulate.simulate_inputs import (
    ContextEntry,
    check_characters,
    named_keys,
    nobody,
    read_caller,
    read_context,
    read_policies,
)
from daypass.operations.iam.simulate.simulate_results import Scene, build_pair, check_names, evaluate, read_side
from daypass.operations.iam.simulate.simulate_sources import PolicyHolder, find_caller, get_holder
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.compiled import PolicySet, PolicyType, compile_set
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind
from daypass.policy.reasons.explain import explanation_work
from daypass.policy.work import LIGHT_WORK, MOST_EXPLANATION_WORK


class _Simulation(Paged, frozen=True, kw_only=True):
    action_names: tuple[str, ...]
    policy_input_list: tuple[str, ...] = ()
    permissions_boundary_policy_input_list: tuple[str, ...] = ()
    resource_arns: tuple[str, ...] = ("*",)
    resource_policy: str = ""
    resource_owner: str = ""
    caller_arn: str = ""
    context_entries: tuple[ContextEntry, ...] = ()


class _Level(msgspec.Struct, frozen=True, rename="pascal"):
    service_control_policy_input_list: tuple[str, ...] = ()


class _SimulateCustomPolicyParams(_Simulation, frozen=True, kw_only=True):
    ordered_organization_policy_input_list: tuple[_Level, ...] = ()


class _SimulatePrincipalPolicyParams(_Simulation, frozen=True, kw_only=True):
    policy_source_arn: str
    policy_exclusion_list: tuple[Exclusion, ...] = ()


class SimulateCustomPolicy(IamAction[_SimulateCustomPolicyParams]):
    """Evaluates the policies in the request."""

    action, takes = "SimulateCustomPolicy", _SimulateCustomPolicyParams

    def perform(self, params: _SimulateCustomPolicyParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of results."""
        if params.resource_policy and not params.caller_arn:
            raise InvalidInput("CallerArn is required if ResourcePolicy is given.")
        levels = params.ordered_organization_policy_input_list
        controls = [text for level in levels for text in level.service_control_policy_input_list]
        check_characters([*_texts(params), *controls])
        principal = read_caller(params.caller_arn, None) if params.caller_arn else nobody(caller.account)
        scene = Scene(
            principal=principal,
            identity=_given(params),
            boundary=_given_boundary(params),
            service_control=tuple(map(_level, levels)),
            organization=bool(levels),
            context={**named_keys(principal, None), **read_context(params.context_entries)},
        )
        return _page(params, scene, caller.account, ctx)


class SimulatePrincipalPolicy(IamAction[_SimulatePrincipalPolicyParams]):
    """Evaluates the policies of a user, group or role.

    The request can add policies or exclude some.
    """

    action, takes = "SimulatePrincipalPolicy", _SimulatePrincipalPolicyParams

    def resource(self, params: _SimulatePrincipalPolicyParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN of the user, group or role."""
        return params.policy_source_arn

    def perform(self, params: _SimulatePrincipalPolicyParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of results."""
        holder = get_holder(params.policy_source_arn, caller.account, ctx)
        check_characters(_texts(params))
        arn = params.caller_arn or params.policy_source_arn
        identity = find_caller(arn, caller.account, ctx)
        scene = _principal_scene(params, holder, identity, ctx)
        return _page(params, scene, caller.account, ctx)


def _principal_scene(
    params: _SimulatePrincipalPolicyParams, holder: PolicyHolder, identity: Identity | None, ctx: RequestContext
) -> Scene:
    principal = read_caller(params.caller_arn or params.policy_source_arn, identity)
    kept = exclude(params.policy_exclusion_list, holder.policies)
    controls = ctx.views.get(load_inherited_controls, holder.account)
    place = ctx.views.get(load_place, holder.account)
    return Scene(
        principal=principal,
        identity=compile_set((*kept.policies, *_given(params).policies)),
        boundary=_given_boundary(params) or (holder.boundary if kept.boundary else None),
        service_control=controls.service_control if kept.service_control else (),
        organization=bool(place.organization),
        context={
            **place.as_principal,
            **named_keys(principal, identity),
            **read_context(params.context_entries),
        },
    )


def _texts(params: _Simulation) -> list[str]:
    return [*params.policy_input_list, *params.permissions_boundary_policy_input_list, params.resource_policy]


def _given(params: _Simulation) -> PolicySet:
    return read_policies(params.policy_input_list, DocumentKind.IDENTITY, PolicyType.IDENTITY, "PolicyInputList")


def _given_boundary(params: _Simulation) -> PolicySet | None:
    name, given = "PermissionsBoundaryPolicyInputList", params.permissions_boundary_policy_input_list
    if len(given) > 1:
        raise InvalidInput("Only one permissions boundary can be simulated at a time.")
    return read_policies(given, DocumentKind.IDENTITY, PolicyType.BOUNDARY, name) if given else None


def _level(level: _Level) -> PolicySet:
    return read_policies(
        level.service_control_policy_input_list,
        DocumentKind.SERVICE_CONTROL,
        PolicyType.SERVICE_CONTROL,
        "ServiceControlPolicyInputList",
    )


def _page(params: _Simulation, scene: Scene, account: str, ctx: RequestContext) -> dict[str, Any]:
    resources = params.resource_arns or ("*",)
    check_names(params.action_names, resources)
    pairs = list(product(params.action_names, resources))
    start = _read_place(params.marker, len(pairs))
    side = read_side(params.resource_policy, params.resource_owner, resources)
    requests = [
        build_pair(action, resource, scene, side) for action, resource in pairs[start : start + params.max_items]
    ]
    fitting, work = _fitting(requests)
    with nullcontext() if work <= LIGHT_WORK else ctx.heavy_work(account):
        results = [evaluate(request, policies, scene) for request, policies in requests[:fitting]]
    stop = start + fitting
    return {"EvaluationResults": results, **truncation(str(stop) if stop < len(pairs) else None)}


def _fitting(requests: list[tuple[AuthorizationRequest, Policies]]) -> tuple[int, int]:
    """Return how many pairs fit on one page, and their work.

    A page must not cost more work than one explanation.
    """
    total = 0
    for place, (request, policies) in enumerate(requests):
        work = explanation_work(request, policies)
        if work > MOST_EXPLANATION_WORK and not place:
            raise InvalidInput(
                "The policies are too long to be compared with strings of this length. Simulate fewer policies."
            )
        if total + work > MOST_EXPLANATION_WORK:
            return place, total
        total += work
    return len(requests), total


def _read_place(marker: str, most: int) -> int:
    place = read_marker(marker) or "0"
    if not (place.isascii() and place.isdigit() and len(place) <= len(str(most))):
        raise ValidationError("Invalid Marker")
    return int(place)


OPERATIONS = (SimulateCustomPolicy(), SimulatePrincipalPolicy())
