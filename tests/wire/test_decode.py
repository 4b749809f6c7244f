"""Decode the bytes of a request into the action that it calls."""

import re
import tracemalloc
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.requests import FORM, get, post

from daypass.errors import (
    Fault,
    InvalidAction,
    MalformedQueryString,
    MethodNotAllowed,
    MissingAction,
    QueryTooLong,
    RequestEntityTooLarge,
    ValidationError,
)
from daypass.wire.catalog import Catalog
from daypass.wire.decode import MAX_BODY, MAX_QUERY, decode, is_json_wanted
from daypass.wire.form import MAX_PARAMETERS, read_form
from daypass.wire.http import HttpRequest

WHOAMI = "Action=GetCallerIdentity&Version=2011-06-15"


def test_a_posted_form_is_a_call(catalog: Catalog) -> None:
    """Action and Version name an operation of a service.

    The other parameters are not validated yet.
    """
    call = decode(post("Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam&x=a+b"), catalog)
    assert (call.service, call.action, call.version) == ("sts", "AssumeRole", "2011-06-15")
    assert call.model.name == "AssumeRole"
    assert (call.form_params["RoleArn"], call.form_params["x"]) == ("arn:aws:iam", "a b")
    assert not call.wants_json


def test_a_query_is_a_call(catalog: Catalog) -> None:
    """A GET has its parameters in the query, including a presigned signature."""
    call = decode(get(WHOAMI.encode() + b"&X-Amz-Expires=60"), catalog)
    assert call.model.name == "GetCallerIdentity"


def test_a_post_may_carry_its_parameters_in_the_query(catalog: Catalog) -> None:
    """A POST may have parameters in the query, as on AWS."""
    assert decode(post("", query=WHOAMI.encode()), catalog).action == "GetCallerIdentity"
    assert decode(post("b=2", query=WHOAMI.encode() + b"&a=1"), catalog).form_params["b"] == "2"


@pytest.mark.parametrize("content_type", [None, b"text/plain", b"application/json", b"multipart/form-data; boundary=x"])
def test_a_body_that_is_not_read_is_refused(catalog: Catalog, content_type: bytes | None) -> None:
    """A policy in such a body would be ignored, which would widen the session."""
    request = post("Policy=x", query=WHOAMI.encode(), content_type=content_type)
    with pytest.raises(ValidationError, match="body of this request is not supported by this server"):
        decode(request, catalog)
    in_a_get = msgspec.structs.replace(get(WHOAMI.encode(), content_type=FORM), body=b"Policy=x")
    with pytest.raises(ValidationError):
        decode(in_a_get, catalog)
    assert decode(post("", query=WHOAMI.encode(), content_type=content_type), catalog).action == "GetCallerIdentity"


def test_query_and_body_may_not_contradict(catalog: Catalog) -> None:
    """A relay of signed requests reads only one of query and body.

    It must not see another call than Daypass does.
    """
    with pytest.raises(MalformedQueryString):
        decode(post(WHOAMI, query=b"Action=AssumeRole"), catalog)
    assert decode(post(WHOAMI, query=b"Action=GetCallerIdentity"), catalog).action == "GetCallerIdentity"


def test_the_version_chooses_the_service(catalog: Catalog) -> None:
    """One URL serves both services."""
    assert decode(post("Action=ListUsers&Version=2010-05-08"), catalog).service == "iam"


def test_the_first_of_two_parameters_wins() -> None:
    """The first of two parameters is used, as on AWS."""
    assert read_form(b"a=1&a=2&b=3") == {"a": "1", "b": "3"}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"a=%C3%A9", "é"),
        (b"a=%c3%a9%20x", "é x"),
        ("a=é+x".encode(), "é x"),
        (b"a=%2b%2B%3d", "++="),
        (b"a=x=y", "x=y"),
        (b"a", ""),
        (b"%61=1", "1"),
        (b"&&a=1", "1"),
        (b"a=%F0%9F%98%80", "\U0001f600"),
        (b"a=%25", "%"),
    ],
)
def test_forms_are_decoded(raw: bytes, value: str) -> None:
    """Escapes, plus signs, raw UTF-8 and names without values are decoded."""
    assert read_form(raw)["a"] == value


@pytest.mark.parametrize(
    "raw",
    [
        b"a=%FF",
        b"a=\xff",
        b"a=%C0%AF",
        b"a=%ED%A0%80",
        b"a=%zz",
        b"a=%",
        b"a=%4",
        b"%=1",
        b"a=%C3",
        b"a=% 4",
        b"a=%+4",
    ],
)
def test_broken_encodings_are_refused(raw: bytes) -> None:
    """Broken escapes, invalid or overlong UTF-8 and surrogates are refused."""
    with pytest.raises(MalformedQueryString):
        read_form(raw)


@given(st.binary(max_size=20).map(quote_from_bytes) | st.text("%0aA=+_ \t\r\n.xé", max_size=20))
@settings(max_examples=500, deadline=None)
def test_escapes_are_read_as_the_standard_library_reads_them(text: str) -> None:
    """Urllib is the oracle for well-formed input."""
    try:
        value = read_form(b"a=" + text.encode())["a"]
    except MalformedQueryString:
        assert _is_broken(text)
    else:
        assert value == unquote_to_bytes(text.replace("+", " ")).decode()


def _is_broken(text: str) -> bool:
    if any(not re.fullmatch("[0-9a-fA-F]{2}", piece[:2]) for piece in text.split("%")[1:]):
        return True
    try:
        unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return True
    return False


def test_a_large_body_of_escapes_is_read_in_bounded_memory() -> None:
    """Three million escapes become three million bytes, not as many strings."""
    raw = b"a=" + b"%C3%A9" * 1_600_000
    tracemalloc.start()
    try:
        assert len(read_form(raw)["a"]) == 1_600_000
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_too_many_parameters_are_refused() -> None:
    """A body of many empty names is refused early."""
    with pytest.raises(MalformedQueryString):
        read_form(b"&" * MAX_PARAMETERS)
    assert len(read_form(b"&".join(b"%d=" % n for n in range(MAX_PARAMETERS)))) == MAX_PARAMETERS


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            post("Action=Nothing&Version=2011-06-15"),
            "Could not find operation Nothing for version 2011-06-15",
        ),
        (
            post("Action=ListUsers&Version=2011-06-15"),
            "Could not find operation ListUsers for version 2011-06-15",
        ),
        (
            post("Action=GetCallerIdentity&Version=1"),
            "Could not find operation GetCallerIdentity for version 1",
        ),
        (
            post("Action=GetCallerIdentity"),
            "Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED",
        ),
        (post("Version=2011-06-15"), "Could not find operation NO_ACTION_SPECIFIED for version 2011-06-15"),
        (get(b"Action=x&Version=2011-06-15"), "Could not find operation x for version 2011-06-15"),
    ],
)
def test_unknown_actions_and_versions(catalog: Catalog, request_: HttpRequest, message: str) -> None:
    """AWS's message names the unknown action or version."""
    with pytest.raises(InvalidAction) as refused:
        decode(request_, catalog)
    assert refused.value.message == message


def test_an_endless_action_is_not_repeated(catalog: Catalog) -> None:
    """A very long action name does not make a large response."""
    with pytest.raises(InvalidAction) as refused:
        decode(post("Action=" + "x" * 100_000 + "&Version=2011-06-15"), catalog)
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", [b"", b"a=b"])
@pytest.mark.parametrize("accept", [b"text/html", b"application/xhtml+xml,Text/HTML;q=0.9,*/*;q=0.8"])
def test_a_browser_that_asks_for_a_page_is_sent_to_it(
    catalog: Catalog, method: str, query: bytes, accept: bytes
) -> None:
    """It has neither an action nor a form."""
    asked = HttpRequest(method, b"/", query, ((b"accept", accept),), b"", "::1", secure=True)
    with pytest.raises(MissingAction):
        decode(asked, catalog)


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (get(b""), InvalidAction),
        (get(b"a=b"), InvalidAction),
        (HttpRequest("GET", b"/", b"", ((b"accept", b"*/*"),), b"", "::1", secure=True), InvalidAction),
        (post(b"", content_type=None), InvalidAction),
        (post(b"", content_type=None, accept="text/html"), InvalidAction),
        (post(WHOAMI, content_type=None), ValidationError),
        (post(WHOAMI, content_type=b"text/plain"), ValidationError),
        (post(b"{}", content_type=b"application/json"), ValidationError),
        (post(WHOAMI, content_type=b"multipart/form-data", accept="text/html"), ValidationError),
    ],
)
def test_other_clients_without_an_action_get_an_error(
    catalog: Catalog, request_: HttpRequest, fault: type[Fault]
) -> None:
    """They could not read a page. A body without the Content-Type of a form is not read."""
    with pytest.raises(fault):
        decode(request_, catalog)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get"])
def test_other_methods_are_refused(catalog: Catalog, method: str) -> None:
    """They are refused even if the query has an action."""
    asked = HttpRequest(method, b"/", WHOAMI.encode(), ((b"accept", b"text/html"),), b"", "::1", secure=True)
    with pytest.raises(MethodNotAllowed, match=f"does not have the method {method}"):
        decode(asked, catalog)


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (HttpRequest("POST", b"/", b"", (), b"", "::1", secure=True, truncated=True), RequestEntityTooLarge),
        (post(b"a" * (MAX_BODY + 1)), RequestEntityTooLarge),
        (get(WHOAMI.encode() + b"&a=" + b"a" * MAX_QUERY), QueryTooLong),
    ],
)
def test_what_is_too_large_is_not_read(catalog: Catalog, request_: HttpRequest, fault: type[Fault]) -> None:
    """Bodies over ten million bytes and queries over 15.8 KB are refused."""
    with pytest.raises(fault):
        decode(request_, catalog)


def test_a_body_of_the_greatest_size_is_read(catalog: Catalog) -> None:
    """Ten million bytes are allowed."""
    body = WHOAMI + "&a="
    assert decode(post(body + "x" * (MAX_BODY - len(body))), catalog).action == "GetCallerIdentity"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/json", True),
        ("text/html, Application/JSON;q=0.9", True),
        ("*/*", False),
        ("application/*", False),
        ("application/jsonlines", False),
        ("text/xml", False),
    ],
)
def test_json_is_answered_to_who_names_it(accept: str, wanted: bool) -> None:  # noqa: FBT001 - a case table
    """Wildcards are not sufficient: SDKs send them and expect XML."""
    assert is_json_wanted(post(WHOAMI, accept=accept)) is wanted


def test_the_first_header_counts() -> None:
    """The first of several headers is returned. Names are lower case already."""
    request = HttpRequest("GET", b"/", b"", ((b"a", b"1"), (b"a", b"2")), b"", "::1", secure=True)
    assert (request.header(b"a"), request.header(b"b")) == (b"1", None)


_PAIRS = st.lists(
    st.builds(
        lambda name, sign, value: name + sign + value,
        st.sampled_from([b"a", b"b", b"c.1", b"%61", b"a+", b"", b"\xc3\xa9", b"%"]),
        st.sampled_from([b"=", b"", b"=="]),
        st.sampled_from([b"", b"v", b"%41", b"+", b"%2B", b"%252B+", b"%4", b"%zz", b"%ff", b"a=b", b"\xff"]),
    ),
    max_size=5,
)


@given(pairs=_PAIRS)
@settings(max_examples=300)
def test_a_form_is_read_alike_with_and_without_a_repeated_name(pairs: list[bytes]) -> None:
    """A repeated name takes the general way through the pairs. The first of both counts, so the result is the same."""
    raw = b"&".join([b"first=1", *pairs])
    repeated = raw + b"&first=2"
    outcomes = []
    for form in (raw, repeated):
        try:
            outcomes.append([*read_form(form).items()])
        except MalformedQueryString as refused:
            outcomes.append([("", refused.detail)])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "raw", [b"a" * 5_000_000, b"&" + b"a" * 5_000_000, b"a" * 5_000_000 + b"&b=1", b"=" * 5_000_000]
)
def test_a_form_is_read_in_linear_time(raw: bytes) -> None:
    """Time that grows with the square of the length would take hours here."""
    params = read_form(raw)
    assert len(params) <= 2
