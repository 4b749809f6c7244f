"""Build the request context: the condition keys of every request.

Owns the global `aws:` keys of a request, and the keys of the caller's and the resource owner's organizations
(aws:PrincipalOrgID to aws:ResourceOrgPaths). Leaves the caller's keys to authenticate/caller_keys.py. Operations add
their own keys, assertions and tokens their claims. All values are strings, all names lower case. A key without a value
is absent. Rules: IAM User Guide, "AWS global condition context keys".
"""

from datetime import datetime
from functools import lru_cache

import msgspec

from daypass.authenticate.caller import Caller
from daypass.authenticate.caller_keys import caller_keys, iso_of
from daypass.directory.organization.organization_tree import AccountPosition
from daypass.policy.authorization_request import NewConditionKeys
from daypass.policy.language.known_keys import find_key
from daypass.wire.http import HttpRequest

__all__ = ["RequestInfo", "as_written", "build_context", "organization_keys", "request_keys"]

# Patterns are compared with these headers, whose length the sender chooses.
_LONGEST_HEADER = 1_024


class RequestInfo(msgspec.Struct, frozen=True):
    """The properties of a request apart from its parameters.

    They are time, connection, headers and region.
    """

    now: datetime
    request: HttpRequest
    region: str


def build_context(caller: Caller, request_info: RequestInfo) -> NewConditionKeys:
    """Return the condition keys that all permission checks of a request share."""
    context = request_keys(request_info)
    context.update(caller_keys(caller, seconds=int(request_info.now.timestamp())))
    return context


def request_keys(request_info: RequestInfo) -> NewConditionKeys:
    """Return the condition keys of a request without those of its caller."""
    seconds = int(request_info.now.timestamp())
    request = request_info.request
    context: NewConditionKeys = {
        "aws:currenttime": iso_of(seconds),
        "aws:epochtime": str(seconds),
        "aws:securetransport": "true" if request.secure else "false",
        "aws:requestedregion": request_info.region,
        "aws:viaawsservice": "false",
    }
    if request.peer:  # A connection through a Unix socket has no address.
        context["aws:sourceip"] = request.peer
    for header, key in ((b"user-agent", "aws:useragent"), (b"referer", "aws:referer")):
        value = request.header(header)
        if value:
            context[key] = value[:_LONGEST_HEADER].decode("latin-1")
    return context


@lru_cache(maxsize=1024)  # most requests have the same keys
def as_written(key: str) -> str:
    """Return a condition key as AWS writes it, if it is known."""
    known = find_key(key)
    return key if known is None else known.name


def organization_keys(ours: AccountPosition | None, theirs: AccountPosition) -> NewConditionKeys:
    """Return the organization's keys of a caller and of the resource's owner.

    `ours` is None for an unsigned call, which does not belong to an account of this server.
    """
    if ours is None:
        return dict(theirs.membership.as_resource)
    return {**ours.membership.as_principal, **theirs.membership.as_resource}
