"""Tag, untag and list the tags of IAM entities.

Owns the table TAGGED: each action exists for every row. The files of the providers add their own rows.
Source: IAM API Reference, TagUser and the other tag actions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities import InstanceProfile, Named, Role, User
from daypass.directory.mfa_entities import MfaDevice
from daypass.errors import Fault
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.action import Asked, IamAction
from daypass.operations.iam.lookup import arn_of, get_named, get_own_policy
from daypass.operations.iam.mfa_owned import get_device
from daypass.operations.iam.paging import Paged, page_of_values
from daypass.operations.iam.tags import EXACT, FOLDED, Tag, TagRule
from daypass.operations.operation import Touches
from daypass.operations.world import World
from daypass.policy.question import ConditionKeys


@dataclass(frozen=True, slots=True)
class TaggedKind:
    """A kind of entity with tags: its action names, name member and lookup."""

    word: str
    member: str
    rule: TagRule
    get: Callable[[World, str, str], Named | MfaDevice]
    arn: Callable[[World, str, str], str]


def _named(type_: type[User | Role | InstanceProfile], rule: TagRule) -> TaggedKind:
    return TaggedKind(
        word=type_.__name__,
        member=f"{type_.__name__}Name",
        rule=rule,
        get=lambda world, account, name: get_named(world.reader, type_, account, name),
        arn=lambda world, account, name: arn_of(world.reader, type_, account, name),
    )


TAGGED = (
    _named(User, FOLDED),
    _named(Role, FOLDED),
    _named(InstanceProfile, EXACT),
    TaggedKind(
        word="Policy",
        member="PolicyArn",
        rule=EXACT,
        get=lambda world, account, arn: get_own_policy(world.reader, account, arn),
        arn=lambda _world, _account, arn: arn,
    ),
    TaggedKind(
        word="MFADevice",
        member="SerialNumber",
        rule=FOLDED,
        get=lambda world, account, serial: get_device(world.reader, account, serial),
        arn=lambda _world, _account, serial: serial,
    ),
)


class _Which(Asked, frozen=True):
    which: str


class _Tags(_Which, frozen=True):
    tags: tuple[Tag, ...]


class _Keys(_Which, frozen=True):
    tag_keys: tuple[str, ...]


class _Listed(Paged, frozen=True, kw_only=True):
    which: str


class _AboutTags(IamAction[Any]):
    verb = "{}"

    def __init__(self, kind: TaggedKind) -> None:
        self.kind = kind
        self.action = self.verb.format(kind.word)

    @property
    def spelled(self) -> Mapping[str, str]:
        """Map the entity's name to UserName, PolicyArn or another member."""
        return {"Which": self.kind.member}

    def resource(self, asked: Any, caller: Caller, world: World) -> str:
        """Return the entity's ARN."""
        return self.kind.arn(world, caller.account, asked.which)

    def context(self, asked: Any, caller: Caller, world: World) -> ConditionKeys:
        """Return the tags of the entity and those in the request."""
        return {**tagging.resource_tags(self._present(asked, caller, world)), **self.in_request(asked)}

    def in_request(self, asked: Any) -> ConditionKeys:
        """Return the condition keys of the tags in the request."""
        return {}

    def thing(self, asked: Any, caller: Caller, world: World) -> Named | MfaDevice:
        """Return the entity, or raise NoSuchEntity."""
        return self.kind.get(world, caller.account, asked.which)

    def _present(self, asked: Any, caller: Caller, world: World) -> dict[str, str]:
        try:
            return self.thing(asked, caller, world).tags
        except Fault:
            return {}  # A missing entity has no tags. NoSuchEntity is raised after the authorization.


class TagThing(_AboutTags):
    """Adds tags."""

    verb, takes, reach = "Tag{}", _Tags, Touches.WRITES

    def in_request(self, asked: Any) -> ConditionKeys:
        """Return the tags in the request."""
        return tagging.request_tags(asked.tags)

    def perform(self, asked: Any, caller: Caller, world: World) -> None:
        """Add the tags."""
        thing = self.thing(asked, caller, world)
        most = world.settings.quotas.tags
        tags = tagging.merge_tags(thing.tags, asked.tags, most=most, rule=self.kind.rule)
        records.replace(world.writer, msgspec.structs.replace(thing, tags=tags))


class UntagThing(_AboutTags):
    """Removes tags. A missing key is not an error."""

    verb, takes, reach = "Untag{}", _Keys, Touches.WRITES

    def in_request(self, asked: Any) -> ConditionKeys:
        """Return the tag keys in the request."""
        return tagging.tag_keys(asked.tag_keys)

    def perform(self, asked: Any, caller: Caller, world: World) -> None:
        """Remove the tags."""
        thing = self.thing(asked, caller, world)
        tags = tagging.drop_tags(thing.tags, asked.tag_keys, rule=self.kind.rule)
        records.replace(world.writer, msgspec.structs.replace(thing, tags=tags))


class ListTags(_AboutTags):
    """Lists tags."""

    verb, takes = "List{}Tags", _Listed

    def perform(self, asked: Any, caller: Caller, world: World) -> dict[str, Any]:
        """Return a page of tags, sorted by key."""
        shown = tagging.show_tags(self.thing(asked, caller, world).tags)
        return page_of_values(shown, asked, key=lambda tag: tag["Key"], show=dict, name="Tags")


OPERATIONS = tuple(action(kind) for action in (TagThing, UntagThing, ListTags) for kind in TAGGED)
