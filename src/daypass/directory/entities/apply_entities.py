"""The records of `daypass apply` and `daypass import`.

Owns the fields of created entities, their origin, and unresolved principals.
"""

from typing import Literal

import msgspec

from daypass.directory.entities.iam_entities import Entity


class Mark(Entity, frozen=True, kw_only=True):
    """The changes that a file has made to one entity.

    `thing` is the entity's unique id, so that a new one of the same name is not owned. `owner` is the name of the
    file's set. `made`: the file has created the entity. `values` names the attributes that it has set, and `parts` the
    parts of attributes (attached policies, tags …) that it has added.
    """

    owner: str
    account: str
    thing: str
    kind: str
    made: bool = False
    values: tuple[str, ...] = ()
    parts: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


class Origin(Entity, frozen=True, kw_only=True):
    """The target account of an imported account, for the next import."""

    origin: str
    account: str


class UnresolvedPrincipal(Entity, frozen=True, kw_only=True):
    """An unresolved principal of a trust policy.

    `id`, in the policy, has the form of a unique id but is longer than any issued one. `text` is displayed instead, and
    `type` is the principal's kind.
    """

    id: str
    type: Literal["AWS", "Federated"]
    text: str
