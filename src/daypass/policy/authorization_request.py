"""The input of the engine: principal, action, resource and context.

Owns the values of a request, the condition keys of a resource's tags, and the count of characters with which patterns
are compared. Leaves their collection to authorize/. Source: IAM User Guide, "The request context".
"""

from collections.abc import Mapping
from enum import Enum
from itertools import filterfalse

import msgspec

from daypass.policy.wildcard import LONGEST_REMEMBERED

ContextValue = str | tuple[str, ...]
ConditionKeys = Mapping[str, ContextValue]
NewConditionKeys = dict[str, ContextValue]
"""Condition keys while they are collected."""

MOST_WORK = 50_000_000
"""The limit of one decision, in pattern characters times value characters. Beyond it the request is refused."""

LONGEST_VALUE = LONGEST_REMEMBERED
"""The longest string, in characters, for which the quick estimate (`affordable`) is used."""

CALL = 32  # minimum cost of a comparison, in characters
_set = msgspec.structs.force_setattr
_is_text = str.__instancecheck__  # isinstance(value, str) for map and filter
_FORGOTTEN = 8  # cost factor for each character of a string that is too long for the cache of wildcard.py


class PrincipalKind(Enum):
    """The kind of a caller."""

    __hash__ = object.__hash__  # each member is one object; Enum's own hash is a call of Python

    ROOT = "Root"
    USER = "User"
    ROLE_SESSION = "AssumedRole"
    FEDERATED_USER = "FederatedUser"
    WEB_IDENTITY = "WebIdentityUser"
    SAML = "SAMLUser"
    SERVICE = "AWSService"
    ANONYMOUS = "Anonymous"


class Principal(msgspec.Struct, frozen=True):
    """The caller, with every name that a policy may use for it.

    Missing names are empty, and an empty name never matches. A `delegated` caller acts on behalf of another principal:
    its session policies limit it even if a resource policy names that principal.
    """

    kind: PrincipalKind
    account: str
    arn: str
    issuer_arn: str = ""
    unique_id: str = ""
    session_id: str = ""
    federated: str = ""
    service: str = ""
    delegated: bool = False


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """One request to evaluate.

    Context keys are lower case. A string is the value of a single-valued key, a tuple of a multivalued key. All values
    are strings: booleans "true" and "false", numbers in decimal, dates ISO 8601 in UTC or epoch seconds, bytes base64.
    `affordable` is the number of pattern characters that may be compared with the longest string without a closer
    estimate; a passed value is ignored.
    """

    action: str
    resource: str
    resource_account: str
    principal: Principal
    context: ConditionKeys
    affordable: int = 0

    def __post_init__(self) -> None:
        _set(self, "affordable", _affordable(self))


def span(value: ContextValue) -> int:
    """Return the cost, in characters, of comparing a pattern with a value."""
    if isinstance(value, str):
        return _span(len(value))
    together = len("".join(value))
    if together <= LONGEST_VALUE:  # and so is each string
        return together + CALL * len(value)
    return sum([_span(len(text)) for text in value])


def _span(length: int) -> int:
    return length + CALL if length <= LONGEST_VALUE else length * _FORGOTTEN


def _affordable(request: AuthorizationRequest) -> int:
    values = (request.resource, request.action, *request.context.values())
    try:
        try:
            "".join(values)  # type: ignore[arg-type] # the fastest test that all are strings: every request comes here
            longest = max(map(len, values))
        except TypeError:
            longest = _longest(values)
    except Exception:  # noqa: BLE001 - evaluate.py has the same exception, and fails closed
        return 0
    return MOST_WORK // (longest + CALL) if longest <= LONGEST_VALUE else 0


def _longest(values: tuple[ContextValue, ...]) -> int:
    # The length of a tuple is the number of its strings, which is less than their span.
    return max(*map(len, values), *map(span, filterfalse(_is_text, values)))


def resource_tags(tags: Mapping[str, str]) -> NewConditionKeys:
    """Return the condition keys of the tags on the resource."""
    context: NewConditionKeys = {}
    for key, value in tags.items():
        context["aws:resourcetag/" + key.lower()] = value
        context["iam:resourcetag/" + key.lower()] = value
    return context
