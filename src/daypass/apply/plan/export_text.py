"""The text of an exported file, one piece after another.

Owns the layout: YAML and JSON are the same as if the whole document were written at once.

- An account is written when it is known, so that memory holds one account.
- Plain YAML is written here, and all other YAML by the library: its work for each value is about twenty times as much.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml

from daypass.apply.plan.export import ExportedAccount

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LONGEST_SIMPLE = 100  # characters; a longer key would need a question mark
# Without white space a string is not wrapped, so its form does not depend on the column.
_SIMPLE = re.compile(r"[!-~]+")


class _NotPlainError(Exception):
    """A value that only the library can write."""


def yaml_pieces(head: Mapping[str, Any], accounts: Iterable[ExportedAccount]) -> Iterator[str]:
    """Yield the file as YAML."""
    yield "# Written by daypass export; read by daypass apply.\n" + _dump(head)
    is_first = True
    for account in accounts:
        if is_first:
            yield "accounts:\n"
            is_first = False
        yield _as_yaml(account)
    if is_first:
        yield "accounts: {}\n"


def json_pieces(head: Mapping[str, Any], accounts: Iterable[ExportedAccount]) -> Iterator[str]:
    """Yield the file as JSON with an indentation of two."""
    yield _indented(head, 0).removesuffix("\n}") + ',\n  "accounts": {'
    separator, end = "\n", "}"
    for account in accounts:
        yield f"{separator}    {json.dumps(account.account)}: {_indented(account.fields, 4)}"
        separator, end = ",\n", "\n  }"
    yield end + "\n}\n"


def _indented(value: Any, spaces: int) -> str:
    # A string of JSON does not contain a line break.
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n" + " " * spaces)


def _as_yaml(account: ExportedAccount) -> str:
    if not account.fields:
        return f"  {_simple(account.account)}: {{}}\n"
    lines = [f"  {_simple(account.account)}:\n"]
    for section, value in account.fields.items():
        if not isinstance(value, Mapping) or not value:
            lines.append(_member(section, value, 2))
            continue
        lines.append(f"    {section}:\n")
        # By itself, so that one difficult name leaves the others to the faster way.
        lines += [_member(name, fields, 3) for name, fields in value.items()]
    return "".join(lines)


def _member(name: str, value: Any, depth: int) -> str:
    """Return one member of a mapping inside `depth` others."""
    try:
        return _plain_member(name, value, "  " * depth)
    except _NotPlainError:
        if isinstance(value, Mapping) and value and _SIMPLE.fullmatch(name) and len(name) <= _LONGEST_SIMPLE:
            members = "".join(_member(key, member, depth + 1) for key, member in value.items())
            return f"{'  ' * depth}{_simple(name)}:\n{members}"
    document: Any = {name: value}
    for _ in range(depth):
        document = {"k": document}
    return _dump(document).split("\n", depth)[depth]


def _plain_member(name: Any, value: Any, indentation: str) -> str:
    return f"{indentation}{_plain_scalar(name)}:{_plain_value(value, indentation)}"


def _plain_value(value: Any, indentation: str) -> str:
    """Return what follows a key and its colon."""
    if isinstance(value, Mapping) and value:
        inner = indentation + "  "
        return "\n" + "".join([_plain_member(name, member, inner) for name, member in value.items()])
    if isinstance(value, list) and value:
        return "\n" + "".join([_plain_element(element, indentation) for element in value])
    return f" {_plain_scalar(value)}\n"


def _plain_element(value: Any, indentation: str) -> str:
    """Return one element of a list, which has the indentation of its key."""
    if isinstance(value, Mapping) and value:
        inner = indentation + "  "
        members = "".join([_plain_member(name, member, inner) for name, member in value.items()])
        return f"{indentation}- {members.removeprefix(inner)}"
    return f"{indentation}- {_plain_scalar(value)}\n"


def _plain_scalar(value: Any) -> str:
    if isinstance(value, str):
        if len(value) > _LONGEST_SIMPLE or not _SIMPLE.fullmatch(value):
            raise _NotPlainError
        return _simple(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, Mapping | Sequence) and not value:
        return "{}" if isinstance(value, Mapping) else "[]"
    raise _NotPlainError


@lru_cache(maxsize=4096)
def _simple(text: str) -> str:
    """Return a string without white space, with quotation marks if it needs them."""
    return _dump({"k": text})[3:-1]


def _dump(document: Any) -> str:
    text: str = yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=110)
    return text
