"""Build the request context: the condition keys of every request.

Owns the global `aws:` keys of a request, and the keys of the caller's and the resource owner's organizations
(aws:PrincipalOrgID to aws:ResourceOrgPaths). Leaves the caller's keys to authenticate/caller_keys.py. Operations add
their own keys, assertions and tokens their claims. All values are strings, all names lower case. A key without a value
is absent. Rules: IAM User Guide, "AWS global condition context keys".
"""

from collections.abc import Mapping
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
    request = request_info.request
    named = request.by_name
    if named is not None:  # the body of `header`, inlined: every request comes here
        agent, referer = named.get(b"user-agent"), named.get(b"referer")
    else:
        agent, referer = request.header(b"user-agent"), request.header(b"referer")
    return {
        **_client_keys(
            request.secure,
            request.peer,
            request_info.region,
            agent and agent[:_LONGEST_HEADER],
            referer and referer[:_LONGEST_HEADER],
        ),
        **_time_keys(int(request_info.now.timestamp())),
    }


@lru_cache(maxsize=256)  # most requests come from a few clients
def _client_keys(
    secure: bool,  # noqa: FBT001 - a cache's keys are positions
    peer: str,
    region: str,
    agent: bytes | None,
    referer: bytes | None,
) -> Mapping[str, str]:
    keys = {
        "aws:securetransport": "true" if secure else "false",
        "aws:requestedregion": region,
        "aws:viaawsservice": "false",
    }
    if peer:  # A connection through a Unix socket has no address.
        keys["aws:sourceip"] = peer
    if agent:
        keys["aws:useragent"] = agent.decode("latin-1")
    if referer:
        keys["aws:referer"] = referer.decode("latin-1")
    return keys


@lru_cache(maxsize=16)
def _time_keys(seconds: int) -> Mapping[str, str]:
    return {"aws:currenttime": iso_of(seconds), "aws:epochtime": str(seconds)}


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
