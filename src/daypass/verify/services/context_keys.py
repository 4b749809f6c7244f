"""The condition keys of a request to a service of one's own.

Owns the global `aws:` keys of time, connection and headers, and the age of the caller's MFA. Leaves the caller's other
keys to its VerifiedCaller, and the service's own keys to the service. Source: IAM User Guide, "AWS global condition
context keys".
"""

from datetime import datetime

from daypass.policy.authorization_request import NewConditionKeys
from daypass.verify.head import RequestHead
from daypass.verify.signature import VerifiedRequest

_SECONDS = len("1970-01-01T00:00:00")
_LONGEST_HEADER = 1_024  # patterns are compared with these headers, whose length the sender chooses
_HEADERS = ((b"user-agent", "aws:useragent"), (b"referer", "aws:referer"))


def request_context(
    head: RequestHead, verified: VerifiedRequest, *, now: datetime, peer: str, secure: bool
) -> NewConditionKeys:
    """Return the condition keys of a request.

    `peer` is the client's address, "" if unknown.
    """
    seconds = int(now.timestamp())
    context: NewConditionKeys = {
        "aws:currenttime": now.isoformat()[:_SECONDS] + "Z",
        "aws:epochtime": str(seconds),
        "aws:requestedregion": verified.scope.split("/")[1],
        "aws:securetransport": "true" if secure else "false",
        "aws:viaawsservice": "false",
    }
    if peer:
        context["aws:sourceip"] = peer
    for name, key in _HEADERS:
        value = head.headers.get(name)
        if value:
            context[key] = value[:_LONGEST_HEADER].decode("latin-1")
    if verified.caller.mfa_at is not None:
        context["aws:multifactorauthage"] = str(max(0, seconds - verified.caller.mfa_at))
    return context
