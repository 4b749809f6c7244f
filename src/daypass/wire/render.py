"""Render a response: an operation's result in the requested format."""

from collections.abc import Mapping
from typing import Any

from daypass.wire.decode import Call
from daypass.wire.faults import answer
from daypass.wire.http import HttpResponse


def render(call: Call, result: Mapping[str, Any], request_id: str) -> HttpResponse:
    """Return the success response of a call.

    `result` contains the members of AWS's model.
    """
    model = call.model
    body = model.render_json(result, request_id) if call.wants_json else model.render(result, request_id)
    return answer(body, request_id=request_id, wants_json=call.wants_json)
