"""The members of the service model that an operation reads.

The struct `takes` declares them, nested ones by nested structs, and `parse` reads them. wire/supported.py refuses all
other members of a request.

Owns the two tables of decisions about members that no struct has. REFUSED_MEMBERS only records decisions and reasons:
any member without a declaration is refused. tests/project compares both tables and the structs with the installed
service models.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from daypass.wire.supported import Declared

Member = tuple[str, str, str]
"""Service, action and the path of a member, such as `ContextProvider` or `Tags.Key`."""

_SIMULATION = "A simulation evaluates exactly the given resources, also in EC2's scenarios."

# Members that are accepted without effect, and why that is harmless.
IGNORED_MEMBERS: Mapping[Member, str] = {
    ("iam", "SimulateCustomPolicy", "ResourceHandlingOption"): _SIMULATION,
    ("iam", "SimulatePrincipalPolicy", "ResourceHandlingOption"): _SIMULATION,
}


# Members that are refused, and why.
REFUSED_MEMBERS: Mapping[Member, str] = {}


def declare(service: str, action: str, takes: type[msgspec.Struct], spelled: Mapping[str, str]) -> Declared:
    """Return the members that an operation supports.

    They are those of its struct, and those that it may ignore. `spelled` has the model's name of a field that differs
    from action to action.
    """
    ignored: Declared = {path: {} for owner, of, path in IGNORED_MEMBERS if (owner, of) == (service, action)}
    read = {spelled.get(name, name): inner for name, inner in _members_of(takes).items()}
    return {**read, **ignored}


@cache
def _members_of(takes: type[Any]) -> Declared:
    return _declared(inspect.type_info(takes))


def _declared(type_: inspect.Type) -> Declared:
    """Return the members of the structs that a field may hold: itself, in a list, or as the values of a mapping."""
    if isinstance(type_, inspect.StructType):
        return {field.encode_name: _declared(field.type) for field in type_.fields}
    if isinstance(type_, inspect.UnionType):
        return {name: inner for one in type_.types for name, inner in _declared(one).items()}
    if isinstance(type_, inspect.ListType | inspect.VarTupleType):
        return _declared(type_.item_type)
    if isinstance(type_, inspect.DictType):
        return _declared(type_.value_type)
    return {}
