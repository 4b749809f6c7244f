"""Verify a signed request, and decide about it, in any HTTP service.

Owns the strict head of a request, its Signature Version 4 (header and presigned), its caller, the decision, and what S3
adds to these. Pure, except the middlewares (asgi, wsgi) and the client of remote keys (remote).
Leaves the lookup of keys to a `Keys` provider, and sockets and stores to daypass.gateway.
"""

from daypass.verify.caller import ANONYMOUS, compile_resource_policy, static_caller
from daypass.verify.caller import VerifiedCaller as Caller
from daypass.verify.decision import decide
from daypass.verify.head import HeadError
from daypass.verify.keys import KeyClaim, KeyGrant, Keys, NotLoadedError, StaticKeys
from daypass.verify.refusals import VerifyError, VerifyReason

__all__ = [
    "ANONYMOUS",
    "Caller",
    "HeadError",
    "KeyClaim",
    "KeyGrant",
    "Keys",
    "NotLoadedError",
    "StaticKeys",
    "VerifyError",
    "VerifyReason",
    "compile_resource_policy",
    "decide",
    "static_caller",
]
