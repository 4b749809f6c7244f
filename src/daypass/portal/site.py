"""The objects of every portal step: the store, the settings and the API.

Owns the rule that a form must come from our own pages, and the calls of operations: through the pipeline like a
client's, with the same authorization and audit.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from starlette.requests import Request

from daypass.audit.event import AuditRecord
from daypass.audit.user_identity import UserIdentity
from daypass.authenticate.caller import Caller
from daypass.errors import Fault
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import ServiceSettings
from daypass.pipeline import Pipeline, StoreView
from daypass.portal.same_origin import require_our_origin
from daypass.wire.http import HttpRequest

_VERSION = "2011-06-15"


@dataclass(frozen=True, slots=True)
class Site:
    """The objects that the steps share.

    `store_view` is the store view of a worker.
    """

    pipeline: Pipeline
    store_view: StoreView
    settings: ServiceSettings

    def ctx(self) -> AbstractContextManager[RequestContext]:
        """Open the request context of a step."""
        return self.store_view.open(StoreAccess.BLOCKING, self.pipeline.now(), self.pipeline.home_region)

    @property
    def region(self) -> str:
        """A served region: the home region, unless the settings exclude it."""
        home, served = self.pipeline.home_region, self.settings.regions
        return home if not served or home in served else min(served)

    def call(
        self,
        request: Request,
        action: str,
        parameters: Mapping[str, str],
        request_id: str,
        sign_in: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Call an unsigned STS operation, and return status and response.

        `sign_in` names the sign-in whose proof is among the parameters, for the audit event.
        """
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
        answered = self.pipeline.answer_at_last(call, request_id, self.store_view, sign_in=sign_in)
        document = msgspec.json.decode(answered.body)
        if "Error" in document:
            return answered.status, document
        return answered.status, _as_the_cli_prints(document[f"{action}Response"][f"{action}Result"])

    def record(  # noqa: PLR0913 - the parts of an audit event
        self,
        event: str,
        request: Request,
        request_id: str,
        *,
        caller: Caller | None = None,
        parameters: Mapping[str, Any] | None = None,
        fault: Fault | None = None,
        sign_in: Mapping[str, str] | None = None,
        person: UserIdentity | None = None,
        answer: bytes | None = None,
    ) -> None:
        """Record a step that is not an API call.

        `sign_in` names the session that the step concerns, and `person` its person, for a step without a caller.
        `answer` is what the step issued (encode_answer).

        A required audit log records a successful step before the response is sent, or raises ServiceUnavailable.
        """
        record = self.pipeline.record_first if fault is None else self.pipeline.record
        record(
            AuditRecord(
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
                sign_in=sign_in,
                answer=answer,
                identity=person,
            )
        )

    def require_log(self) -> None:
        """Raise ServiceUnavailable if the required audit log is not writable.

        It tests the last known state, without waiting.
        """
        if self.pipeline.required_log is not None:
            self.pipeline.required_log.require()

    def require_our_page(self, request: Request) -> None:
        """Raise AccessDenied for a cross-site request of a browser.

        Commands are accepted.
        """
        headers = request.headers
        require_our_origin(
            self.settings.public_url,
            origins=headers.getlist("origin"),
            fetched_from=headers.getlist("sec-fetch-site"),
            host=headers.get("host", ""),
        )


def as_sent(request: Request) -> HttpRequest:
    """Return the request as an HttpRequest without its body."""
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
    """Return the client address, as reported by trusted proxies."""
    return request.client.host if request.client else ""


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _as_the_cli_prints(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result with its expiry as a string, as `aws sts` prints it."""
    credentials = result["Credentials"]
    ends = datetime.fromtimestamp(credentials["Expiration"], UTC).isoformat()
    return {**result, "Credentials": {**credentials, "Expiration": ends}}
