"""The condition keys that policies name and a request does not have.

Owns the search for these keys in the policies that apply: keys that need a look-up at the store, and keys that cannot
be known here. Leaves the look-up to the gateway.

A missing key makes a Deny with a positive operator miss. So a key must not be missing because it was not looked up:

- look_ups() says which look-ups the policies need for one action. If a look-up fails, refuse the request.
- unknown_keys() says which keys the policies name whose value S3 would know, and this verifier does not. If a
  statement that could apply names one, refuse the request. There are few: keys of features that do not exist here
  (access points, Access Grants, batch jobs, inventory reports) are absent as in any request without these features.
- The names are found in conditions and in policy variables, in Allow and in Deny statements.
"""

import re
from collections.abc import Iterator
from enum import Enum

from daypass.bounded_memory import BoundedMemory
from daypass.policy.compiled import PolicySet
from daypass.policy.language.statement import Statement

__all__ = ["UNKNOWN_KEYS", "LookUp", "look_ups", "named_keys", "unknown_keys"]


class LookUp(Enum):
    """What must be asked of the store before a decision."""

    OBJECT_TAGS = "s3:existingobjecttag/"
    """The tags of the object of the permission."""
    BUCKET_TAGS = "s3:buckettag/"
    """The tags of the bucket of the permission, also for aws:ResourceTag/k."""


_BUCKET_TAGS_TOO = "aws:resourcetag/"
# Service Authorization Reference, "Actions": the actions with s3:ExistingObjectTag/<key>.
_WITH_OBJECT_TAGS = frozenset(
    {
        "s3:deleteobjecttagging",
        "s3:deleteobjectversiontagging",
        "s3:getobject",
        "s3:getobjectacl",
        "s3:getobjectattributes",
        "s3:getobjecttagging",
        "s3:getobjectversion",
        "s3:getobjectversionacl",
        "s3:getobjectversionattributes",
        "s3:getobjectversiontagging",
        "s3:putobjectacl",
        "s3:putobjecttagging",
        "s3:putobjectversionacl",
        "s3:putobjectversiontagging",
    }
)
_WITHOUT_BUCKET = frozenset({"s3:createbucket", "s3:listallmybuckets"})

UNKNOWN_KEYS = frozenset(
    {
        "s3:inventoryaccessibleoptionalfields",  # in the body of PutBucketInventoryConfiguration
        "s3:deliverysourcearn",
        "s3:destinationregion",
        "s3:isreplicationpauserequest",
        "s3:logtype",
        "s3:resourcearnbeingauthorized",
    }
)
"""Keys of configurations that are in a body or at another service."""

_VARIABLE = re.compile(r"\$\{([^{}',*?$]+)")
_CAPACITY = 4_096
_named: BoundedMemory[tuple[int, str], tuple[PolicySet, frozenset[str]]] = BoundedMemory(_CAPACITY)


def look_ups(policies: Iterator[PolicySet], action: str) -> frozenset[LookUp]:
    """Return the look-ups that the policies need for an action.

    `policies` are all sets that apply, also those of the resource. A key that S3 does not have for the action does not
    need a look-up: it is absent there too.
    """
    lowered = action.lower()
    found: set[LookUp] = set()
    for policy_set in policies:
        for key in named_keys(policy_set, action):
            if key.startswith(LookUp.OBJECT_TAGS.value):
                if lowered in _WITH_OBJECT_TAGS:
                    found.add(LookUp.OBJECT_TAGS)
            elif key.startswith((LookUp.BUCKET_TAGS.value, _BUCKET_TAGS_TOO)) and lowered not in _WITHOUT_BUCKET:
                found.add(LookUp.BUCKET_TAGS)
    return frozenset(found)


def unknown_keys(policies: Iterator[PolicySet], action: str) -> frozenset[str]:
    """Return the keys that the policies name and that cannot be known.

    Refuse the request unless the result is empty.
    """
    return frozenset().union(*(named_keys(policy_set, action) & UNKNOWN_KEYS for policy_set in policies))


def named_keys(policy_set: PolicySet, action: str) -> frozenset[str]:
    """Return the condition keys that statements about an action name.

    The result is cached, because policies live longer than requests.
    """
    # The cache keeps the set alive, so that its id cannot become that of another one.
    cached = _named.get((id(policy_set), action))
    if cached is not None and cached[0] is policy_set:
        return cached[1]
    keys = frozenset(
        key
        for policy in policy_set.policies
        for compiled in policy.statements
        if compiled.action.covers(action)
        for key in _keys_of(compiled.statement)
    )
    return _named.put((id(policy_set), action), (policy_set, keys))[1]


def _keys_of(statement: Statement) -> Iterator[str]:
    texts = list(statement.resources or ())
    for test in statement.conditions:
        yield test.key.lower()
        texts.extend(test.values)
    for text in texts:
        for name in _VARIABLE.findall(text):
            yield name.strip().lower()
