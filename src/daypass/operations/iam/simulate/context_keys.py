"""GetContextKeysForCustomPolicy and GetContextKeysForPrincipalPolicy.

They return each condition key of a condition or a variable, once and as the policy spells it. A simulation needs their
values.
Source: IAM API Reference.
"""

from collections.abc import Iterable
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.errors import InvalidInput, MalformedPolicyDocument
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.simulate.simulate_inputs import check_characters
from daypass.operations.iam.simulate.simulate_sources import get_holder
from daypass.operations.request_context import RequestContext
from daypass.policy.language.document import Document, DocumentKind
from daypass.policy.language.keys import context_keys
from daypass.policy.language.saved_documents import check_beginning, parse_new_document


class _GetContextKeysForCustomPolicyParams(IamParams, frozen=True):
    policy_input_list: tuple[str, ...]


class _GetContextKeysForPrincipalPolicyParams(IamParams, frozen=True):
    policy_source_arn: str
    policy_input_list: tuple[str, ...] = ()


class GetContextKeysForCustomPolicy(IamAction[_GetContextKeysForCustomPolicyParams]):
    """Lists the condition keys of the policies in the request."""

    action, takes = "GetContextKeysForCustomPolicy", _GetContextKeysForCustomPolicyParams

    def perform(
        self, params: _GetContextKeysForCustomPolicyParams, caller: Caller, ctx: RequestContext
    ) -> dict[str, Any]:
        """Return the keys."""
        return _show(_read(params.policy_input_list))


class GetContextKeysForPrincipalPolicy(IamAction[_GetContextKeysForPrincipalPolicyParams]):
    """Lists the condition keys of the policies of a user, group or role.

    A user's include those of its groups.
    """

    action, takes = "GetContextKeysForPrincipalPolicy", _GetContextKeysForPrincipalPolicyParams

    def resource(self, params: _GetContextKeysForPrincipalPolicyParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN of the user, group or role."""
        return params.policy_source_arn

    def perform(
        self, params: _GetContextKeysForPrincipalPolicyParams, caller: Caller, ctx: RequestContext
    ) -> dict[str, Any]:
        """Return the keys."""
        holder = get_holder(params.policy_source_arn, caller.account, ctx)
        return _show([*(policy.document for policy in holder.policies), *_read(params.policy_input_list)])


def _read(texts: tuple[str, ...]) -> list[Document]:
    check_characters(texts)
    return [_document(text, place) for place, text in enumerate(texts, start=1)]


def _document(text: str, place: int) -> Document:
    """Return a policy of any kind: resource policies have condition keys too."""
    first: MalformedPolicyDocument | None = None
    for kind in (DocumentKind.IDENTITY, DocumentKind.RESOURCE, DocumentKind.TRUST):
        try:
            check_beginning(text, kind)
            return parse_new_document(text, kind)
        except MalformedPolicyDocument as problem:
            first = first or problem
    words = "" if first is None else first.message
    raise InvalidInput(f"PolicyInputList.{place}: {words}")


def _show(documents: Iterable[Document]) -> dict[str, Any]:
    found: dict[str, str] = {}
    for document in documents:
        for key in context_keys(document):
            found.setdefault(key.lower(), key)
    return {"ContextKeyNames": list(found.values())}


OPERATIONS = (GetContextKeysForCustomPolicy(), GetContextKeysForPrincipalPolicy())
