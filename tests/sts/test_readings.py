"""What is remembered of requests: readings of small forms, by all that they were made from, and no secret."""

from typing import Any

import pytest

from daypass.audit.event import HIDDEN
from daypass.operations.readings import Reading, Readings
from daypass.operations.registry import full_registry
from daypass.wire.catalog import Catalog
from daypass.wire.decode import decode
from daypass.wire.http import HttpRequest

_FORM = (b"content-type", b"application/x-www-form-urlencoded")
_JSON = (b"accept", b"application/json")
_WHO = b"Action=GetCallerIdentity&Version=2011-06-15"
_ROLE = (
    b"Action=AssumeRole&Version=2011-06-15&RoleSessionName=session"
    b"&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader"
)
_CATALOG, _REGISTRY = Catalog.load(), full_registry()


def _request(body: bytes, *headers: tuple[bytes, bytes], **more: Any) -> HttpRequest:
    fields: dict[str, Any] = {"method": "POST", "path": b"/", "query": b"", "peer": "192.0.2.1", "secure": False}
    return HttpRequest(**{**fields, "headers": headers or (_FORM,), "body": body, **more})


def _keep(readings: Readings, request: HttpRequest) -> Reading:
    call = decode(request, _CATALOG)
    operation = _REGISTRY.find(call.service, call.action)
    parameters = call.operation.parse(call.params)
    reading = Reading(call, operation, parameters, operation.parse(parameters))
    readings.keep(request, reading)
    return reading


def test_the_same_form_is_read_once() -> None:
    """Who sends it and what else its headers say makes no difference to what a form means."""
    readings = Readings(HIDDEN)
    kept = _keep(readings, _request(_ROLE))
    assert readings.find(_request(_ROLE, _FORM, (b"x-amz-date", b"20260101T000000Z"), peer="192.0.2.2")) is kept


@pytest.mark.parametrize(
    "other",
    [
        _request(_ROLE + b"s"),
        _request(_ROLE, _FORM, _JSON),
        _request(_ROLE, (b"content-type", b"text/plain"), _FORM),
        _request(_ROLE, query=b"Action=GetCallerIdentity"),
        _request(_ROLE, method="GET"),
        _request(_ROLE, truncated=True),
    ],
)
def test_what_might_mean_something_else_is_read_anew(other: HttpRequest) -> None:
    """A reading is found by everything that it was made from: method, query, body, Content-Type and Accept."""
    readings = Readings(HIDDEN)
    _keep(readings, _request(_ROLE))
    assert readings.find(other) is None


@pytest.mark.parametrize(
    "body",
    [
        _ROLE + b"&SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Fphone&TokenCode=123456",
        _ROLE + b"&Policy=%7B%22Version%22%3A%222012-10-17%22%2C"
        b"%22Statement%22%3A%7B%22Effect%22%3A%22Deny%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%7D",
        _ROLE + b"&ignored=" + b"x" * 1024,
        b"Action=ListUsers&Version=2010-05-08",
    ],
)
def test_secrets_long_forms_and_what_needs_the_store_are_not_kept(body: bytes) -> None:
    """What proves something, or may hold what does, is not in memory longer than its request."""
    readings = Readings(HIDDEN)
    _keep(readings, _request(body))
    assert readings.find(_request(body)) is None


def test_the_oldest_leave_first() -> None:
    """Nobody fills the memory with forms."""
    readings = Readings(HIDDEN)
    bodies = [_WHO + b"&n=%d" % number for number in range(1025)]
    for body in bodies:
        _keep(readings, _request(body))
    assert readings.find(_request(bodies[0])) is None
    assert readings.find(_request(bodies[-1])) is not None
