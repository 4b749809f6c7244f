"""The framed lines that are kept give the same bytes as those that are not."""

import pytest

from daypass.errors import AccessDenied, Fault, MethodNotAllowed
from daypass.http.response_framing import ResponseFramer
from daypass.wire.faults import answer, render_fault
from daypass.wire.http import HttpResponse

OWN = [(b"date", b"Mon, 30 Nov 2026 12:00:00 GMT")]


def plain(response: HttpResponse, own: list[tuple[bytes, bytes]]) -> bytes:
    """Return the bytes of a response, one header after another."""
    phrase = {200: b"OK", 403: b"Forbidden", 405: b"Method Not Allowed"}[response.status]
    headers = [(b"content-length", b"%d" % len(response.body)), *own, *response.headers]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (response.status, phrase, lines, response.body)


def denied(encoded: str | None = None) -> Fault:
    """Return a denial with an encoded message, or without one."""
    fault = AccessDenied("no")
    fault.encoded = encoded
    return fault


RESPONSES = {
    "XML": answer(b"<a/>", request_id="1-2", wants_json=False),
    "JSON": answer(b"{}", request_id="1-2", wants_json=True),
    "another id": answer(b"{}", request_id="3", wants_json=True),
    "a denial": render_fault(denied(), request_id="1", service="sts", wants_json=False),
    "a denial with its message": render_fault(denied("abc"), request_id="1", service="sts", wants_json=False),
    "another message": render_fault(denied("abcd"), request_id="1", service="sts", wants_json=False),
    "a header more": render_fault(MethodNotAllowed("no"), request_id="1", service="sts", wants_json=False),
    "an extra header": answer(b"", request_id="1", wants_json=False, extra=((b"a", b"b"),)),
    "no header": HttpResponse(200, (), b"a"),
    "one header": HttpResponse(200, ((b"a", b"b"),), b""),
}


def test_every_response_has_its_own_bytes() -> None:
    """Nothing of a response is found in another one, and the date is that of the server."""
    framer = ResponseFramer()
    for own in ([], OWN, OWN, [(b"date", b"later")], OWN):
        for response in (*RESPONSES.values(), *RESPONSES.values()):
            assert framer.frame(response, own) == plain(response, own)


@pytest.mark.parametrize("bad", [b"a\r\nb: c", b"a\n", b"\ra"])
def test_a_line_break_in_a_header_is_refused(bad: bytes) -> None:
    """A value cannot add a header, whether the lines behind it are kept or not."""
    common = RESPONSES["XML"].headers[1:]
    for headers in (
        ((b"x-amzn-requestid", bad), *common),
        ((bad, b"1"), *common),
        ((b"x-amzn-requestid", b"1"), *common, (b"a", bad)),
        ((b"x-amzn-requestid", b"1"), *common, (bad, b"a")),
        ((b"a", bad),),
    ):
        with pytest.raises(ValueError, match="line break"):
            ResponseFramer().frame(HttpResponse(200, headers, b""), [])
    with pytest.raises(ValueError, match="line break"):
        ResponseFramer().frame(RESPONSES["XML"], [(b"date", bad)])
