"""Spell members of the service model as parameters of the Query protocol."""

from collections.abc import Mapping

from daypass.wire.model import Ref, Shape


def wire_name(shapes: Mapping[str, Shape], member: str, ref: Ref) -> str:
    """Return the parameter's name. A flattened list may go by the name of its elements."""
    element = shapes[ref.shape].member if is_flattened(shapes, ref) else None
    return ref.location_name or (element.location_name if element else None) or member


def is_flattened(shapes: Mapping[str, Shape], ref: Ref) -> bool:
    """Tell whether the elements stand directly behind the name, without `member` or `entry`."""
    return ref.flattened or shapes[ref.shape].flattened
