"""The members of IAM's requests that hold an ARN of IAM.

AWS refuses an ARN of another partition before it looks for the entity: an entity that is not found would hide the
mistake. A string that is not an ARN is left to the operation, whose words differ.

Source: AWS's message in reports of users; AWS's notice of 2024 on ARN parameters of IAM, for the service, the region
and blanks.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from daypass.arn import PARTITION, Arn
from daypass.errors import ValidationError
from daypass.wire.constraints import shortened
from daypass.wire.model import Shape

Shapes = Mapping[str, Shape]
Path = tuple[str, ...]

ARN_SHAPE = "arnType"
_ELEMENT = ""


def arn_paths(shapes: Shapes, name: str) -> tuple[Path, ...]:
    """Return the path of each ARN in an input shape.

    An element of a list is an empty string.
    """
    return tuple(_paths(shapes, name))


def compile_arn_check(shapes: Shapes, name: str) -> Callable[[Mapping[str, Any]], None]:
    """Return the check of an action's typed parameters.

    The check raises ValidationError.
    """
    paths = arn_paths(shapes, name)

    def check(values: Mapping[str, Any]) -> None:
        for path in paths:
            for arn in _find(values, path):
                _check(arn)

    return check


def _paths(shapes: Shapes, name: str) -> Iterator[Path]:
    shape = shapes[name]
    if name == ARN_SHAPE:
        yield ()
    for member, ref in shape.members.items():
        yield from ((member, *rest) for rest in _paths(shapes, ref.shape))
    if shape.type == "list" and shape.member is not None:
        yield from ((_ELEMENT, *rest) for rest in _paths(shapes, shape.member.shape))


def _find(value: Any, path: Path) -> Iterator[str]:
    if not path:
        yield value
    elif path[0] == _ELEMENT:
        for element in value:
            yield from _find(element, path[1:])
    elif path[0] in value:
        yield from _find(value[path[0]], path[1:])


def _check(text: str) -> None:
    arn = Arn.find(text.strip())
    if arn is None:
        return
    if arn.partition != PARTITION:
        raise ValidationError("Invalid ARN partition", detail=shortened(text))
    if arn.service != "iam" or arn.region or text != text.strip():
        raise ValidationError(f"ARN {shortened(text)} is not valid.")
