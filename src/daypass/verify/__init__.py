"""Verify a signed request, and decide about it, in any HTTP service.

Owns the strict head of a request, its Signature Version 4 (header and presigned), its caller, the decision, and what S3
adds to these. Pure, except the middlewares (asgi, wsgi) and the client of remote keys (remote, remote_server).
Leaves the lookup of keys to a `Keys` provider, and sockets and stores to daypass.gateway.
"""

from daypass.policy.decision import Allowed, Denied
from daypass.verify.body_check import BodyCheck
from daypass.verify.caller import ANONYMOUS, compile_resource_policy, static_caller
from daypass.verify.caller import VerifiedCaller as Caller
from daypass.verify.decision import decide
from daypass.verify.head import HeadError
from daypass.verify.keys import KeyClaim, KeyGrant, Keys, NotLoadedError, StaticKeys
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.request import Request, verify
from daypass.verify.services.routes import Route, RouteTable

__all__ = [
    "ANONYMOUS",
    "Allowed",
    "BodyCheck",
    "Caller",
    "Denied",
    "HeadError",
    "KeyClaim",
    "KeyGrant",
    "Keys",
    "NotLoadedError",
    "Request",
    "Route",
    "RouteTable",
    "StaticKeys",
    "VerifyError",
    "VerifyReason",
    "compile_resource_policy",
    "decide",
    "static_caller",
    "verify",
]
