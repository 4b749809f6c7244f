"""The rules of a service of one's own that both middlewares share.

Owns the steps from a head to an admitted request or a refusal: verify, route, decide. Pure. Leaves the clock, the body
and the waiting to asgi.py and wsgi.py.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from daypass.policy.authorization_request import AuthorizationRequest, ConditionKeys
from daypass.policy.decision import Denied
from daypass.policy.evaluate import Policies, decide, is_light
from daypass.verify.caller import VerifiedCaller
from daypass.verify.decision import prepare_decision
from daypass.verify.head import RequestHead
from daypass.verify.keys import Keys
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.services.answers import ServiceAnswer, answer_denied, answer_no_route
from daypass.verify.services.context_keys import request_context
from daypass.verify.services.routes import RouteTable
from daypass.verify.signature import VerifiedRequest, verify_head
from daypass.verify.signature_profile import IsRegion, SignatureProfile, plain_profile

DEFAULT_BUFFER = 1_048_576
"""The largest body, in bytes, that a middleware reads before it calls the application."""

CALLER = "daypass.caller"
"""The name of the verified caller, in an ASGI scope and in a WSGI environment."""
MOST_LOADS = 3
TOO_MANY_LOADS = ServiceAnswer(503, "ServiceUnavailableException", "The keys cannot be loaded now. Try again later.")

ContextHook = Callable[[RequestHead, VerifiedCaller], ConditionKeys]


class RefusedRequestError(Exception):
    """A request that the service refuses, with its answer."""

    def __init__(self, answer: ServiceAnswer) -> None:
        super().__init__(answer.message)
        self.answer = answer


class RequestOrigin(msgspec.Struct, frozen=True):
    """The client's address ("" if unknown), and whether it uses TLS."""

    peer: str
    secure: bool


class ServiceRules:
    """The rules of one service: its keys, scope, routes and condition keys."""

    def __init__(
        self,
        keys: Keys,
        *,
        service: str,
        regions: Iterable[str] | IsRegion,
        routes: RouteTable,
        context: ContextHook | None = None,
    ) -> None:
        if isinstance(regions, str):
            raise TypeError("regions is a list of region names")
        self._keys = keys
        self._profile = _profile(service, regions)
        self._routes = routes
        self._context = context

    def verify(self, head: RequestHead, now: datetime, body_sha256: str | None = None) -> VerifiedRequest:
        """Return the verified request.

        Raises VerifyError, NotLoadedError or a Fault.
        """
        verified = verify_head(head, self._keys, service=self._profile, now=now, body_sha256=body_sha256)
        if verified is None:
            raise VerifyError(VerifyReason.NO_SIGNATURE)
        return verified

    def has_route(self, head: RequestHead, *, needs_host: bool) -> bool:
        """Return whether the table has a route for a request. Raises VerifyError."""
        host = head.headers[b"host"].decode("latin-1")
        found = self._routes.find(head.method, host, head.path, caller_account="", needs_host=needs_host)
        return found is not None

    def prepare(
        self, head: RequestHead, verified: VerifiedRequest, now: datetime, connection: RequestOrigin
    ) -> "PreparedCheck":
        """Return the permission check of a request.

        Raises RefusedRequestError if it does not have a route.
        """
        caller = verified.caller
        host = head.headers[b"host"].decode("latin-1")
        found = self._routes.find(head.method, host, head.path, caller_account=caller.account)
        if found is None:
            raise RefusedRequestError(answer_no_route(head.method))
        own = {} if self._context is None else self._context(head, caller)
        common = request_context(head, verified, now=now, peer=connection.peer, secure=connection.secure)
        request, policies = prepare_decision(caller, found.action, found.resource, {**own, **common})
        return PreparedCheck(caller, request, policies)


def _profile(service: str, regions: Iterable[str] | IsRegion) -> SignatureProfile:
    if callable(regions):
        return plain_profile(service, regions)
    served = frozenset(regions)
    home = next(iter(served)) if len(served) == 1 else ""
    return plain_profile(service, served.__contains__, home)


class PreparedCheck(msgspec.Struct, frozen=True):
    """A permission check that is ready to be decided."""

    caller: VerifiedCaller
    request: AuthorizationRequest
    policies: Policies

    @property
    def light(self) -> bool:
        """Return whether an event loop may decide it."""
        return is_light(self.request, self.policies)

    def require_allowed(self) -> None:
        """Decide. Raises RefusedRequestError unless the request is allowed."""
        decision = decide(self.request, self.policies)
        if isinstance(decision, Denied):
            raise RefusedRequestError(answer_denied(self.caller, decision, self.request.resource))


def body_too_large(limit: int) -> VerifyError:
    """Return the refusal of a body that is read before its signature is known."""
    message = (
        f"A body of more than {limit} bytes needs the signed header x-amz-content-sha256 with its SHA-256. "
        "Send that header, or a smaller body."
    )
    return VerifyError(VerifyReason.BODY_TOO_LARGE, message)
