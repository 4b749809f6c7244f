"""Spell members of the service model as parameters of the Query protocol."""

from collections.abc import Mapping

from daypass.wire.model import Ref, Shape


def wire_name(shapes: Mapping[str, Shape], member: str, ref: Ref) -> str:
    """Return the parameter's name.

    A flattened list may have the name of its elements.
    """
    element = shapes[ref.shape].member if is_flattened(shapes, ref) else None
    return ref.location_name or (element.location_name if element else None) or member


def is_flattened(shapes: Mapping[str, Shape], ref: Ref) -> bool:
    """Return whether the index follows the name directly.

    That is, without `member` or `entry` between them.
    """
    return ref.flattened or shapes[ref.shape].flattened
