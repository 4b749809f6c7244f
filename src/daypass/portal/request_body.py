"""The parser of request bodies: a small form or JSON object.

Owns the limits of size and time. A malformed body raises a Fault before any other step.
"""

import asyncio
from collections.abc import Mapping

import msgspec
from starlette.requests import ClientDisconnect, Request

from daypass.errors import InvalidParameterValue, RequestEntityTooLarge, SenderFault
from daypass.wire.form import read_form

_PATIENCE = 30.0  # seconds for the whole body to arrive
# Bytes beyond the limit are read and discarded: a sending client does not read the response.
_POLITENESS = 1_000_000
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_FIELDS = msgspec.json.Decoder(dict[str, str])


class RequestTimeoutError(SenderFault):
    """The body did not arrive completely in time."""

    code, status = "RequestTimeout", 408


class WrongContentTypeError(SenderFault):
    """The content type of the body is not supported."""

    code, status = "UnsupportedMediaType", 415


async def read_fields(request: Request, *, most: int, takes_json: bool = False) -> Mapping[str, str]:
    """Return the fields of a body of at most `most` bytes.

    Raises a Fault if the body is too large, too slow or malformed.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM and not (takes_json and kind == _JSON):
        raise WrongContentTypeError(f"Send {_FORM}{' or ' + _JSON if takes_json else ''}.")
    body = await _read_body(request, most)
    if kind == _FORM:
        return read_form(body)
    try:
        return _FIELDS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidParameterValue("The body must be a JSON object of strings.") from error


async def read_distinct_fields(request: Request, *, most: int) -> Mapping[str, str]:
    """Return the fields of a form in which each name occurs once.

    Raises a Fault as `read_fields` does, and InvalidParameterValue if a name occurs twice.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise WrongContentTypeError(f"Send {_FORM}.")
    body = await _read_body(request, most)
    fields = read_form(body)
    if len(fields) != body.count(b"&") + 1:
        raise InvalidParameterValue("A field of the form occurs twice.")
    return fields


async def _read_body(request: Request, most: int) -> bytes:
    body, length = bytearray(), 0
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in request.stream():
                length += len(chunk)
                if length > most + _POLITENESS:
                    break
                if length <= most:
                    body += chunk
    except (TimeoutError, ClientDisconnect) as error:
        raise RequestTimeoutError("The request did not arrive in time.") from error
    if length > most:
        raise RequestEntityTooLarge(f"The request is larger than {most} bytes.")
    return bytes(body)
