"""Refusals of a signature before a key is needed.

Each has AWS's code and message.
"""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace
from tests.authenticate.sigv4.signing import FORM, NOW, SERVICES, presign, sign, unsigned

from daypass.authenticate.sigv4.find import find_signature
from daypass.authenticate.sigv4.scope import check_scope
from daypass.errors import (
    Fault,
    IncompleteSignature,
    MissingAuthenticationToken,
    SignatureDoesNotMatch,
)
from daypass.regions import is_region_name
from daypass.wire.http import HttpRequest

DATE = b"20260314T150926Z"
CREDENTIAL = "AKIDEXAMPLE/20260314/eu-central-1/sts/aws4_request"
SIGNATURE = "0" * 64
WHOLE = f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=host;x-amz-date, Signature={SIGNATURE}"
QUERY = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260314%2Feu-central-1%2Fsts%2Faws4_request"
    f"&X-Amz-Date=20260314T150926Z&X-Amz-SignedHeaders=host&X-Amz-Signature={SIGNATURE}"
)


def bare(
    *headers: tuple[bytes, bytes], query: str = "", date: tuple[bytes, bytes] | None = (b"x-amz-date", DATE)
) -> HttpRequest:
    """Return a request with these headers, a host and a date.

    There is no Date header if the date is None.
    """
    dated = () if date is None else (date,)
    everything = ((b"host", b"127.0.0.1:7878"), *dated, *headers)
    return HttpRequest("POST", b"/", query.encode(), everything, FORM, peer="127.0.0.1", secure=False)


def authorized(text: str, date: tuple[bytes, bytes] | None = (b"x-amz-date", DATE)) -> HttpRequest:
    """Return a request with this Authorization header."""
    return bare((b"authorization", text.encode("latin-1")), date=date)


def refusal(request: HttpRequest, now: datetime = NOW) -> Fault:
    """Return the Fault with which a request is refused."""
    with pytest.raises(Fault) as caught:
        check_scope(find_signature(request), services=SERVICES, is_region=is_region_name, now=now)
    return caught.value


def test_an_unsigned_request_is_missing_its_token() -> None:
    """A request without a signature is 403 MissingAuthenticationToken."""
    for request in (bare(), bare((b"authorization", b"")), bare(query="Action=GetCallerIdentity")):
        fault = refusal(request)
        assert isinstance(fault, MissingAuthenticationToken)
        assert (fault.status, fault.message) == (403, "Request is missing Authentication Token")


def test_a_date_or_a_token_alone_is_no_signature() -> None:
    """Unsigned requests may have a date or a token in their query."""
    fault = refusal(bare(query="X-Amz-Date=20260314T150926Z&X-Amz-Security-Token=t"))
    assert isinstance(fault, MissingAuthenticationToken)


def test_a_signature_in_the_form_body_is_told_to_the_audit() -> None:
    """A signature in a form body is ignored, and the audit log records it."""
    with pytest.raises(MissingAuthenticationToken) as caught:
        find_signature(bare(), form_params={"Signature": "x"})
    assert "among the form parameters" in caught.value.detail


HASHED = " (Hashed with SHA-256 and encoded with Base64) Authorization="
NEED_CREDENTIAL = "Authorization header requires 'Credential' parameter."
NEED_SIGNATURE = "Authorization header requires 'Signature' parameter."
NEED_HEADERS = "Authorization header requires 'SignedHeaders' parameter."
NEED_DATE = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"AWS4-HMAC-SHA256 SignedHeaders=host, Signature={SIGNATURE}", NEED_CREDENTIAL),
        (f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=host", NEED_SIGNATURE),
        (f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=host, Signature=", NEED_SIGNATURE),
        (f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, Signature={SIGNATURE}", NEED_HEADERS),
        ("AWS4-HMAC-SHA256", f"{NEED_CREDENTIAL} {NEED_SIGNATURE} {NEED_HEADERS}"),
        ("AWS4-HMAC-SHA256 ,, ,", f"{NEED_CREDENTIAL} {NEED_SIGNATURE} {NEED_HEADERS}"),
        ("Bearer a=b", f"{NEED_CREDENTIAL} {NEED_SIGNATURE} {NEED_HEADERS}"),
    ],
)
def test_a_missing_part_is_named(text: str, words: str) -> None:
    """The message names each missing part.

    It repeats the header only as a hash.
    """
    fault = refusal(authorized(text))
    assert isinstance(fault, IncompleteSignature)
    assert (fault.code, fault.status) == ("IncompleteSignature", 400)
    assert fault.message.startswith(words + HASHED)
    assert len(fault.message) == len(words + HASHED) + 44


def test_a_missing_date_is_named() -> None:
    """A signature must have a date."""
    assert refusal(authorized(WHOLE, date=None)).message.startswith(NEED_DATE + HASHED)
    all_four = f"{NEED_CREDENTIAL} {NEED_SIGNATURE} {NEED_HEADERS} {NEED_DATE}{HASHED}"
    assert refusal(authorized("AWS4-HMAC-SHA256 ", date=None)).message.startswith(all_four)


def test_a_word_without_a_value_is_refused_and_not_repeated() -> None:
    """A bearer token that is sent by mistake is not in the answer."""
    fault = refusal(authorized("Bearer sesame"))
    assert isinstance(fault, IncompleteSignature)
    words = "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 "
    assert fault.message.startswith(words)
    assert "sesame" not in fault.message


@pytest.mark.parametrize("algorithm", ["AWS4-ECDSA-P256-SHA256", "AWS5-HMAC-SHA256", "AWS4-HMAC-SHA1", "AWS"])
def test_other_algorithms_are_refused(algorithm: str) -> None:
    """Only one algorithm is accepted, in the header and in the query."""
    words = f"Unsupported AWS 'algorithm': '{algorithm}'."
    assert refusal(authorized(WHOLE.replace("AWS4-HMAC-SHA256", algorithm))).message == words
    assert refusal(bare(query=QUERY.replace("AWS4-HMAC-SHA256", algorithm))).message == words


@pytest.mark.parametrize(
    "credential",
    [
        "AKIDEXAMPLE",
        "AKIDEXAMPLE/20260314/eu-central-1/sts",
        CREDENTIAL + "/more",
        CREDENTIAL.replace("sts", ""),
    ],
)
def test_a_scope_has_five_parts(credential: str) -> None:
    """A credential with a wrong number of parts is quoted in the message."""
    words = (
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
        f"got '{credential}'"
    )
    for request in (
        authorized(WHOLE.replace(CREDENTIAL, credential)),
        bare(query=QUERY.replace(CREDENTIAL.replace("/", "%2F"), credential)),
    ):
        fault = refusal(request)
        assert (fault.code, fault.message) == ("IncompleteSignature", words)


@pytest.mark.parametrize(
    "date",
    ["", "20260314", "2026-03-14T15:09:26Z", "20260314T150926", "20261314T150926Z", "2O260314T150926Z"],
)
def test_a_bad_date_is_quoted_back(date: str) -> None:
    """X-Amz-Date has exactly one format."""
    fault = refusal(authorized(WHOLE, date=(b"x-amz-date", date.encode())))
    assert fault.code == "IncompleteSignature"
    assert fault.message == (
        f"Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Mon, 99 Mar 2026 15:09:26 GMT", "x" * 5000, "Sat, 14 Mar 99999 15:09:26 GMT"]
)
def test_a_bad_date_header_is_refused(date: str) -> None:
    """An invalid Date header does not replace X-Amz-Date."""
    fault = refusal(authorized(WHOLE, date=(b"date", date.encode())))
    assert fault.code == "IncompleteSignature"
    assert fault.message.startswith("Date must be in ISO-8601 'basic format'. Got '")
    assert len(fault.message) < 300


@pytest.mark.parametrize(
    "date",
    [
        "Sat, 14 Mar 2026 15:09:26 GMT",
        "Sat, 14 Mar 2026 15:09:26 -0000",
        "Sat, 14 Mar 2026 16:09:26 +0100",
        "Sat, 14 Mar 2026 07:39:26 -0730",
        "20260314T150926Z",
        "Sat, 14 Mar 2026 15:09:26 GMT" + " " * 35,
    ],
)
def test_a_date_header_means_one_instant(date: str) -> None:
    """The string to sign contains the instant in UTC, for every zone."""
    found = find_signature(authorized(WHOLE, date=(b"date", date.encode())))
    assert (found.timestamp, found.signed_at) == ("20260314T150926Z", NOW)


def test_a_date_header_at_its_longest() -> None:
    """The limit is 64 characters, including white space."""
    date = "Sat, 14 Mar 2026 15:09:26 GMT"
    fault = refusal(authorized(WHOLE, date=(b"date", date.ljust(65).encode())))
    assert (fault.code, fault.message[:4]) == ("IncompleteSignature", "Date")


def test_where_a_signature_stands_is_known() -> None:
    """The audit log records if the signature is in the header or the query."""
    assert not find_signature(sign(unsigned())).presigned
    assert find_signature(presign(unsigned("GET", "/?Action=GetCallerIdentity", (), b""))).presigned


REGION_WORDS = "Credential should be scoped to a valid region. "
SERVICE_WORDS = "Credential should be scoped to correct service: 'sts'. "
TERMINATOR_WORDS = "Credential should be scoped with a valid terminator: 'aws4_request'."
DATE_WORDS = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."


@pytest.mark.parametrize(
    ("credential", "words"),
    [
        ("K/20260314/mars_north_1/sts/aws4_request", REGION_WORDS),
        ("K/20260314/eu-central-1/s3/aws4_request", SERVICE_WORDS),
        ("K/20260314/mars_north_1/s3/aws4_request", REGION_WORDS + SERVICE_WORDS),
        ("K/20260314/eu-central-1/sts/aws5_request", TERMINATOR_WORDS),
        ("K/20260313/eu-central-1/sts/aws4_request", DATE_WORDS),
        ("K/x/y_/z/t", REGION_WORDS + SERVICE_WORDS + TERMINATOR_WORDS + " " + DATE_WORDS),
    ],
)
def test_a_wrong_scope_is_told_part_by_part(credential: str, words: str) -> None:
    """AWS's message names each wrong part of the scope, in AWS's order."""
    fault = refusal(authorized(WHOLE.replace(CREDENTIAL, credential)))
    assert isinstance(fault, SignatureDoesNotMatch)
    assert (fault.status, fault.message) == (403, words)


def test_host_must_be_signed() -> None:
    """A signature without Host could be replayed at another server."""
    words = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    assert refusal(authorized(WHOLE.replace("host;", ""))).message == words
    assert refusal(bare(query=QUERY.replace("=host", "=x-amz-date"))).message == words


@pytest.mark.parametrize("make", [sign, presign])
def test_a_signature_is_good_for_fifteen_minutes_either_way_and_not_a_second_more(make: object) -> None:
    """The bounds are inclusive.

    They are the same for presigned queries, with any X-Amz-Expires.
    """
    request = make(unsigned("GET", "/?Action=GetCallerIdentity", (), b""))  # type: ignore[operator]
    found = find_signature(request)
    edge = timedelta(minutes=15)
    for now in (NOW - edge, NOW, NOW + edge, NOW + edge + timedelta(microseconds=999_999)):
        check_scope(found, services=SERVICES, is_region=is_region_name, now=now)
    assert refusal(request, NOW + edge + timedelta(seconds=1)).message == (
        "Signature expired: 20260314T150926Z is now earlier than 20260314T150927Z (20260314T152427Z - 15 min.)"
    )
    for early in (timedelta(seconds=1), timedelta(microseconds=1)):
        assert refusal(request, NOW - edge - early).message == (
            "Signature not yet current: 20260314T150926Z is still later than 20260314T150925Z "
            "(20260314T145425Z + 15 min.)"
        )


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("X-Amz-Algorithm", "AWS query-string parameters must include 'X-Amz-Algorithm'. "),
        ("X-Amz-Credential", "AWS query-string parameters must include 'X-Amz-Credential'. "),
        ("X-Amz-Signature", "AWS query-string parameters must include 'X-Amz-Signature'. "),
        ("X-Amz-SignedHeaders", "AWS query-string parameters must include 'X-Amz-SignedHeaders'. "),
        ("X-Amz-Date", "AWS query-string parameters must include 'X-Amz-Date'. "),
    ],
)
def test_a_presigned_query_without_a_part_is_refused(missing: str, words: str) -> None:
    """Each missing parameter is named; a header does not replace it."""
    query = "&".join(part for part in QUERY.split("&") if not part.startswith(missing + "="))
    fault = refusal(bare(query=query))
    assert (fault.code, fault.message) == (
        "IncompleteSignature",
        words + "Re-examine the query-string parameters.",
    )


@pytest.mark.parametrize("part", QUERY.split("&"))
def test_a_presigned_query_that_says_something_twice_is_refused(part: str) -> None:
    """Two readers must not take different halves of one query."""
    assert refusal(bare(query=f"{QUERY}&{part}")).code == "IncompleteSignature"
    # The same name in another encoding is the same name.
    disguised = part.replace("X-Amz-", "X%2dAmz-")
    assert refusal(bare(query=f"{QUERY}&{disguised}")).code == "IncompleteSignature"


def test_two_signatures_in_one_request_are_refused() -> None:
    """Header and query, or two Authorization headers, are ambiguous."""
    both = bare((b"authorization", WHOLE.encode()), query=QUERY)
    assert refusal(both).message == (
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    )
    twice = bare((b"authorization", WHOLE.encode()), (b"authorization", WHOLE.encode()))
    assert refusal(twice).code == "IncompleteSignature"
    repeated = authorized(f"{WHOLE}, Signature={SIGNATURE}")
    assert refusal(repeated).message == "Authorization header repeats its 'Signature' parameter."


def test_two_session_tokens_are_refused() -> None:
    """A token in the query and one in a header are ambiguous."""
    request = presign(unsigned("GET", "/?Action=GetCallerIdentity", (), b""), token="mine")
    headers = (*request.headers, (b"x-amz-security-token", b"yours"))
    assert refusal(replace(request, headers=headers)).code == "IncompleteSignature"
