"""Writers of XML and plain JSON values, compiled from the service model.

A member that the model does not know is a bug, and is refused: it would be missing silently.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from daypass.wire.model import Shape
from daypass.wire.safe_text import encodable, xml_text

Shapes = Mapping[str, Shape]
Write = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Notation:
    """How one output format writes scalars, structures, lists and maps."""

    scalars: Mapping[str, Write]
    structure: Callable[[Mapping[str, Write]], Write]
    list: Callable[[Write], Write]
    map: Callable[[Write, Write], Write]


def compile_output(shapes: Shapes, name: str, notation: Notation) -> Write:
    """Return the writer of a shape's values in a notation."""
    shape = shapes[name]
    if shape.type == "structure":
        members = {member: compile_output(shapes, ref.shape, notation) for member, ref in shape.members.items()}
        return notation.structure(members)
    if shape.type == "list" and shape.member:
        return notation.list(compile_output(shapes, shape.member.shape, notation))
    if shape.type == "map" and shape.key and shape.value:
        key = compile_output(shapes, shape.key.shape, notation)
        return notation.map(key, compile_output(shapes, shape.value.shape, notation))
    return notation.scalars[shape.type]


def _known(value: Mapping[str, Any], names: frozenset[str]) -> Mapping[str, Any]:
    if not value.keys() <= names:
        raise ValueError(f"a result has members that its shape does not know: {sorted(value.keys() - names)}")
    return value


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("a time without its zone")
    return instant.astimezone(UTC)


# XML --------------------------------------------------------------------------------------------------------


def _xml_structure(members: Mapping[str, Write]) -> Write:
    names = frozenset(members)
    elements = tuple((name, f"<{name}>", f"</{name}>", write) for name, write in members.items())

    def write(value: Mapping[str, Any]) -> str:
        parts: list[str] = []
        get = value.get if value.keys() <= names else _known(value, names).get
        for name, start, end, write_member in elements:
            member = get(name)
            if member is not None:
                parts += (start, write_member(member), end)
        return "".join(parts)

    return write


def _xml_list(element: Write) -> Write:
    return lambda values: "".join([f"<member>{element(value)}</member>" for value in values])


def _xml_map(key: Write, value: Write) -> Write:
    def write(values: Mapping[Any, Any]) -> str:
        entries = values.items()
        return "".join([f"<entry><key>{key(k)}</key><value>{value(v)}</value></entry>" for k, v in entries])

    return write


@lru_cache(maxsize=256)  # times within one second share an entry
def xml_seconds(instant: datetime) -> str:
    """Write a time in whole seconds, AWS's usual format."""
    return _utc(instant).isoformat(timespec="seconds")[:-6] + "Z"


def xml_milliseconds(instant: datetime) -> str:
    """Write a time with its milliseconds."""
    return _utc(instant).isoformat(timespec="milliseconds")[:-6] + "Z"


def xml(timestamp: Write) -> Notation:
    """Return the XML notation of the Query protocol.

    `timestamp` writes the times.
    """
    scalars: Mapping[str, Write] = {
        "string": xml_text,
        "integer": int.__repr__,
        "boolean": {True: "true", False: "false"}.__getitem__,
        "blob": lambda value: b64encode(value).decode(),
        "timestamp": timestamp,
    }
    return Notation(scalars, _xml_structure, _xml_list, _xml_map)


# JSON -------------------------------------------------------------------------------------------------------


def _plain_structure(members: Mapping[str, Write]) -> Write:
    names = frozenset(members)

    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        known = _known(value, names)
        return {
            name: write_member(known[name]) for name, write_member in members.items() if known.get(name) is not None
        }

    return write


def _plain_list(element: Write) -> Write:
    return lambda values: [element(value) for value in values]


def _plain_map(key: Write, value: Write) -> Write:
    return lambda values: {key(k): value(v) for k, v in values.items()}


def plain_seconds(instant: datetime) -> int:
    """Write a time as AWS does in JSON: seconds since 1970."""
    return (_utc(instant) - _EPOCH) // timedelta(seconds=1)


def plain_milliseconds(instant: datetime) -> float:
    """Write a time in seconds since 1970, with its milliseconds."""
    return (_utc(instant) - _EPOCH) // timedelta(milliseconds=1) / 1000


def plain(timestamp: Write) -> Notation:
    """Return the notation of plain values for a JSON encoder.

    `timestamp` writes the times.
    """
    scalars: Mapping[str, Write] = {
        "string": encodable,
        "integer": int,
        "boolean": bool,
        "blob": lambda value: b64encode(value).decode(),
        "timestamp": timestamp,
    }
    return Notation(scalars, _plain_structure, _plain_list, _plain_map)
