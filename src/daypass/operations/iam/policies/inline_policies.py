"""Inline policies of users, groups and roles: put, get, list, delete.

Owns the quota, which a holder's policies share and in which white space does not count.
Source: IAM API Reference, PutRolePolicy and the other inline policy actions; AWS's recorded answers.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.errors import LimitExceeded, NoSuchEntity
from daypass.operations.iam.iam_action import IamParams
from daypass.operations.iam.lookup import require_changeable
from daypass.operations.iam.paging import Paged, page_of_values
from daypass.operations.iam.policies.policy_documents import check_inline, show_document
from daypass.operations.iam.policies.policy_holders import HOLDERS, AboutHolder, HolderEntity
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.language.document import size_of


class _InlinePolicyParams(IamParams, frozen=True):
    holder_name: str
    policy_name: str


class _PutInlinePolicyParams(_InlinePolicyParams, frozen=True):
    policy_document: str


class _ListInlinePoliciesParams(Paged, frozen=True, kw_only=True):
    holder_name: str


class Put(AboutHolder):
    """Stores an inline policy, in place of one of the same name."""

    verb, takes, access = "Put{}Policy", _PutInlinePolicyParams, StoreAccess.WRITE

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Store the policy, or raise LimitExceeded if all of them are too large."""
        holder = self.holder(params, caller, ctx)
        require_changeable(holder)
        size = check_inline(params.policy_document)
        others = {name: text for name, text in holder.inline.items() if name != params.policy_name}
        most = self.kind.inline_most(ctx.settings.quotas)
        if size + sum(size_of(text, count_white_space=False) for text in others.values()) > most:
            raise LimitExceeded(f"Maximum policy size of {most} bytes exceeded for {self.kind.noun} {holder.name}")
        _keep(ctx, holder, {**others, params.policy_name: params.policy_document})


class Get(AboutHolder):
    """Shows an inline policy."""

    verb, takes, access = "Get{}Policy", _InlinePolicyParams, StoreAccess.SHORT_READ

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the policy document."""
        holder = self.holder(params, caller, ctx)
        return {
            self.kind.name_member: holder.name,
            "PolicyName": params.policy_name,
            "PolicyDocument": show_document(self._text(holder, params.policy_name)),
        }

    def _text(self, holder: HolderEntity, name: str) -> str:
        require_inline(holder, self.kind.noun, name)
        return holder.inline[name]


class List(AboutHolder):
    """Lists the names of inline policies."""

    verb, takes, access = "List{}Policies", _ListInlinePoliciesParams, StoreAccess.SHORT_READ

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of names."""
        holder = self.holder(params, caller, ctx)
        return page_of_values(list(holder.inline), params, key=str, show=str, name="PolicyNames")


class Delete(AboutHolder):
    """Deletes an inline policy."""

    verb, takes, access = "Delete{}Policy", _InlinePolicyParams, StoreAccess.WRITE

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Delete the policy."""
        holder = self.holder(params, caller, ctx)
        require_changeable(holder)
        require_inline(holder, self.kind.noun, params.policy_name)
        _keep(ctx, holder, {name: text for name, text in holder.inline.items() if name != params.policy_name})


def require_inline(holder: HolderEntity, noun: str, name: str) -> None:
    """Refuse the name of an inline policy that does not exist."""
    if name not in holder.inline:
        raise NoSuchEntity(f"The {noun} policy with name {name} cannot be found.")


def _keep(ctx: RequestContext, holder: HolderEntity, inline: dict[str, str]) -> None:
    records.replace(ctx.writer, msgspec.structs.replace(holder, inline=inline))


OPERATIONS = tuple(action(kind) for action in (Put, Get, List, Delete) for kind in HOLDERS)
