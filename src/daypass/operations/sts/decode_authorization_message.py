"""sts:DecodeAuthorizationMessage: open the encoded message of a denial.

Owns the resulting JSON: AWS's members first, then ours, with the policy and the missing condition keys. Only callers of
the refused account can open a message; for others it is not valid.
Source: STS API Reference, DecodeAuthorizationMessage.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from daypass.operations.authorization_message import Condition, DenialNote, StatementNote, TypeNote, open_message
from daypass.operations.operation import Authorized, Result, StoreAccess, WithoutResource
from daypass.operations.request_context import RequestContext


class DecodeAuthorizationMessageParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of DecodeAuthorizationMessage."""

    encoded_message: str


class DecodeAuthorizationMessage(WithoutResource[DecodeAuthorizationMessageParams]):
    """Shows the details of a denial."""

    service, action, access = "sts", "DecodeAuthorizationMessage", StoreAccess.CACHE
    takes = DecodeAuthorizationMessageParams

    def run(self, authorized: Authorized[DecodeAuthorizationMessageParams], ctx: RequestContext) -> Result:
        """Return the message as JSON."""
        text = authorized.params.encoded_message.strip()
        note = open_message(text, account=authorized.caller.account, sealing_ring=ctx.sealing_ring)
        return {"DecodedMessage": msgspec.json.encode(show_note(note)).decode()}


def show_note(note: DenialNote) -> dict[str, Any]:
    """Return a message under AWS's names."""
    return {
        "allowed": False,
        "explicitDeny": note.explicit,
        "matchedStatements": _items(map(_statement, note.matched)),
        "failures": _items([{"message": "A policy could not be evaluated."}] if note.failed else []),
        "context": {
            "principal": {"id": note.principal_id, "name": note.principal_name, "arn": note.principal_arn},
            "action": note.action,
            "resource": note.resource,
            "conditions": _items(map(_condition, note.context)),
        },
        "reason": note.reason,
        "time": datetime.fromtimestamp(note.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "onlyOwnAccount": note.own_side,
        "policyTypes": [_type(one) for one in note.types],
        "closestStatements": [{**_statement(one), "misses": list(one.against)} for one in note.closest],
        "missingContextKeys": list(note.missing),
        "truncated": note.is_cut,
    }


def _type(note: TypeNote) -> dict[str, Any]:
    level = {} if note.level is None else {"level": note.level}
    return {"type": note.policy_type, **level, "decision": note.outcome, "policies": note.policies}


def _statement(note: StatementNote) -> dict[str, Any]:
    return {
        "statementId": note.sid,
        "effect": "ALLOW" if note.allow else "DENY",
        "principals": _values(note.principals),
        "principalGroups": _items([]),
        "actions": _values(note.actions),
        "resources": _values(note.resources),
        "conditions": _items(map(_condition, note.conditions)),
        "policyType": note.policy_type,
        "policyId": note.policy,
        "policyOwner": note.owner,
        "statementIndex": note.index,
    }


def _condition(condition: Condition) -> dict[str, Any]:
    operator = {"operator": condition.operator} if condition.operator else {}
    return {**operator, "key": condition.key, "values": _values(condition.values)}


def _values(values: Iterable[str]) -> dict[str, Any]:
    return _items({"value": value} for value in values)


def _items(items: Iterable[Any]) -> dict[str, Any]:
    return {"items": list(items)}
