"""Lists in pages: Marker, MaxItems and IsTruncated.

Owns the marker's form: where the last page ended, in base64, so that it reads as the opaque text it is. It holds
nothing secret and grants nothing: a made-up marker only begins a list elsewhere.
Source: IAM API Reference, the pagination of every List action.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from daypass.directory.store import Reader, Record
from daypass.errors import ValidationError
from daypass.operations.iam.action import Asked

DEFAULT_ITEMS = 100
T = TypeVar("T")


class Paged(Asked, frozen=True):
    """The parameters of every list."""

    marker: str = ""
    max_items: int = DEFAULT_ITEMS


def read_marker(marker: str) -> str:
    """Return where a list goes on, or raise ValidationError for a marker that we did not make."""
    if not marker:
        return ""
    try:
        return base64.urlsafe_b64decode(marker.encode("ascii")).decode()
    except (binascii.Error, ValueError) as error:
        raise ValidationError("Invalid Marker") from error


def make_marker(after: str) -> str:
    """Return the marker that goes on after `after`."""
    return base64.urlsafe_b64encode(after.encode()).decode()


def page_of_records(  # noqa: PLR0913 - what is listed, which part of it, and how it is shown
    reader: Reader,
    kind: str,
    account: str,
    asked: Paged,
    *,
    prefix: str,
    show: Callable[[Record], Any],
    name: str,
) -> dict[str, Any]:
    """Return one page of a kind of thing as the answer's members, shown under `name`."""
    found = reader.page(kind, account, after=read_marker(asked.marker), limit=asked.max_items + 1, prefix=prefix)
    answer: dict[str, Any] = {name: [show(record) for record in found[: asked.max_items]]}
    more = len(found) > asked.max_items
    return answer | _truncation(found[asked.max_items - 1].sort if more else None)


def page_of_values(
    values: Sequence[T], asked: Paged, *, key: Callable[[T], str], show: Callable[[T], Any], name: str
) -> dict[str, Any]:
    """Return one page of values that are at hand, ordered by `key`, as the answer's members."""
    after = read_marker(asked.marker)
    ordered = sorted((value for value in values if key(value) > after), key=key)
    shown = ordered[: asked.max_items]
    last = key(shown[-1]) if len(ordered) > len(shown) else None
    return {name: [show(value) for value in shown]} | _truncation(last)


def _truncation(last: str | None) -> dict[str, Any]:
    return {"IsTruncated": False} if last is None else {"IsTruncated": True, "Marker": make_marker(last)}
