"""The base class of IAM's actions: one resource, permission and account.

A subclass declares its parameters (a msgspec Struct), the resource of the permission, the condition keys, and the work,
which runs in the transaction of the authorization.
Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM".
"""

from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from daypass.authenticate.caller import Caller
from daypass.directory.entities.iam_entities import Named
from daypass.directory.store import Reader
from daypass.operations.iam.tags import request_tags
from daypass.operations.operation import Authorized, PermissionCheck, Result, Signed, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys, resource_tags


class IamParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of an action. Subclasses declare them in snake_case.

    A name of AWS's that is not pascal case needs msgspec.field(name=…).
    """


class Nothing(IamParams, frozen=True):
    """The parameters of an action without parameters."""


A = TypeVar("A", bound=IamParams)


class IamAction(Signed[A], Generic[A]):
    """One action of IAM.

    A subclass sets `action` and `takes`, and `access` to WRITE if it changes entities.
    """

    service = "iam"
    action: str
    takes: type[A]
    access = StoreAccess.READ

    def resource(self, params: A, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN of the resource, or `*` if the action has no resource."""
        return "*"

    def context(self, params: A, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the condition keys of the action."""
        return {}

    def permissions(self, params: A, caller: Caller, ctx: RequestContext) -> tuple[PermissionCheck, ...]:
        """Require `iam:<action>` on the resource."""
        return (
            PermissionCheck(
                action=f"iam:{self.action}",
                resource=self.resource(params, caller, ctx),
                account=caller.account,
                context=self.context(params, caller, ctx),
            ),
        )

    def run(self, authorized: Authorized[A], ctx: RequestContext) -> Result:
        """Perform the action and return its result."""
        return self.perform(authorized.params, authorized.caller, ctx) or {}

    def perform(self, params: A, caller: Caller, ctx: RequestContext) -> dict[str, Any] | None:
        """Perform the action in the caller's account and return the members."""
        raise AssertionError(f"{self.action} has no body")


class AboutArn(IamAction[Any]):
    """An action about one existing entity that the request names by its ARN.

    The resource is this ARN. The entity's tags are condition keys. `named` is the parameter with the ARN.
    """

    named = "arn"

    def resource(self, params: Any, caller: Caller, ctx: RequestContext) -> str:
        """Return the entity's ARN."""
        return str(getattr(params, self.named))

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the entity's tags."""
        found = self.find(ctx.reader, caller.account, self.resource(params, caller, ctx))
        return {} if found is None else resource_tags(found.tags)

    def find(self, reader: Reader, account: str, arn: str) -> Named | None:
        """Return the entity, or None if the account cannot see it."""
        raise AssertionError(f"{self.action} does not implement find")


class CreateWithTags(IamAction[Any]):
    """An action that creates an entity and can tag it.

    A subclass sets `tag_action`, such as `iam:TagUser`.
    """

    access = StoreAccess.WRITE
    tag_action: str

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the tags that the entity will have."""
        return request_tags(params.tags)

    def permissions(self, params: Any, caller: Caller, ctx: RequestContext) -> tuple[PermissionCheck, ...]:
        """Require the permission to tag too if the request has tags.

        Source: IAM User Guide, "Tagging IAM resources".
        """
        check = super().permissions(params, caller, ctx)
        return (*check, replace(check[0], action=self.tag_action)) if params.tags else check
