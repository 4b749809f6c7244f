"""The condition keys of a request are those of this request, remembered or not."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.authorize.context import RequestInfo, request_keys
from daypass.wire.http import HttpRequest

_texts = st.sampled_from((None, b"", b"Boto3/1.0", b"\xff\xe9", b"x" * 1023, b"x" * 1024, b"x" * 1025))
_START = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


@settings(max_examples=200, deadline=None)
@given(
    _texts,
    _texts,
    st.sampled_from(("192.0.2.7", "::1", "")),
    st.booleans(),
    st.sampled_from(("eu-central-1", "us-east-1")),
    st.integers(0, 2_500),
)
def test_the_keys_of_a_request(
    agent: bytes | None,
    referer: bytes | None,
    peer: str,
    secure: bool,  # noqa: FBT001 - hypothesis passes it
    region: str,
    milliseconds: int,
) -> None:
    """Each key is computed from the request alone, and a header without a value has none."""
    sent = ((b"user-agent", agent), (b"referer", referer))
    headers = tuple((name, value) for name, value in sent if value is not None)
    now = _START + timedelta(milliseconds=milliseconds)
    keys = request_keys(RequestInfo(now, HttpRequest("POST", b"/", b"", headers, b"", peer, secure), region))
    second = now.replace(microsecond=0)
    expected = {
        "aws:currenttime": second.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:epochtime": str(int(second.timestamp())),
        "aws:securetransport": "true" if secure else "false",
        "aws:requestedregion": region,
        "aws:viaawsservice": "false",
        "aws:sourceip": peer,
        "aws:useragent": (agent or b"")[:1024].decode("latin-1"),
        "aws:referer": (referer or b"")[:1024].decode("latin-1"),
    }
    assert keys == {key: value for key, value in expected.items() if value}
    by_name = HttpRequest("POST", b"/", b"", headers, b"", peer, secure, by_name=dict(headers))
    assert request_keys(RequestInfo(now, by_name, region)) == keys
    keys["aws:sourceip"] = "203.0.113.9"  # a caller of the function may add keys
