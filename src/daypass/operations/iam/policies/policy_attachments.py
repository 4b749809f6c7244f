"""ListEntitiesForPolicy: the entities that use a managed policy.

Source: IAM API Reference, ListEntitiesForPolicy.
"""

from collections.abc import Mapping
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.directory import links, records
from daypass.directory.entities.iam_entities import Entity, Group, Role, User
from daypass.directory.store import Reader
from daypass.operations.iam.lookup import get_policy
from daypass.operations.iam.paging import Paged, page_of_values
from daypass.operations.iam.policies.managed_policies import AboutPolicy
from daypass.operations.iam.policies.policy_holders import HolderEntity
from daypass.operations.request_context import RequestContext

_WORDS: Mapping[type[Entity], str] = {User: "User", Group: "Group", Role: "Role"}
_USES = {"PermissionsPolicy": (links.attachments,), "PermissionsBoundary": (links.boundaries,)}
_ANY_USE = (links.attachments, links.boundaries)


class _ListEntitiesForPolicyParams(Paged, frozen=True, kw_only=True):
    policy_arn: str
    entity_filter: str = ""
    path_prefix: str = "/"
    policy_usage_filter: str = ""


class ListEntitiesForPolicy(AboutPolicy):
    """Lists the users, groups and roles that use a policy.

    A policy is used as an attachment or as a permissions boundary.
    """

    action, takes = "ListEntitiesForPolicy", _ListEntitiesForPolicyParams

    def perform(self, params: _ListEntitiesForPolicyParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of names and ids in three lists."""
        policy = get_policy(ctx.reader, caller.account, params.policy_arn)
        uses = _USES.get(params.policy_usage_filter, _ANY_USE)
        ids = {holder for use in uses for holder in use(caller.account).holders(ctx.reader, policy.arn)}
        holders = [holder for holder in _found(ctx.reader, ids) if _is_wanted(holder, params)]
        page = page_of_values(holders, params, key=lambda holder: holder.id, show=lambda holder: holder, name="Found")
        found = page.pop("Found")
        return {**{f"Policy{word}s": _shown(found, word) for word in _WORDS.values()}, **page}


def _found(reader: Reader, ids: set[str]) -> list[HolderEntity]:
    found = (_find(reader, unique_id) for unique_id in sorted(ids))
    return [holder for holder in found if holder is not None]


def _find(reader: Reader, unique_id: str) -> HolderEntity | None:
    return (
        records.find_by_id(reader, User, unique_id)
        or records.find_by_id(reader, Group, unique_id)
        or records.find_by_id(reader, Role, unique_id)
    )


def _is_wanted(holder: HolderEntity, params: _ListEntitiesForPolicyParams) -> bool:
    is_kind = not params.entity_filter or _WORDS[type(holder)] == params.entity_filter
    return is_kind and holder.path.startswith(params.path_prefix)


def _shown(holders: list[HolderEntity], word: str) -> list[dict[str, str]]:
    return [{f"{word}Name": holder.name, f"{word}Id": holder.id} for holder in holders if _WORDS[type(holder)] == word]


OPERATIONS = (ListEntitiesForPolicy(),)
