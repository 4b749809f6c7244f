"""iam:SimulateCustomPolicy and iam:SimulatePrincipalPolicy: what would be allowed, and why.

Owns which policies a simulation is about, and its pages. Its caller's own rights play no part beyond the permission
to simulate.
Source: IAM API Reference.
"""

from itertools import product
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory.identity import Identity
from daypass.directory.organization import load_guard_rails, load_place
from daypass.errors import InvalidInput, ValidationError
from daypass.operations.iam.action import IamAction
from daypass.operations.iam.paging import Paged, read_marker, truncation
from daypass.operations.iam.simulate_exclusions import Exclusion, exclude
from daypass.operations.iam.simulate_inputs import (
    ContextEntry,
    check_characters,
    named_keys,
    nobody,
    read_caller,
    read_context,
    read_policies,
)
from daypass.operations.iam.simulate_results import Scene, check_names, evaluate, read_side
from daypass.operations.iam.simulate_sources import PolicyHolder, find_caller, get_holder
from daypass.operations.world import World
from daypass.policy.compiled import PolicySet, PolicyType, compile_set
from daypass.policy.document import DocumentKind

# A page ends early where policies are long: so many characters of policy are read for one page, or one pair.
_WORK = 4_000_000
# A pattern is matched a character at a time, so texts count too: characters of policy by characters of the longest
# text that is compared. A page ends early here as well, and one pair that is more than this is refused.
_COMPARED = 50_000_000


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


class _Custom(_Simulation, frozen=True, kw_only=True):
    ordered_organization_policy_input_list: tuple[_Level, ...] = ()


class _Principal(_Simulation, frozen=True, kw_only=True):
    policy_source_arn: str
    policy_exclusion_list: tuple[Exclusion, ...] = ()


class SimulateCustomPolicy(IamAction[_Custom]):
    """Judges policies that are given as texts."""

    action, takes = "SimulateCustomPolicy", _Custom

    def perform(self, asked: _Custom, caller: Caller, world: World) -> dict[str, Any]:
        """Return a page of results."""
        if asked.resource_policy and not asked.caller_arn:
            raise InvalidInput("CallerArn is required where a ResourcePolicy is given.")
        levels = asked.ordered_organization_policy_input_list
        controls = [text for level in levels for text in level.service_control_policy_input_list]
        characters = check_characters([*_texts(asked), *controls])
        principal = read_caller(asked.caller_arn, None) if asked.caller_arn else nobody(caller.account)
        scene = Scene(
            principal=principal,
            identity=_given(asked),
            boundary=_given_boundary(asked),
            service_control=tuple(map(_level, levels)),
            organization=bool(levels),
            context={**named_keys(principal, None), **read_context(asked.context_entries)},
        )
        return _page(asked, scene, characters)


class SimulatePrincipalPolicy(IamAction[_Principal]):
    """Judges the policies of a user, group or role, with others added or left out."""

    action, takes = "SimulatePrincipalPolicy", _Principal

    def resource(self, asked: _Principal, caller: Caller, world: World) -> str:
        """Return the ARN of whom the policies belong to."""
        return asked.policy_source_arn

    def perform(self, asked: _Principal, caller: Caller, world: World) -> dict[str, Any]:
        """Return a page of results."""
        holder = get_holder(asked.policy_source_arn, caller.account, world)
        given = check_characters(_texts(asked))
        arn = asked.caller_arn or asked.policy_source_arn
        identity = find_caller(arn, caller.account, world)
        scene = _principal_scene(asked, holder, identity, world)
        return _page(asked, scene, given + _characters(scene))


def _principal_scene(asked: _Principal, holder: PolicyHolder, identity: Identity | None, world: World) -> Scene:
    principal = read_caller(asked.caller_arn or asked.policy_source_arn, identity)
    kept = exclude(asked.policy_exclusion_list, holder.policies)
    rails = world.views.get(load_guard_rails, holder.account)
    place = world.views.get(load_place, holder.account)
    return Scene(
        principal=principal,
        identity=compile_set((*kept.policies, *_given(asked).policies)),
        boundary=_given_boundary(asked) or (holder.boundary if kept.boundary else None),
        service_control=rails.service_control if kept.service_control else (),
        organization=bool(place.organization),
        context={
            **place.as_principal,
            **named_keys(principal, identity),
            **read_context(asked.context_entries),
        },
    )


def _texts(asked: _Simulation) -> list[str]:
    return [*asked.policy_input_list, *asked.permissions_boundary_policy_input_list, asked.resource_policy]


def _given(asked: _Simulation) -> PolicySet:
    return read_policies(asked.policy_input_list, DocumentKind.IDENTITY, PolicyType.IDENTITY, "PolicyInputList")


def _given_boundary(asked: _Simulation) -> PolicySet | None:
    name, given = "PermissionsBoundaryPolicyInputList", asked.permissions_boundary_policy_input_list
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


def _characters(scene: Scene) -> int:
    sets = (scene.identity, *([] if scene.boundary is None else [scene.boundary]), *scene.service_control)
    return sum(len(policy.document.text) for policy_set in sets for policy in policy_set.policies)


def _page(asked: _Simulation, scene: Scene, characters: int) -> dict[str, Any]:
    resources = asked.resource_arns or ("*",)
    check_names(asked.action_names, resources)
    pairs = list(product(asked.action_names, resources))
    start = _read_place(asked.marker, len(pairs))
    stop = start + min(asked.max_items, _most_pairs(max(1, characters), _longest_text(asked, resources)))
    side = read_side(asked.resource_policy, asked.resource_owner, resources)
    results = [evaluate(action, resource, scene, side) for action, resource in pairs[start:stop]]
    return {"EvaluationResults": results, **truncation(str(stop) if stop < len(pairs) else None)}


def _longest_text(asked: _Simulation, resources: tuple[str, ...]) -> int:
    values = (sum(map(len, entry.context_key_values)) for entry in asked.context_entries)
    return max(*map(len, asked.action_names), *map(len, resources), *values, 1)


def _most_pairs(characters: int, longest_text: int) -> int:
    compared = characters * longest_text
    if compared > _COMPARED:
        raise InvalidInput("The policies are too long to be compared with texts of this length; simulate fewer.")
    return max(1, min(_WORK // characters, _COMPARED // compared))


def _read_place(marker: str, most: int) -> int:
    place = read_marker(marker) or "0"
    if not (place.isascii() and place.isdigit() and len(place) <= len(str(most))):
        raise ValidationError("Invalid Marker")
    return int(place)


OPERATIONS = (SimulateCustomPolicy(), SimulatePrincipalPolicy())
