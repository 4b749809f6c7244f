"""The shape that IAM's actions share: one resource, one permission, one account.

Owns the base class. An action of IAM says which parameters it takes (a msgspec Struct), which resource it is asked
about, which condition keys it brings, and what it does inside the transaction that also decided about it.
Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM".
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from daypass.authenticate.caller import Caller
from daypass.operations.iam.tags import request_tags
from daypass.operations.operation import Asking, Authorized, Params, Result, Signed, Touches
from daypass.operations.world import World

Context = Mapping[str, str | tuple[str, ...]]


class Asked(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of an action, under AWS's names in snake_case. Subclasses name them.

    A member whose name pascal case does not give (UserName from user_name) is declared with msgspec.field(name=…).
    """


class Nothing(Asked, frozen=True):
    """No parameters."""


A = TypeVar("A", bound=Asked)


class IamAction(Signed[A], Generic[A]):
    """One action of IAM.

    A subclass sets `action` and `takes`, and `reach` to WRITES where it changes anything.
    """

    service = "iam"
    action: str
    takes: type[A]
    reach = Touches.READS

    def parse(self, params: Params) -> A:
        """Return the parameters, typed. `spelled` names those whose name differs from action to action."""
        renamed = {name: params[member] for name, member in self.spelled.items() if member in params}
        return msgspec.convert({**params, **renamed}, self.takes)

    def resource(self, asked: A, caller: Caller, world: World) -> str:
        """Return the ARN that the permission is asked about. `*` where the action names no resource."""
        return "*"

    def context(self, asked: A, caller: Caller, world: World) -> Context:
        """Return the condition keys that the action brings."""
        return {}

    def question(self, asked: A, caller: Caller, world: World) -> tuple[Asking, ...]:
        """Ask for `iam:<action>` on the resource."""
        return (
            Asking(
                action=f"iam:{self.action}",
                resource=self.resource(asked, caller, world),
                account=caller.account,
                context=self.context(asked, caller, world),
            ),
        )

    def run(self, authorized: Authorized[A], world: World) -> Result:
        """Do it."""
        return self.perform(authorized.asked, authorized.caller, world) or {}

    def perform(self, asked: A, caller: Caller, world: World) -> dict[str, Any] | None:
        """Do what is asked, in the caller's account, and return the answer's members."""
        raise AssertionError(f"{self.action} has no body")


class CreateWithTags(IamAction[Any]):
    """An action that creates a thing and may tag it. A subclass sets `tag_action`, such as `iam:TagUser`."""

    reach = Touches.WRITES
    tag_action: str

    def context(self, asked: Any, caller: Caller, world: World) -> Context:
        """Return the tags that the thing will have."""
        return request_tags(asked.tags)

    def question(self, asked: Any, caller: Caller, world: World) -> tuple[Asking, ...]:
        """Ask for the permission to tag as well if tags are given: IAM User Guide, "Tagging IAM resources"."""
        asking = super().question(asked, caller, world)
        return (*asking, replace(asking[0], action=self.tag_action)) if asked.tags else asking
