"""The records of `daypass apply` and `daypass import`.

These are created entities, their origin, and unresolved principals. Owns the fields. They are stored like every entity;
see records.py.
"""

from typing import Literal

import msgspec

from daypass.directory.entities.iam_entities import Entity


class Mark(Entity, frozen=True, kw_only=True):
    """The changes that a file has made to one entity.

    `thing` is the unique id of the entity, so that a new entity of the same name is not owned. `owner` is the name of
    the file's set. `made` says that the file has created the entity, `values` names the attributes that it has set, and
    `parts` the parts of attributes (attached policies, tags …) that it has added.
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

    It does not exist in this store, and its id is never issued. `id` has the form of a unique id, is longer than any
    issued one, and is in the policy; `text` is displayed instead, and `type` is the kind of the principal.
    """

    id: str
    type: Literal["AWS", "Federated"]
    text: str
