"""The trace context that a caller sends: `traceparent` and `tracestate`.

Owns the parsing of both headers, which are data of a stranger. The rules:

- A malformed `traceparent` is ignored, and `tracestate` with it. A request never fails because of either.
- A malformed `tracestate` is ignored alone.
- Both have limits of length. `baggage` is never read.

Source: W3C Trace Context, sections 3.2 and 3.3.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LONGEST_PARENT, _LONGEST_STATE = 512, 512  # bytes
_MOST_MEMBERS = 32
_KEY = rb"[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
_MEMBER = re.compile(rb"(%b)=([ -+\--<>-~]{0,255}[!-+\--<>-~])" % _KEY)
_SPACE = b" \t"
_INVALID_VERSION, _FIRST_VERSION = b"ff", b"00"
SAMPLED = 1
"""The flag of a caller that records its own spans."""


@dataclass(frozen=True, slots=True)
class RemoteParent:
    """The span of a caller. `state` is its `tracestate`, or an empty string."""

    trace_id: int
    span_id: int
    flags: int
    state: str = ""

    @property
    def is_sampled(self) -> bool:
        """Return whether the caller records its own spans."""
        return bool(self.flags & SAMPLED)


def find_parent(headers: Iterable[tuple[bytes, bytes]]) -> RemoteParent | None:
    """Return the span that a caller names, or None.

    `headers` have names in lower case. Two headers `traceparent` are as invalid as a malformed one.
    """
    parents: list[bytes] = []
    states: list[bytes] = []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
    return _parse(parents[0], states) if len(parents) == 1 else None


def _parse(parent: bytes, states: list[bytes]) -> RemoteParent | None:
    matched = _PARENT.fullmatch(parent.strip(_SPACE)) if len(parent) <= _LONGEST_PARENT else None
    if matched is None:
        return None
    version, trace_id, span_id, flags, rest = matched.groups()
    if version == _INVALID_VERSION or (version == _FIRST_VERSION and rest):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return RemoteParent(int(trace_id, 16), int(span_id, 16), int(flags, 16), _parse_state(states))


def _parse_state(states: list[bytes]) -> str:
    """Return the list of members, or an empty string if it is malformed."""
    whole = b",".join(states)
    if len(whole) > _LONGEST_STATE:
        return ""
    members = [member for member in (each.strip(_SPACE) for each in whole.split(b",")) if member]
    matches = [_MEMBER.fullmatch(member) for member in members]
    keys = {each[1] for each in matches if each is not None}
    if len(members) > _MOST_MEMBERS or len(keys) != len(members):  # malformed, or a key occurs twice
        return ""
    return b",".join(members).decode("ascii")
