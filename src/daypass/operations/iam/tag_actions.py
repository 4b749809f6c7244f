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
from daypass.directory.entities.iam_entities import InstanceProfile, Named, Role, User
from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.errors import Fault
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.lookup import arn_of, get_named, get_own_policy
from daypass.operations.iam.mfa.device_owners import get_device
from daypass.operations.iam.paging import Paged, page_of_values
from daypass.operations.iam.tags import EXACT, FOLDED, Tag, TagRule
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys, resource_tags


@dataclass(frozen=True, slots=True)
class TaggedKind:
    """A kind of entity with tags: its action names, name member and lookup."""

    word: str
    member: str
    rule: TagRule
    get: Callable[[RequestContext, str, str], Named | MfaDevice]
    arn: Callable[[RequestContext, str, str], str]


def _named(type_: type[User | Role | InstanceProfile], rule: TagRule) -> TaggedKind:
    return TaggedKind(
        word=type_.__name__,
        member=f"{type_.__name__}Name",
        rule=rule,
        get=lambda ctx, account, name: get_named(ctx.reader, type_, account, name),
        arn=lambda ctx, account, name: arn_of(ctx.reader, type_, account, name),
    )


TAGGED = (
    _named(User, FOLDED),
    _named(Role, FOLDED),
    _named(InstanceProfile, EXACT),
    TaggedKind(
        word="Policy",
        member="PolicyArn",
        rule=EXACT,
        get=lambda ctx, account, arn: get_own_policy(ctx.reader, account, arn),
        arn=lambda _context, _account, arn: arn,
    ),
    TaggedKind(
        word="MFADevice",
        member="SerialNumber",
        rule=FOLDED,
        get=lambda ctx, account, serial: get_device(ctx.reader, account, serial),
        arn=lambda _context, _account, serial: serial,
    ),
)


class _TaggedResourceParams(IamParams, frozen=True):
    which: str


class _TagParams(_TaggedResourceParams, frozen=True):
    tags: tuple[Tag, ...]


class _UntagParams(_TaggedResourceParams, frozen=True):
    tag_keys: tuple[str, ...]


class _ListTagsParams(Paged, frozen=True, kw_only=True):
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

    def resource(self, params: Any, caller: Caller, ctx: RequestContext) -> str:
        """Return the entity's ARN."""
        return self.kind.arn(ctx, caller.account, params.which)

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the tags of the entity and those in the request."""
        return {**resource_tags(self._present(params, caller, ctx)), **self.in_request(params)}

    def in_request(self, params: Any) -> ConditionKeys:
        """Return the condition keys of the tags in the request."""
        return {}

    def thing(self, params: Any, caller: Caller, ctx: RequestContext) -> Named | MfaDevice:
        """Return the entity, or raise NoSuchEntity."""
        return self.kind.get(ctx, caller.account, params.which)

    def _present(self, params: Any, caller: Caller, ctx: RequestContext) -> dict[str, str]:
        try:
            return self.thing(params, caller, ctx).tags
        except Fault:
            return {}  # A missing entity has no tags. NoSuchEntity is raised after the authorization.


class TagThing(_AboutTags):
    """Adds tags."""

    verb, takes, access = "Tag{}", _TagParams, StoreAccess.WRITE

    def in_request(self, params: Any) -> ConditionKeys:
        """Return the tags in the request."""
        return tagging.request_tags(params.tags)

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Add the tags."""
        thing = self.thing(params, caller, ctx)
        most = ctx.settings.quotas.tags
        tags = tagging.merge_tags(thing.tags, params.tags, most=most, rule=self.kind.rule)
        records.replace(ctx.writer, msgspec.structs.replace(thing, tags=tags))


class UntagThing(_AboutTags):
    """Removes tags. A missing key is not an error."""

    verb, takes, access = "Untag{}", _UntagParams, StoreAccess.WRITE

    def in_request(self, params: Any) -> ConditionKeys:
        """Return the tag keys in the request."""
        return tagging.tag_keys(params.tag_keys)

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Remove the tags."""
        thing = self.thing(params, caller, ctx)
        tags = tagging.drop_tags(thing.tags, params.tag_keys, rule=self.kind.rule)
        records.replace(ctx.writer, msgspec.structs.replace(thing, tags=tags))


class ListTags(_AboutTags):
    """Lists tags."""

    verb, takes, access = "List{}Tags", _ListTagsParams, StoreAccess.SHORT_READ

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of tags, sorted by key."""
        shown = tagging.show_tags(self.thing(params, caller, ctx).tags)
        return page_of_values(shown, params, key=lambda tag: tag["Key"], show=dict, name="Tags")


OPERATIONS = tuple(action(kind) for action in (TagThing, UntagThing, ListTags) for kind in TAGGED)
