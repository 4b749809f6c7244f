"""Build the request context: the condition keys that every request carries, and its caller's.

Owns the global `aws:` keys of a request. The caller's are authenticate/caller_keys.py's, the organization's and the
resource owner's organization_keys.py's; an operation adds its own keys to its question, an assertion or a token its
claims.
All values are text, all names lower case. A key that has no value for this request is absent.
Rules: IAM User Guide, "AWS global condition context keys".
"""

from datetime import datetime

import msgspec

from daypass.authenticate.caller import Caller
from daypass.authenticate.caller_keys import Context, caller_keys, iso_of
from daypass.policy.known_keys import find_key
from daypass.wire.http import HttpRequest

__all__ = ["Context", "Surroundings", "as_written", "build_context"]


# Patterns of policies are matched against these headers, which may be as long as their sender likes.
_LONGEST_HEADER = 1_024


class Surroundings(msgspec.Struct, frozen=True):
    """What a request shows of itself, apart from what it asks: where from, how, and to which region."""

    now: datetime
    request: HttpRequest
    region: str


def build_context(caller: Caller, around: Surroundings) -> Context:
    """Return the condition keys that all questions of one request share."""
    seconds = int(around.now.timestamp())
    request = around.request
    context: Context = {
        "aws:currenttime": iso_of(seconds),
        "aws:epochtime": str(seconds),
        "aws:securetransport": "true" if request.secure else "false",
        "aws:requestedregion": around.region,
        "aws:viaawsservice": "false",
    }
    if request.peer:  # A connection through a Unix socket has no address.
        context["aws:sourceip"] = request.peer
    for header, key in ((b"user-agent", "aws:useragent"), (b"referer", "aws:referer")):
        value = request.header(header)
        if value:
            context[key] = value[:_LONGEST_HEADER].decode("latin-1")
    context.update(caller_keys(caller, seconds=seconds))
    return context


def as_written(key: str) -> str:
    """Return a condition key as AWS writes it, where it is known."""
    known = find_key(key)
    return key if known is None else known.name
