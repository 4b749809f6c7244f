"""The arguments of a middleware, and its clock.

Owns the constructor that the ASGI and the WSGI middleware share. Leaves the rules to services/service.py.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from daypass.verify.keys import Keys
from daypass.verify.services.routes import RouteTable
from daypass.verify.services.service import DEFAULT_BUFFER, ContextHook, ServiceRules

ApplicationT = TypeVar("ApplicationT")


def system_time() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)


class ServiceMiddleware(Generic[ApplicationT]):
    """The application behind a middleware, and the rules for its requests.

    - `keys` provides the signing keys. `service` and `regions` are the names in the scope of signatures.
    - `routes` maps requests to permissions. `context` returns further condition keys of a request.
    - `buffer` is the size, in bytes, up to which a body is read first. A client that does not send
      x-amz-content-sha256 cannot send a larger one.
    - `clock` returns the current time, with a zone.

    Raises TypeError if `regions` is one string.
    """

    def __init__(  # noqa: PLR0913 - the parts of a service
        self,
        app: ApplicationT,
        keys: Keys,
        *,
        service: str,
        regions: Iterable[str],
        routes: RouteTable,
        context: ContextHook | None = None,
        buffer: int = DEFAULT_BUFFER,
        clock: Callable[[], datetime] = system_time,
    ) -> None:
        self._app = app
        self._rules = ServiceRules(keys, service=service, regions=regions, routes=routes, context=context)
        self._buffer = buffer
        self._clock = clock
