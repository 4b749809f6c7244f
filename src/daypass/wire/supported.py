"""Refuse request parameters that an action does not read.

An ignored parameter may be a restriction, so every name is checked:

- A member that the operation declares is read, and may be sent.
- A member that the service model knows and the operation does not declare is refused.
- A name that the model does not know is refused too: a newer client may know a member that this model lacks.
- Protocol parameters (PROTOCOL, `X-Amz-*`) belong to the request and not to the action, and may always be sent.
- A value in the place of nested values, or the reverse, is MalformedInput.

Owns the check of names. request_shapes.py validates the values; operations/declared.py lists the members that an
operation declares.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from daypass.errors import MalformedInput, ValidationError
from daypass.wire.constraints import shortened
from daypass.wire.member_names import is_flattened, wire_name
from daypass.wire.model import Ref, Shape
from daypass.wire.scalars import SCALARS

Shapes = Mapping[str, Shape]

# The members that an operation reads, each with the nested members that it reads. A scalar has no nested members.
Declared = Mapping[str, "Declared"]

# Signature version 2 used these parameters. The authentication decides whether a signature is accepted.
PROTOCOL = frozenset(
    {
        "Action",
        "Version",
        "AWSAccessKeyId",
        "Expires",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
    }
)
PRESIGNED = "x-amz-"  # what the names of a presigned request's parameters start with, in lower case

# The maximum number of refused names in a message, and the maximum length of each.
_MAX_NAMES = 10
_MAX_ECHO = 128

# The names of scalars in lists and maps that an action remembers: a parameter of such a name is supported, whatever its
# value is.
_MAX_KNOWN = 1_024


class _UnsupportedError(Exception):
    """The number of parts of a name, up to the first unsupported one."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


@dataclass(frozen=True, slots=True)
class _Node:
    """The parts that may follow one part of a name.

    `members` lists them by name; with `any_part`, every part may follow.
    """

    members: Mapping[str, "_Node"]
    any_part: "_Node | None" = None
    scalar: bool = False
    # A container is part of the spelling (`member`, `entry`, an index): a wrong one is malformed, not unsupported.
    spelling: bool = False


def compile_supported(shapes: Shapes, name: str | None, declared: Declared | None) -> Callable[[dict[str, str]], None]:
    """Return the check of an action's parameter names.

    `declared` is None for an action that supports its whole input shape. The check raises ValidationError for
    unsupported members, and MalformedInput for names that do not follow the spelling of their type.
    """
    root = _Node({}) if name is None else _structure(shapes, shapes[name], declared)

    scalars = {name for name, node in root.members.items() if node.scalar} | PROTOCOL - root.members.keys()
    most = len(scalars) + _MAX_KNOWN

    def check(params: dict[str, str]) -> None:
        if params.keys() <= scalars:
            return
        unsupported: dict[str, None] = {}
        for parameter, text in params.items():
            node = root.members.get(parameter)
            if node is not None and (node.scalar or not text):
                continue
            try:
                node = _follow(root, parameter, text)
            except _UnsupportedError as found:
                # An empty body is one parameter without a name and a value.
                if (parameter or text) and not is_protocol(parameter):
                    unsupported[".".join(parameter.split(".")[: found.length])] = None
            else:
                if node.scalar and len(scalars) < most and len(parameter) <= _MAX_ECHO:
                    scalars.add(parameter)
        if unsupported:
            raise ValidationError(_words(unsupported))

    return check


def _follow(root: _Node, parameter: str, text: str) -> _Node:
    node = root
    for length, part in enumerate(parameter.split("."), 1):
        following = node.members.get(part, node.any_part)
        if following is None:
            if node.spelling:
                raise MalformedInput(detail=f"{shortened(parameter, _MAX_ECHO)} is not spelled as a list or map")
            raise _UnsupportedError(length)
        node = following
    if text and not node.scalar:
        raise MalformedInput(detail=f"{shortened(parameter, _MAX_ECHO)} has a value where members are expected")
    return node


def is_protocol(parameter: str) -> bool:
    """Return whether a parameter belongs to the request and not to the action."""
    return parameter in PROTOCOL or parameter.lower().startswith(PRESIGNED)


def _words(unsupported: Iterable[str]) -> str:
    names = [shortened(name, _MAX_ECHO) for name in unsupported]
    words = [f"{name} is not supported by this server." for name in names[:_MAX_NAMES]]
    if len(names) > _MAX_NAMES:
        words.append(f"{len(names) - _MAX_NAMES} more parameters are not supported.")
    return " ".join(words)


def _structure(shapes: Shapes, shape: Shape, declared: Declared | None) -> _Node:
    return _Node(
        {
            wire_name(shapes, member, ref): _node(shapes, ref, None if declared is None else declared[member])
            for member, ref in shape.members.items()
            if declared is None or member in declared
        }
    )


def _node(shapes: Shapes, ref: Ref, declared: Declared | None) -> _Node:
    shape = shapes[ref.shape]
    if shape.type in SCALARS:
        return _Node({}, scalar=True)
    if shape.type == "structure":
        return _structure(shapes, shape, declared)
    flattened = is_flattened(shapes, ref)
    if shape.type == "list" and shape.member is not None:
        element = _node(shapes, shape.member, declared)
        container = None if flattened else shape.member.location_name or "member"
        return _elements(container, element)
    if shape.type == "map" and shape.key is not None and shape.value is not None:
        key, value = _node(shapes, shape.key, declared), _node(shapes, shape.value, declared)
        names = {shape.key.location_name or "key": key, shape.value.location_name or "value": value}
        return _elements(None if flattened else "entry", _Node(names, spelling=True))
    raise ValueError(f"{ref.shape} is of a type that a request cannot have")


def _elements(container: str | None, element: _Node) -> _Node:
    indexes = _Node({}, any_part=element, spelling=True)
    return indexes if container is None else _Node({container: indexes}, spelling=True)
