"""What `daypass apply` and `daypass import` remember: what they made, where it came from, who stays a stranger.

Owns the fields. They are stored like every entity; see records.py.
"""

from typing import Literal

import msgspec

from daypass.directory.entities import Entity


class Mark(Entity, frozen=True, kw_only=True):
    """What a file has made of one thing. `thing` is its unique id, so that one made anew is nobody's.

    `owner` is the name of the file's set. `made` says that the thing itself was made by it, `values` names the
    attributes that it has set, and `parts` the parts of attributes (attached policies, tags …) that it has added.
    """

    owner: str
    account: str
    thing: str
    kind: str
    made: bool = False
    values: tuple[str, ...] = ()
    parts: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


class Origin(Entity, frozen=True, kw_only=True):
    """Where the things of an account elsewhere were brought to, so that they go there again."""

    origin: str
    account: str


class Stranger(Entity, frozen=True, kw_only=True):
    """A principal of a trust policy that nobody here is meant by, nor ever will be.

    `id` has the form of a unique id, is longer than any that is given out, and stands in the policy; `text` is what
    is shown in its place, and `type` the kind of principal that it was.
    """

    id: str
    type: Literal["AWS", "Federated"]
    text: str
