"""The portal: the paths for people, and how each request to them is held in bounds.

Owns the routes, the throttle in front of them, and what becomes of a refusal. A step runs on a worker thread: it
checks signatures and waits for the store.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Send

from daypass.errors import Fault, InternalFailure, Throttling
from daypass.portal import pages
from daypass.portal.reading import read_fields
from daypass.portal.saml import LARGEST_CHOICE, LARGEST_RESPONSE, Consumer

Step = Callable[[Request, Mapping[str, str], str], Response]


@dataclass(frozen=True, slots=True)
class Portal:
    """What the routes share. `admits` counts requests by peer, as it does unsigned calls of the API."""

    consumer: Consumer
    admits: Callable[[str], bool]
    new_request_id: Callable[[], str]
    report_bug: Callable[[str, Exception], None]
    workers: ThreadPoolExecutor

    async def receive(self, request: Request) -> Response:
        """POST /saml: a response arrives."""
        return await self._run(request, self.consumer.receive, most=LARGEST_RESPONSE)

    async def choose(self, request: Request) -> Response:
        """POST /saml/role: a role is chosen."""
        return await self._run(request, self.consumer.choose, most=LARGEST_CHOICE, takes_json=True)

    async def metadata(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's signature
        """GET /saml/metadata.xml: who we are."""
        return self.consumer.metadata()

    async def _run(self, request: Request, step: Step, *, most: int, takes_json: bool = False) -> Response:
        request_id = self.new_request_id()
        try:
            self._admit(request)
            fields = await read_fields(request, most=most, takes_json=takes_json)
            return await asyncio.get_running_loop().run_in_executor(self.workers, step, request, fields, request_id)
        except Fault as fault:
            return _refused(request, fault, request_id)
        except Exception as bug:  # noqa: BLE001 - a bug of ours is answered with a request id, never with a traceback
            self.report_bug(request_id, bug)
            failure = InternalFailure("The request failed because of an unknown error.")
            return _refused(request, failure, request_id)

    def _admit(self, request: Request) -> None:
        if not self.admits(request.client.host if request.client else ""):
            raise Throttling("Rate exceeded")


def build_portal(portal: Portal) -> Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]:
    """Return the application that serves every path that is nobody else's."""
    application = Starlette(
        routes=[
            Route("/saml", portal.receive, methods=["POST"]),
            Route("/saml/role", portal.choose, methods=["POST"]),
            Route("/saml/metadata.xml", portal.metadata, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _nothing_here},
    )

    async def serve(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        await application(dict(scope), receive, send)

    return serve


def _refused(request: Request, fault: Fault, request_id: str) -> Response:
    error = {"Type": fault.blame.value, "Code": fault.code, "Message": fault.message}
    return pages.answer(request, "refusal.html", {"Error": error, "RequestId": request_id}, status=fault.status)


async def _nothing_here(request: Request, error: Exception) -> Response:
    """Answer a path or a method that is none, in a sentence."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = dict(getattr(error, "headers", None) or {}) | {"cache-control": "no-store"}
    if status == 405:  # noqa: PLR2004 - Method Not Allowed
        text = f"{request.url.path} takes {headers.get('Allow', 'POST')} alone.\n"
    else:
        text = "There is nothing here. The API is at /.\n"
    return PlainTextResponse(text, status, headers)
