"""ListPoliciesGrantingServiceAccess: the policies that allow a service.

A policy does so if an Allow statement names an action of the service. Boundaries, Deny statements and conditions are
ignored, as AWS documents.
Source: IAM API Reference, ListPoliciesGrantingServiceAccess.
"""

from collections.abc import Iterator
from typing import Any

from daypass.arn import Arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import User
from daypass.errors import InvalidInput, NoSuchEntity, ValidationError
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.identities.memberships import groups_of
from daypass.operations.iam.policies.attachments import attached_to
from daypass.operations.iam.policies.policy_holders import HolderEntity
from daypass.operations.request_context import RequestContext
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.language.statement import Statement
from daypass.policy.wildcard import compile_wildcard, tokens_of


class _ListPoliciesGrantingServiceAccessParams(IamParams, frozen=True):
    arn: str
    service_namespaces: tuple[str, ...]
    marker: str = ""


class ListPoliciesGrantingServiceAccess(IamAction[_ListPoliciesGrantingServiceAccessParams]):
    """Lists, for each service, the policies that grant access to it."""

    action, takes = "ListPoliciesGrantingServiceAccess", _ListPoliciesGrantingServiceAccessParams

    def resource(self, params: _ListPoliciesGrantingServiceAccessParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN of the user, group or role."""
        return params.arn

    def perform(
        self, params: _ListPoliciesGrantingServiceAccessParams, caller: Caller, ctx: RequestContext
    ) -> dict[str, Any]:
        """Return the policies of the entity and of a user's groups."""
        if params.marker:
            raise ValidationError("Invalid Marker", detail="this list is never truncated")
        entity = _get(params.arn, caller, ctx)
        owners = [entity, *(groups_of(ctx.reader, entity) if isinstance(entity, User) else ())]
        policies = [found for owner in owners for found in _policies(owner, ctx)]
        return {
            "PoliciesGrantingServiceAccess": [
                {
                    "ServiceNamespace": service,
                    "Policies": [shown for shown, text in policies if _lets_into(text, service.lower())],
                }
                for service in params.service_namespaces
            ],
            "IsTruncated": False,
        }


def _get(arn: str, caller: Caller, ctx: RequestContext) -> HolderEntity:
    parts = Arn.find(arn)
    if parts is None or parts.service != "iam" or parts.resource.partition("/")[0] not in records.HOLDER_TYPES:
        raise InvalidInput(f"ARN {arn} is not valid.")
    found = records.find_by_arn(ctx.reader, arn) if parts.account == caller.account else None
    if found is None:
        raise NoSuchEntity(f"ARN {arn} cannot be found.")
    return found


def _policies(owner: HolderEntity, ctx: RequestContext) -> Iterator[tuple[dict[str, str], str]]:
    """Yield each policy of a holder as the API shows it, with its document."""
    entity = {"EntityType": type(owner).__name__.upper(), "EntityName": owner.name}
    for name, text in sorted(owner.inline.items()):
        yield {"PolicyName": name, "PolicyType": "INLINE", **entity}, text
    for policy in attached_to(ctx, owner):
        yield {"PolicyName": policy.name, "PolicyType": "MANAGED", "PolicyArn": policy.arn}, policy.document


def _lets_into(text: str, service: str) -> bool:
    document = parse_document(text, DocumentKind.IDENTITY)
    return any(statement.allow and _speaks_of(statement, service) for statement in document.statements)


def _speaks_of(statement: Statement, service: str) -> bool:
    patterns = [action.lower().partition(":") for action in statement.actions]
    if statement.not_action:
        return not any(_names(vendor, service) and rest in {"", "*"} for vendor, _, rest in patterns)
    return any(_names(vendor, service) for vendor, _, _rest in patterns)


def _names(vendor: str, service: str) -> bool:
    return compile_wildcard(tokens_of(vendor))(service)


OPERATIONS = (ListPoliciesGrantingServiceAccess(),)
