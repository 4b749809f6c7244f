"""Pagination of lists: Marker, MaxItems and IsTruncated.

Owns the form of the marker: the end of the last page, in base64 because it is opaque. It contains no secret and grants
no access: a forged one only moves the start of the list.
Source: IAM API Reference, the pagination of every List action.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory.entities.iam_entities import Group, InstanceProfile, Role, User
from daypass.directory.records import each_by_path
from daypass.errors import ValidationError
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.lookup import KINDS, show_named
from daypass.operations.request_context import RequestContext

DEFAULT_ITEMS = 100
_BATCH = DEFAULT_ITEMS + 1  # the next item shows that the list continues
T = TypeVar("T")


class Paged(IamParams, frozen=True):
    """The parameters of every list."""

    marker: str = ""
    max_items: int = DEFAULT_ITEMS


class PagedByPath(Paged, frozen=True):
    """The parameters of a list of entities with paths."""

    path_prefix: str = "/"


def read_marker(marker: str) -> str:
    """Return the position where a list continues.

    Raises ValidationError for a marker that Daypass did not create.
    """
    if not marker:
        return ""
    try:
        return base64.b64decode(marker.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise ValidationError("Invalid Marker") from error


def make_marker(after: str) -> str:
    """Return the marker of the page that starts after `after`."""
    return base64.urlsafe_b64encode(after.encode()).decode()


def page_of_stream(
    places: Iterable[tuple[str, T]], params: Paged, *, show: Callable[[T], Any], name: str
) -> dict[str, Any]:
    """Return the first items of a stream as the members of an answer.

    The stream begins after the request's marker.
    """
    found = list(islice(places, params.max_items + 1))
    last = found[params.max_items - 1][0] if len(found) > params.max_items else None
    return {name: [show(item) for _, item in found[: params.max_items]]} | truncation(last)


class ListNamed(IamAction[PagedByPath]):
    """An action that lists users, groups, roles or instance profiles by path.

    `name` is the member with the list.
    """

    takes = PagedByPath
    entity: type[User] | type[Group] | type[Role] | type[InstanceProfile]
    name: str

    def resource(self, params: PagedByPath, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN of the entities below the path."""
        return iam_arn(caller.account, KINDS[self.entity], params.path_prefix, "")

    def perform(self, params: PagedByPath, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of entities."""
        after = read_marker(params.marker)
        places = each_by_path(ctx.reader, self.entity, caller.account, params.path_prefix, after, batch=_BATCH)
        return page_of_stream(places, params, show=lambda thing: self.show(thing, ctx), name=self.name)

    def show(self, thing: Any, ctx: RequestContext) -> dict[str, Any]:
        """Return an entity as the list shows it."""
        return show_named(thing)


def page_of_values(
    values: Sequence[T], params: Paged, *, key: Callable[[T], str], show: Callable[[T], Any], name: str
) -> dict[str, Any]:
    """Return one page of `values`, sorted by `key`, as members of an answer."""
    after = read_marker(params.marker)
    places = sorted(((key(value), value) for value in values), key=lambda place: place[0])
    return page_of_stream((place for place in places if place[0] > after), params, show=show, name=name)


def truncation(last: str | None) -> dict[str, Any]:
    """Return the members that say whether the list continues, and where."""
    return {"IsTruncated": False} if last is None else {"IsTruncated": True, "Marker": make_marker(last)}
