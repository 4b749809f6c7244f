"""What every step of the portal works with: the store as a worker thread sees it, the settings, and the API itself.

Owns how a step calls an operation: as a client would, through the same pipeline, so that nothing is decided or recorded
here in another way. Owns also the rule that a form comes from a page of ours.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from daypass.audit.event import Happening
from daypass.authenticate.caller import Caller
from daypass.errors import Fault
from daypass.operations.operation import Touches
from daypass.operations.settings import ServiceSettings
from daypass.operations.world import World
from daypass.pipeline import Face, Pipeline
from daypass.portal.origins import require_our_origin
from daypass.wire.http import HttpRequest

_VERSION = "2011-06-15"


@dataclass(frozen=True, slots=True)
class Site:
    """What the steps share. `face` is the store as a worker thread sees it: they run on one."""

    pipeline: Pipeline
    face: Face
    settings: ServiceSettings

    def world(self) -> AbstractContextManager[World]:
        """Open what a step may use."""
        return self.face.open(Touches.WAITS, self.pipeline.now(), self.pipeline.home_region)

    @property
    def region(self) -> str:
        """A region that is served: our own, unless the operator serves others alone."""
        home, served = self.pipeline.home_region, self.settings.regions
        return home if not served or home in served else min(served)

    def call(
        self, request: Request, action: str, parameters: Mapping[str, str], request_id: str
    ) -> tuple[int, dict[str, Any]]:
        """Call an unsigned operation of STS as a client would, and return its status and its answer."""
        sent = as_sent(request)
        form = urlencode({"Action": action, "Version": _VERSION, **parameters})
        call = msgspec.structs.replace(
            sent,
            method="POST",
            path=b"/",
            query=b"",
            headers=(
                *((name, value) for name, value in sent.headers if name not in {b"accept", b"content-type"}),
                (b"accept", b"application/json"),
                (b"content-type", b"application/x-www-form-urlencoded"),
            ),
            body=form.encode(),
        )
        answered = self.pipeline.answer_at_last(call, request_id, self.face)
        document = msgspec.json.decode(answered.body)
        if "Error" in document:
            return answered.status, document
        return answered.status, _as_the_cli_prints(document[f"{action}Response"][f"{action}Result"])

    def record(
        self,
        event: str,
        request: Request,
        request_id: str,
        *,
        caller: Caller | None = None,
        parameters: Mapping[str, Any] | None = None,
        fault: Fault | None = None,
    ) -> None:
        """Record a step that is no call of the API.

        A step that went well is recorded before its answer leaves, where the audit log is required. Raises
        ServiceUnavailable where it cannot be written then.
        """
        record = self.pipeline.record_first if fault is None else self.pipeline.record
        record(
            Happening(
                self.pipeline.now(),
                request_id,
                as_sent(request),
                "sts",
                event,
                self.pipeline.home_region,
                "",
                caller,
                parameters,
                fault,
            )
        )

    def require_log(self) -> None:
        """Raise ServiceUnavailable where the audit log is required and known not to be writable. Never waits."""
        if self.pipeline.required_log is not None:
            self.pipeline.required_log.require()

    def require_our_page(self, request: Request) -> None:
        """Raise AccessDenied for a request that another site's page sends. Commands pass: they are no browsers."""
        headers = request.headers
        require_our_origin(
            self.settings.public_url,
            origins=headers.getlist("origin"),
            fetched_from=headers.getlist("sec-fetch-site"),
            host=headers.get("host", ""),
        )


def as_sent(request: Request) -> HttpRequest:
    """Return a request as the rest of Daypass knows it, without its body."""
    return HttpRequest(
        request.method,
        request.scope["raw_path"],
        request.scope["query_string"],
        tuple(request.headers.raw),
        b"",
        peer_of(request),
        request.url.scheme == "https",
    )


def peer_of(request: Request) -> str:
    """Return the address of the client, as trusted proxies tell it."""
    return request.client.host if request.client else ""


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _as_the_cli_prints(result: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with its time as text, as `aws sts` prints it and tools read it."""
    credentials = result["Credentials"]
    ends = datetime.fromtimestamp(credentials["Expiration"], UTC).isoformat()
    return {**result, "Credentials": {**credentials, "Expiration": ends}}
