"""The responses to refused calls.

Owns the choice of a format that the client understands. Leaves the formats to wire/.
"""

from daypass.errors import Fault
from daypass.wire.cors import allow_any_origin
from daypass.wire.decode import Call, is_json_wanted
from daypass.wire.faults import render_fault
from daypass.wire.http import HttpRequest, HttpResponse
from daypass.wire.other_services import OtherServiceError, render_not_served


def without_frames(fault: Fault) -> Fault:
    """Return a fault without tracebacks, also of the errors that caused it.

    Their frames refer to the request's trace: this cycle would keep the whole request in memory until the next garbage
    collection.
    """
    fault.__cause__ = fault.__context__ = None
    return fault.with_traceback(None)


def refuse(fault: Fault, request: HttpRequest, request_id: str, call: Call | None = None) -> HttpResponse:
    """Return a refusal in the format that the client requested or understands."""
    service = None if call is None else call.service
    if isinstance(fault, OtherServiceError):
        response = render_not_served(fault, request, request_id)
    else:
        response = render_fault(fault, request_id=request_id, service=service, wants_json=is_json_wanted(request))
    return allow_any_origin(response, request, service)
