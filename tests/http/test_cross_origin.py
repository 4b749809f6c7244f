"""Pages of other origins may call STS, as on AWS, and neither IAM nor the pages for people."""

from collections.abc import Mapping

import pytest
from tests.http.raw import FORM, WHO, Answer, send, signed
from tests.http.segments import exchange

from daypass.config import Config
from daypass.http.connection import Connection
from daypass.testing.server import RunningServer, running_server

ORIGIN = {"Origin": "https://app.example"}
EXPOSED = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"
SDK_HEADERS = "amz-sdk-invocation-id,amz-sdk-request,content-type,x-amz-user-agent"
SIGNED_HEADERS = "authorization,content-type,x-amz-content-sha256,x-amz-date,x-amz-security-token"
IAM = {"Action": "GetUser", "Version": "2010-05-08"}
BY_TOKEN = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=a&RoleSessionName=b&WebIdentityToken=c.d.e"


def cors_of(answer: Answer) -> dict[str, str]:
    """Return the CORS headers of an answer."""
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def preflight(server: RunningServer, wanted: str = SDK_HEADERS, *, method: str = "POST", target: str = "/") -> Answer:
    """Ask as a browser does before a call that is not simple."""
    asked = {"Access-Control-Request-Method": method, **({"Access-Control-Request-Headers": wanted} if wanted else {})}
    return send(server, b"", {**ORIGIN, **asked}, method="OPTIONS", target=target)


@pytest.mark.parametrize("target", ["/", "/?x=1", "/?Action=GetCallerIdentity&Version=2011-06-15"])
@pytest.mark.parametrize("wanted", [SDK_HEADERS, SIGNED_HEADERS, "authorization, x-amz-date", ""])
def test_a_preflight_is_allowed_with_the_headers_that_it_names(
    shared_server: RunningServer, wanted: str, target: str
) -> None:
    """It is never redirected."""
    answer = preflight(shared_server, wanted, target=target)
    assert (answer.status, answer.body) == (200, b"")
    assert cors_of(answer) == {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": EXPOSED,
        "access-control-allow-methods": "GET, HEAD, POST",
        "access-control-max-age": "172800",
        **({"access-control-allow-headers": wanted} if wanted else {}),
    }
    assert "location" not in answer.headers


@pytest.mark.parametrize("wanted", ["a b", "a,,b", "a;b", "x" * 5_000, '"quoted"', "a,"])
def test_malformed_names_of_headers_are_not_echoed(shared_server: RunningServer, wanted: str) -> None:
    """No browser sends them."""
    assert "access-control-allow-headers" not in preflight(shared_server, wanted).headers


def test_options_without_an_origin_names_the_methods(shared_server: RunningServer) -> None:
    """It is not a preflight request."""
    answer = send(shared_server, b"", {}, method="OPTIONS")
    assert (answer.status, answer.headers["allow"], cors_of(answer)) == (200, "GET, HEAD, POST, OPTIONS", {})


def of_sts(server: RunningServer) -> Mapping[str, tuple[int, tuple[bytes, Mapping[str, str]], str, str]]:
    """Return a request for each kind of answer of STS: status, body and headers, method, target."""
    form = {"Content-Type": FORM}
    query = "/?Action=GetCallerIdentity&Version=2011-06-15"
    return {
        "success": (200, signed(server), "POST", "/"),
        "unsigned": (403, (b"Action=GetCallerIdentity&Version=2011-06-15", form), "POST", "/"),
        "refused token": (400, (BY_TOKEN, form), "POST", "/"),
        "invalid parameters": (400, (b"Action=AssumeRoleWithSAML&Version=2011-06-15", form), "POST", "/"),
        "unknown action": (400, (b"Action=Nothing&Version=2011-06-15", form), "POST", "/"),
        "no action": (400, (b"", {}), "POST", "/"),
        "malformed form": (400, (b"Action=%ZZ", form), "POST", "/"),
        "a body that is not read": (400, (b"{}", {"Content-Type": "application/json"}), "POST", "/"),
        "by GET": (403, (b"", {}), "GET", query),
        "a long query": (400, (b"", {}), "GET", query + "&x=" + "a" * 16_000),
        "too large": (413, (b"a" * 10_000_001, form), "POST", "/"),
        "another method": (405, (b"", {}), "DELETE", "/"),
        "another service": (400, (b"{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}), "POST", "/"),
    }


KINDS = (
    "success", "unsigned", "refused token", "invalid parameters", "unknown action", "no action", "malformed form",
    "a body that is not read", "by GET", "a long query", "too large", "another method", "another service",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_every_answer_of_sts_may_be_read(shared_server: RunningServer, kind: str, accept: str) -> None:
    """Success or refusal. Without an origin there are no such headers."""
    status, (body, headers), method, target = of_sts(shared_server)[kind]
    answer = send(shared_server, body, {**headers, "Accept": accept, **ORIGIN}, method=method, target=target)
    assert (answer.status, cors_of(answer)) == (
        status,
        {"access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED},
    )
    assert "x-amzn-requestid" in answer.headers
    assert "set-cookie" not in answer.headers
    status, (body, headers), method, target = of_sts(shared_server)[kind]
    plain = send(shared_server, body, {**headers, "Accept": accept}, method=method, target=target)
    assert (plain.status, cors_of(plain)) == (status, {})


@pytest.mark.parametrize("origin", ["null", "https://a.example", "http://localhost:3000", ""])
def test_no_origin_is_preferred(shared_server: RunningServer, origin: str) -> None:
    """The answer does not depend on it, and never allows credentials."""
    body, headers = signed(shared_server)
    cors = cors_of(send(shared_server, body, {**headers, "Origin": origin}))
    assert cors == {"access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED}


def test_iam_may_not_be_read(shared_server: RunningServer) -> None:
    """AWS allows it for STS alone."""
    body, headers = signed(shared_server, IAM, service="iam")
    success = send(shared_server, body, {**headers, **ORIGIN})
    refusal = send(shared_server, b"Action=GetUser&Version=2010-05-08", {"Content-Type": FORM, **ORIGIN})
    assert [(each.status, cors_of(each)) for each in (success, refusal)] == [(200, {}), (403, {})]


def test_a_throttled_call_may_be_read() -> None:
    """A page learns why it is refused."""
    with running_server(config=Config(unsigned_calls_per_minute=1)) as server:
        answers = [send(server, BY_TOKEN, {"Content-Type": FORM, **ORIGIN}) for _ in range(2)]
    assert "Throttling" in answers[1].text
    assert answers[1].headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("line", "has_cors"),
    [(b"POST / HTTP/1.1\r\n", True), (b"POST /?a HTTP/1.1\r\n", True), (b"POST /login/role HTTP/1.1\r\n", False)],
)
def test_a_refused_head_may_be_read(shared_server: RunningServer, line: bytes, *, has_cors: bool) -> None:
    """A request that cannot be framed is refused before the application sees it."""
    head = line + b"Origin: https://app.example\r\nHost: sts\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
    (reply,) = exchange(shared_server.url, [head])
    assert (reply.status, b"access-control-allow-origin: *" in reply.head) == (400, has_cors)


def test_a_late_request_may_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page learns that its body did not arrive in time."""
    monkeypatch.setattr(Connection, "patience", 0.3)
    half = b"POST / HTTP/1.1\r\nOrigin: https://app.example\r\nHost: sts\r\nContent-Length: 100\r\n\r\nAction"
    with running_server() as server:
        (reply,) = exchange(server.url, [half])
    assert (reply.status, b"access-control-allow-origin: *" in reply.head) == (408, True)


PAGES = ("/login", "/login/", "/roles", "/operator", "/start", "/saml/metadata.xml", "/device", "/healthz", "/no/page")
API_OF_SIGN_IN = ("/token", "/client/register", "/device_authorization", "/v1/token", "/assignment/roles", "/logout")


@pytest.mark.parametrize("other_path", [*PAGES, *API_OF_SIGN_IN])
def test_pages_and_the_apis_of_sign_ins_have_no_cors(shared_server: RunningServer, other_path: str) -> None:
    """Neither a preflight nor a call of another origin gets a header."""
    asked = preflight(shared_server, target=other_path)
    read = send(shared_server, b"", ORIGIN, method="GET", target=other_path)
    sent = send(shared_server, b"{}", {"Content-Type": "application/json", **ORIGIN}, target=other_path)
    assert [cors_of(each) for each in (asked, read, sent)] == [{}, {}, {}]
    assert asked.status in {404, 405}


def test_a_browser_that_asks_for_the_page_is_redirected_without_cors(shared_server: RunningServer) -> None:
    """The sign-in page is no API."""
    answer = send(shared_server, b"", {"Accept": "text/html", **ORIGIN}, method="GET")
    assert (answer.status, answer.headers["location"], cors_of(answer)) == (302, "/login", {})


def test_the_signature_counts_and_the_origin_does_not(shared_server: RunningServer) -> None:
    """An origin opens nothing: the same refusal comes without its signature."""
    body, headers = signed(shared_server, WHO)
    del headers["Authorization"]
    assert send(shared_server, body, {**headers, **ORIGIN}).status == 403
