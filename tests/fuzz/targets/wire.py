"""Requests of the Query protocol and JSON: read or refused, with well-formed responses."""

import json
from contextlib import suppress
from typing import Any

from lxml import etree
from tests.fuzz.choices import Choices

from daypass.errors import Fault
from daypass.operations.registry import full_registry
from daypass.policy.language.document_text import read_json
from daypass.strict_json import NotStrictJsonError, parse_object
from daypass.wire.catalog import Catalog
from daypass.wire.decode import decode, is_json_wanted
from daypass.wire.faults import render_fault
from daypass.wire.http import HttpRequest

_CATALOG, _REGISTRY = Catalog.load(), full_registry()
_VERSIONS = {"sts": b"2011-06-15", "iam": b"2010-05-08"}
_ACTIONS = tuple(
    b"Action=" + action.encode() + b"&Version=" + _VERSIONS[service]
    for service, _, action in (name.partition(":") for name in _REGISTRY.names())
)
_TYPES = (b"application/x-www-form-urlencoded", b"application/x-www-form-urlencoded; charset=utf-8", b"text/plain", b"")
_ACCEPTED = (b"", b"application/json", b"text/html, application/json;q=0.1", b"*/*")


def fuzz_one(data: bytes) -> None:
    """Read a request, or JSON."""
    choices = Choices(data)
    choices.pick((_request, _json))(choices)


def _request(choices: Choices) -> None:
    method, content_type = choices.pick(("POST", "GET")), choices.pick(_TYPES)
    accept, in_query, names_action = choices.pick(_ACCEPTED), choices.flag(), choices.below(8)
    action = choices.pick(_ACTIONS) + b"&" if names_action else b""
    query = action if in_query else choices.chunk()
    headers = ((b"content-type", content_type), (b"accept", accept), (b"host", choices.chunk()))
    body = choices.rest() if in_query else action + choices.rest()
    request = HttpRequest(method, b"/", query, headers, body, "127.0.0.1", secure=False)
    try:
        call = decode(request, _CATALOG)
        operation = _REGISTRY.find(call.service, call.action)
        operation.parse(call.model.parse(call.form_params))
    except Fault as fault:
        _check_refusal(fault, request)


def _check_refusal(fault: Fault, request: HttpRequest) -> None:
    wants_json = is_json_wanted(request)
    answer = render_fault(fault, request_id="id", service="sts", wants_json=wants_json)
    assert 400 <= answer.status < 500 or answer.status == 302, fault
    assert not any(b"\r" in value or b"\n" in value for _, value in answer.headers)
    if not answer.body:
        return
    if wants_json:
        assert json.loads(answer.body)["Error"]["Code"] == fault.code
        return
    root = etree.fromstring(answer.body)
    assert [each.text for each in root.iter("{*}Code")] == [fault.code]


def _json(choices: Choices) -> None:
    data = choices.rest()
    with suppress(NotStrictJsonError):
        assert parse_object(data) == _plainly(data)
    try:
        value = read_json(data.decode("utf-8", "surrogateescape"))
    except NotStrictJsonError:
        return
    _plainly(data)
    assert not isinstance(value, bytes)


def _plainly(data: bytes) -> Any:
    """Return the result of Python's own parser, which accepts all input that a strict one does."""
    return json.loads(data.decode("utf-8", "surrogateescape"))
