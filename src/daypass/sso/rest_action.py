"""The interface of an operation of the JSON services, and its call.

routes.py calls `answer` with the parameters that the struct `takes` declares; all other members are refused before.
Leaves reading, rate limits, audit events and refusals to routes.py.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.operations.request_context import RequestContext
from daypass.pipeline import Pipeline, StoreView
from daypass.wire.http import Headers, HttpRequest

P_contra = TypeVar("P_contra", contravariant=True)


class RestCall(msgspec.Struct):
    """One call: its request, its context, and the facts for its audit event.

    `sign_in` is the id of the sign-in session, and `session` the session itself, once they are known. `recorded` are
    the parameters that the event contains: never codes, secrets or tokens. `headers` are further
    headers of the response.
    """

    request: HttpRequest
    request_id: str
    ctx: RequestContext
    pipeline: Pipeline
    store_view: StoreView
    sign_in: str = ""
    session: SignInSession | None = None
    recorded: dict[str, Any] = msgspec.field(default_factory=dict)
    headers: Headers = ()


class RestAction(Protocol[P_contra]):
    """One operation.

    `payload` is the member of the model that is the whole body, if any. With `needs_provider` it is refused while no
    identity provider is registered. With `is_cached` it runs on the event loop if the cache has all that it reads.
    """

    service: str
    name: str
    payload: str
    needs_provider: bool
    is_cached: bool

    @property
    def takes(self) -> type[msgspec.Struct]:
        """The struct of the parameters, which declares the members that are read."""
        ...

    def answer(self, params: P_contra, call: RestCall) -> Mapping[str, Any]:
        """Return the members of the response. Raises a Fault."""
        ...


class OfSsoOidc:
    """The common part of the operations of SSO OIDC."""

    service = "sso-oidc"
    payload = ""
    needs_provider = False
    is_cached = False


AnyAction = RestAction[Any]
