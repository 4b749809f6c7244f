"""One statement of a policy, as written: the output of the parser.

Owns the values. Leaves their meaning to compiled.py and the modules that it imports. Source: IAM User Guide, "IAM JSON
policy elements reference".
"""

import msgspec


class ConditionTest(msgspec.Struct, frozen=True):
    """One key under one operator, both as the author wrote them."""

    operator: str
    key: str
    values: tuple[str, ...]


class PrincipalName(msgspec.Struct, frozen=True):
    """One name of a Principal element.

    Its type is AWS, Service, Federated or CanonicalUser.
    """

    type: str
    value: str


class Statement(msgspec.Struct, frozen=True):
    """One statement.

    `principals` and `resources` are None if the element is absent.
    """

    index: int
    sid: str
    allow: bool
    principals: tuple[PrincipalName, ...] | None
    not_principal: bool
    actions: tuple[str, ...]
    not_action: bool
    resources: tuple[str, ...] | None
    not_resource: bool
    conditions: tuple[ConditionTest, ...]
