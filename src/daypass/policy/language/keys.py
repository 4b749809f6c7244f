"""The condition keys that a document uses.

Owns the search for keys in conditions and variables. Leaves the table of known keys to known_keys.py. Source: IAM API
reference, "GetContextKeysForCustomPolicy".
"""

from collections.abc import Iterator

from daypass.policy.language.document import Document
from daypass.policy.language.known_keys import KNOWN, KeyType, KnownKey, find_key
from daypass.policy.language.statement import Statement
from daypass.policy.operators.table import find_operator
from daypass.policy.resource import resource_parts
from daypass.policy.template import Part, Variable, parse_template

__all__ = ["KNOWN", "KeyType", "KnownKey", "context_keys", "find_key", "keys_of"]


def context_keys(document: Document) -> tuple[str, ...]:
    """Return the keys that a document uses, in order, without duplicates.

    Keys that differ only in case are duplicates.
    """
    found: dict[str, str] = {}
    for statement in document.statements:
        for key in keys_of(statement, variables=document.variables):
            found.setdefault(key.lower(), key)
    return tuple(found.values())


def keys_of(statement: Statement, *, variables: bool) -> Iterator[str]:
    """Yield the keys of a statement: of its conditions, then of its variables."""
    for test in statement.conditions:
        yield test.key
    for pattern in statement.resources or ():
        yield from _in_variables(resource_parts(pattern, variables=variables))
    for test in statement.conditions:
        use = find_operator(test.operator)
        if use is not None and use.operator.variables:
            for value in test.values:
                yield from _in_variables(parse_template(value, variables=variables))


def _in_variables(parts: tuple[Part, ...]) -> Iterator[str]:
    return (part.key for part in parts if isinstance(part, Variable))
