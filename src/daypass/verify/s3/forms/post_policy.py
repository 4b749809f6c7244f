"""The policy document of an upload by an HTML form.

Owns the conditions that the signer of a form set: expiration, fields and length. Leaves the signature to post_form.py.
Rules:
- every field of the form is named by a condition, except the signature, the policy, the file and x-ignore-*;
- every condition holds, after ${filename} was replaced; a condition about an absent field does not hold;
- the bucket is named by a condition.
Source: Amazon S3 API Reference, "Creating a POST policy".
"""

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from daypass.strict_json import JsonReader, NotStrictJsonError
from daypass.verify.s3.errors import S3Error, s3_error

_READER = JsonReader(max_depth=5, max_characters=64 * 1024, refuses_nul=True)
_EXPIRATION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z", re.ASCII)
_NOT_COVERED = frozenset({"x-amz-signature", "policy", "file"})
_IGNORED = "x-ignore-"
_LIST_FIELD, _LONGEST_LIST = "content-type", 1_024  # each condition compares each part of the list
_PROPOSED, _LARGEST = "ProposedSize", 5 * 1024**3


class PostCondition(msgspec.Struct, frozen=True):
    """A condition about one field. `operator` is eq or starts-with."""

    operator: str
    field: str
    value: str

    def holds(self, actual: str | None) -> bool:
        """Return whether a value fulfils the condition."""
        if actual is None:
            return False
        if self.operator == "eq":
            return actual == self.value
        if self.field == _LIST_FIELD and len(actual) > _LONGEST_LIST:
            return False
        parts = actual.split(",") if self.field == _LIST_FIELD else [actual]
        return all(
            part.strip().startswith(self.value) if len(parts) > 1 else part.startswith(self.value) for part in parts
        )


class PostPolicy(msgspec.Struct, frozen=True):
    """A parsed document. `smallest` and `largest` limit the file, in bytes."""

    expiration: datetime
    conditions: tuple[PostCondition, ...]
    smallest: int = 0
    largest: int = _LARGEST


def parse_post_policy(encoded: str) -> PostPolicy:
    """Return the policy of the form's field. Raises S3Error."""
    try:
        document = _READER.read_object(b64decode(encoded, validate=True))
    except (Base64Error, ValueError, NotStrictJsonError) as problem:
        raise _invalid("Invalid JSON.") from problem
    if document.keys() != {"expiration", "conditions"}:
        raise _invalid("a policy has exactly the members expiration and conditions.")
    conditions = document["conditions"]
    if not isinstance(conditions, list) or not conditions:
        raise _invalid("conditions must be a list that is not empty.")
    parsed = [_parse_condition(each) for each in conditions]
    ranges = [each for each in parsed if isinstance(each, tuple)]
    if len(ranges) > 1:
        raise _invalid("content-length-range is given twice.")
    fields = tuple(each for each in parsed if isinstance(each, PostCondition))
    return PostPolicy(_parse_expiration(document["expiration"]), fields, *(ranges[0] if ranges else ()))


def _parse_expiration(value: Any) -> datetime:
    found = _EXPIRATION.fullmatch(value) if isinstance(value, str) else None
    try:
        if found is not None:
            return datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        pass
    raise _invalid("Invalid 'expiration' value.")


def _parse_condition(condition: Any) -> PostCondition | tuple[int, int]:
    match condition:
        case {**pair} if len(pair) == 1:
            ((name, value),) = pair.items()
            return _field_condition("eq", f"${name}", value)
        case [str(operator), smallest, largest] if operator.lower() == "content-length-range":
            return _parse_range(smallest, largest)
        case [str(operator), str(name), value] if operator.lower() in ("eq", "starts-with"):
            return _field_condition(operator.lower(), name, value)
    raise _invalid("Invalid condition.")


def _field_condition(operator: str, name: str, value: Any) -> PostCondition:
    if not isinstance(value, str) or not name.startswith("$"):
        raise _invalid("a condition compares the field $name with a string.")
    return PostCondition(operator, name[1:].lower(), value)


def _parse_range(*limits: Any) -> tuple[int, int]:
    numbers = [int(each) if isinstance(each, str) and each.isdecimal() else each for each in limits]
    smallest, largest = numbers
    if type(smallest) is not int or type(largest) is not int or not 0 <= smallest <= largest:
        raise _invalid("content-length-range needs two numbers.")
    return smallest, largest


def check_post_policy(
    policy: PostPolicy, fields: Mapping[str, str], *, bucket: str, length: int, now: datetime
) -> None:
    """Raise S3Error unless the form fulfils the policy.

    `fields` have lower-case names and expanded values; `length` is that of the file.
    """
    if now >= policy.expiration:
        raise _violated("Policy expired.")
    values = {**fields, "bucket": bucket}
    for each in policy.conditions:
        if not each.holds(values.get(each.field)):
            shown = json.dumps([each.operator, f"${each.field}", each.value])
            raise _violated(f"Policy Condition failed: {shown}")
    covered = {each.field for each in policy.conditions}
    if "bucket" not in covered:
        raise _violated("Policy Condition failed: the policy does not name the bucket")
    extra = [name for name in fields if name not in covered | _NOT_COVERED and not name.startswith(_IGNORED)]
    if extra:
        raise _violated(f"Extra input fields: {', '.join(sorted(extra))[:256]}")
    if length > policy.largest:
        raise s3_error("EntityTooLarge", **{_PROPOSED: str(length), "MaxSizeAllowed": str(policy.largest)})
    if length < policy.smallest:
        raise s3_error("EntityTooSmall", **{_PROPOSED: str(length), "MinSizeAllowed": str(policy.smallest)})


def _invalid(what: str) -> S3Error:
    return s3_error("InvalidPolicyDocument", f"Invalid Policy: {what}")


def _violated(what: str) -> S3Error:
    return s3_error("AccessDenied", f"Invalid according to Policy: {what}")
