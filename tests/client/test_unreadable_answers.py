"""Responses that cannot be parsed: shortened, changed by a proxy, or not from STS. They are never printed."""

import base64
import gzip
import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from tests.client.machine import ACCOUNT
from tests.http_servers import HttpRequest, HttpSite
from tests.slow_cases import quick_first

from daypass.cli import main as main_module
from daypass.cli.main import cli, main
from daypass.client.problems import NoAnswerError
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.own_credentials import own_credentials
from daypass.client.sessions.sts_call import find_endpoint_fault
from daypass.testing.server import running_server

SECRET = "THISISTHESECRETKEYANDNOBODYMAYSEEIT"
TOKEN = "THISISTHETOKENANDNOBODYMAYSEEIT"
_KEYS = f"<AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
_WHOLE = (
    f"<R><Result><Credentials>{_KEYS}<SessionToken>{TOKEN}</SessionToken>"
    "<Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></Result></R>"
)
_JSON = json.dumps({"SecretAccessKey": SECRET, "SessionToken": TOKEN})
XML, HTML = "text/xml", "text/html"

# name -> status, content type, further headers, body
ANSWERS: dict[str, tuple[int, str, dict[str, str], bytes]] = {
    "cut off": (200, XML, {}, _WHOLE[:-60].encode()),
    "cut off JSON": (200, "application/json", {}, _JSON[:-5].encode()),
    "page": (200, HTML, {}, f"<!DOCTYPE html><html><body><p>{SECRET}<br>{TOKEN}</body></html>".encode()),
    "page that is XML": (200, HTML, {}, f"<html><body>{SECRET}</body></html>".encode()),
    "refusal as a page": (403, HTML, {}, f"<html><body>{SECRET}<br></body></html>".encode()),
    "refusal without a reason": (403, XML, {}, f"<R>{_KEYS}</R>".encode()),
    "empty": (200, XML, {}, b""),
    "another type": (200, "image/png", {}, f"{SECRET} {TOKEN}".encode()),
    "binary": (200, XML, {}, b"\x89PNG\xff\xfe\x00" + SECRET.encode() + bytes(range(256))),
    "gzip bomb": (200, XML, {"Content-Encoding": "gzip"}, gzip.compress(bytes(30_000_000)) + SECRET.encode()),
    "no content": (204, XML, {}, b""),
    "text": (200, "text/plain", {}, b"It works!"),
    "JSON": (200, "application/json", {}, b'{"ok": true}'),
    "XML of another service": (200, XML, {}, b"<ListBucketResult><Name>b</Name></ListBucketResult>"),
    "result without members": (200, XML, {}, b"<R><GetCallerIdentityResult/><AssumeRoleResult/></R>"),
    "result without credentials": (
        200,
        XML,
        {},
        b"<R><AssumeRoleResult><Credentials><AccessKeyId>ASIA1234</AccessKeyId></Credentials></AssumeRoleResult></R>",
    ),
    "moved": (301, HTML, {"Location": f"https://sso.example/{SECRET}"}, b""),
    "login page": (302, HTML, {"Location": f"/login?{SECRET}"}, b"<html><body>Found<br></body></html>"),
    "moved for good": (308, HTML, {"Location": "/"}, b"<html><body>Moved<br></body></html>"),
    "missing page": (404, HTML, {}, b"<!DOCTYPE html><html><body>Not Found<br></body></html>"),
    "missing": (404, "text/plain", {}, b""),
    "missing JSON": (404, "application/json", {}, b'{"message": "not found"}'),
    "method": (405, HTML, {}, b"<html><body><center>405 Not Allowed</center><hr></body></html>"),
    "store of objects": (403, XML, {}, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"),
    "store without a bucket": (404, XML, {}, b"<Error><Code>NoSuchBucket</Code><Message>No</Message></Error>"),
    "another service": (
        400,
        XML,
        {},
        (
            b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>Unknown</Message></Error>"
            b"</ErrorResponse>"
        ),
    ),
    "service of JSON": (400, "application/x-amz-json-1.1", {}, b'{"__type": "UnknownOperationException"}'),
    "gateway of an API": (403, "application/json", {}, b'{"message": "Missing Authentication Token"}'),
    "proxy": (407, HTML, {}, b"<html><body>Proxy Authentication Required<br></body></html>"),
    "throttled page": (429, HTML, {}, b"<html><body>Too many<br></body></html>"),
    "bad gateway": (502, HTML, {}, b"<html><body><center>502 Bad Gateway</center><hr></body></html>"),
    "unavailable": (503, HTML, {}, b"<html><body>503<br></body></html>"),
    "unavailable store": (503, XML, {}, b"<Error><Code>SlowDown</Code><Message>Slow</Message></Error>"),
    "gateway timeout": (504, "text/plain", {}, b""),
    "fault": (500, XML, {}, _WHOLE.encode()),
    "fault with words": (
        500,
        XML,
        {},
        f"<ErrorResponse><Error><Code>InternalFailure</Code><Message>{SECRET}</Message></Error></ErrorResponse>".encode(),
    ),
}


# Bytes that are not a whole response of HTTP.
RAW = {
    "no HTTP": f"{SECRET} {TOKEN}\r\n\r\n".encode(),
    "half": b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5000\r\n\r\n" + _WHOLE[:100].encode(),
    "wrong length": b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 40\r\n\r\n" + _WHOLE.encode(),
    "length of no number": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + _WHOLE[:50].encode(),
    "half of the headers": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "closed": b"",
    "old HTTP": b"HTTP/0.9 what\r\n\r\n",
    "alert of TLS": b"\x15\x03\x03\x00\x02\x02\x46",
}


def _answer(request: HttpRequest) -> None:
    """Send the response that the path selects."""
    request.body()
    name = unquote(request.path.split("/")[1])
    if name in RAW:
        request.wfile.write(RAW[name])
        request.close_connection = True
        return
    status, kind, headers, body = ANSWERS[name]
    request.reply(status, body, Content_Type=kind, **headers)


@pytest.fixture(scope="module")
def odd_server() -> Iterator[str]:
    """Serve the responses, each at its own path."""
    with HttpSite(_answer) as site:
        yield site.url


ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"
PLACE = ("--endpoint-url", "{url}")
COMMANDS: dict[str, tuple[str, ...]] = {
    "whoami": ("whoami", *PLACE),
    "assume": ("assume", ROLE, *PLACE),
    "credential-process": ("credential-process", "--role", ROLE, *PLACE),
    "sts": ("sts", "get-session-token", *PLACE),
    "login by portal": ("login", "--portal-url", "{url}", "--via", "device", *PLACE),
    "login with a token": ("login", "oidc", "--role", ROLE, "--token-file", "{home}/token", *PLACE),
    "assume by name": ("assume", "deploy", *PLACE),
    "session-token": ("session-token", *PLACE),
    "session-token with a device": ("session-token", "--mfa-serial", "auto", *PLACE),
    "federation-token": ("federation-token", "guest", *PLACE),
    "env": ("env", "--role", ROLE, *PLACE),
    "exec": ("exec", "--role", ROLE, *PLACE, "--", "true"),
    "console": ("console", "--role", ROLE, *PLACE, "--sign-in-url", "{url}"),
    "roles": ("roles", "--in-account", *PLACE),
    "login with an assertion": (
        "login",
        "saml",
        "--role",
        ROLE,
        "--provider-arn",
        f"arn:aws:iam::{ACCOUNT}:saml-provider/p",
        "--assertion-file",
        "{home}/assertion",
        *PLACE,
    ),
}
# botocore waits and asks again after a fault
AGAIN = {name for name, (status, *_) in ANSWERS.items() if status >= 500 or status == 429}
# Others like them are in the quick part.
RARE = {"method", "missing", "missing JSON", "moved for good", "no content", "proxy", "store without a bucket", "text"}
QUICK = sorted(set(ANSWERS) - AGAIN - RARE)
# whoami calls another operation, whose members are others.
OF_WHOAMI = ("XML of another service", "login page", "missing page", "result without members", "store of objects")
TABLE = [
    *((command, answer) for command in ("assume", "login by portal") for answer in (*QUICK, "no HTTP")),
    *(("whoami", answer) for answer in (*OF_WHOAMI, "another service", "refusal without a reason")),
    *((command, "cut off") for command in COMMANDS if command not in ("assume", "login by portal")),
    ("sts", "page that is XML"),
    ("assume", "bad gateway"),
    ("assume", "fault with words"),
    *quick_first(
        (
            ("assume", answer)
            for answer in sorted({*AGAIN, *RARE, *RAW} - {"bad gateway", "fault with words", "no HTTP"})
        ),
        quick=0,
    ),
    *quick_first((("login by portal", answer) for answer in sorted(RARE)), quick=0),
    ("login by portal", "fault"),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the commands a home, keys, and the proofs of a person who signs in."""
    for name in list(os.environ):
        if re.match("(AWS|DAYPASS|XDG)_", name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    (tmp_path / "token").write_text("e30.e30.e30")
    (tmp_path / "assertion").write_text(base64.b64encode(b"<Response/>").decode())
    return tmp_path


def run(words: tuple[str, ...], url: str, home: Path) -> int:
    """Run a command against one of the responses, and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([word.format(url=url, home=home) for word in words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(("command", "answer"), TABLE)
def test_no_answer_that_cannot_be_read_is_repeated(
    command: str,
    answer: str,
    odd_server: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The exit code is that of a network error, or of STS for its own codes. DAYPASS_DEBUG shows no secret either."""
    monkeypatch.setenv("DAYPASS_DEBUG", "1")
    words, url = COMMANDS[command], f"{odd_server}/{quote(answer)}"
    code = run(words, url, home)
    seen = capfd.readouterr()
    by_assume = {"fault with words": 4, "another service": 6}
    said_by_sts = 7 if command == "login by portal" else by_assume.get(answer, 7)
    assert urlsplit(url).netloc in seen.err
    assert code == (125 if command == "exec" else said_by_sts), seen.err
    assert not re.search("THISISTHE(SECRETKEY|TOKEN)", seen.out + seen.err)
    assert ("Traceback" in seen.err) == (command != "exec")
    assert [path for path in home.rglob("*") if path.is_file() and SECRET in path.read_text(errors="replace")] == []


@pytest.mark.parametrize("answer", ["page", "no HTTP"])
def test_doctor_repeats_no_answer_either(
    answer: str, odd_server: str, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """For every response it reports the endpoint and the clock."""
    assert run(("doctor", "--endpoint-url", f"{odd_server}/{quote(answer)}"), "", home) in {0, 6}
    seen = capfd.readouterr()
    assert not re.search("THISISTHE(SECRETKEY|TOKEN)", seen.out + seen.err)


@pytest.mark.parametrize("answer", [*OF_WHOAMI, "moved", "gateway of an API", "service of JSON", "cut off"])
def test_an_endpoint_that_is_not_sts_has_a_fault(answer: str, odd_server: str, home: Path) -> None:
    """The doctor shows it."""
    del home
    url = f"{odd_server}/{quote(answer)}"
    assert find_endpoint_fault(endpoint_url=url, region="us-east-1").startswith(url)


@pytest.mark.parametrize(
    "code", ["MissingAuthenticationToken", "AccessDenied", "ExpiredToken", "SignatureDoesNotMatch"]
)
def test_an_endpoint_that_refuses_as_sts_does_has_no_fault(code: str, home: Path) -> None:
    """The call is unsigned, so that STS refuses it."""
    del home
    error = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>No</Message></Error></ErrorResponse>"
    with HttpSite(lambda request: request.reply(403, error.encode(), Content_Type=XML)) as site:
        assert find_endpoint_fault(endpoint_url=site.url, region="us-east-1") == ""


def test_an_endpoint_that_does_not_use_tls_is_told_as_such(odd_server: str, home: Path) -> None:
    """A file of certificate authorities would not help."""
    del home
    fault = find_endpoint_fault(endpoint_url=odd_server.replace("http:", "https:"), region="us-east-1")
    assert odd_server.partition("//")[2] in fault
    assert "may not use TLS" in fault


@pytest.mark.parametrize(
    "url",
    [
        "ftp://sts.example",
        "sts.example:7878",
        "//sts.example",
        "http:///sts",
        "http://[::1",
        "http://sts.example:99999",
        "http://sts.example:port",
        "http://sts.example?Action=x",
        "http://sts .example",
    ],
)
def test_an_endpoint_that_is_not_a_url_is_a_setting(url: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No request is sent, so the message must not say that a server responded."""
    assert run(("whoami", "--endpoint-url", url), "", home) == 6
    said = capfd.readouterr().err
    assert f"The endpoint '{url}' is not a URL of a server." in said
    assert "AWS_ENDPOINT_URL_STS" in said


@pytest.mark.slow
def test_a_path_of_the_server_itself_is_not_its_sts(home: Path) -> None:
    """The message names the whole URL, for a signed call too."""
    with running_server() as server:
        assert find_endpoint_fault(endpoint_url=server.url, region="us-east-1") == ""
        for path in ("/sts", "//", "/portal/x"):
            assert find_endpoint_fault(endpoint_url=server.url + path, region="us-east-1").startswith(server.url + path)
        assert run(COMMANDS["whoami"], f"{server.url}/sts", home) == 6


def test_a_containers_endpoint_is_not_repeated_either(
    odd_server: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's own search requests keys there, and botocore quotes its errors."""
    del home
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.RETRY_ATTEMPTS", 1)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{odd_server}/{quote('refusal as a page')}")
    with pytest.raises(NoAnswerError) as caught:
        own_credentials("", ClientContext.of(os.environ, lambda: datetime.now(UTC)))
    assert SECRET not in str(caught.value)


def test_the_unexpected_is_told_by_its_type_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message may contain a secret, and users send tracebacks to other people."""

    @cli.command("fail")
    def fail() -> None:
        try:
            int(SECRET)
        except ValueError as error:
            raise KeyError(SECRET) from error

    monkeypatch.setitem(main_module.COMMANDS, "fail", (__name__, ""))
    monkeypatch.setattr(sys.modules[__name__], "command", fail, raising=False)
    for debug in ("", "1"):
        monkeypatch.setenv("DAYPASS_DEBUG", debug)
        assert run(("fail",), "", Path()) == 1
        seen = capsys.readouterr().err
        assert SECRET not in seen
        assert "KeyError" in seen
    assert "ValueError" in seen
    assert "test_unreadable_answers.py" in seen
