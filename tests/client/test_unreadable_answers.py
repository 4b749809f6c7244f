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
from urllib.parse import quote, unquote

import pytest
from tests.client.machine import ACCOUNT
from tests.http_servers import HttpRequest, HttpSite

from daypass.cli import main as main_module
from daypass.cli.main import cli, main
from daypass.client.problems import NoAnswerError
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.own_credentials import own_credentials

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
    "fault": (500, XML, {}, _WHOLE.encode()),
    "fault with words": (
        500,
        XML,
        {},
        f"<ErrorResponse><Error><Code>InternalFailure</Code><Message>{SECRET}</Message></Error></ErrorResponse>".encode(),
    ),
}


def _answer(request: HttpRequest) -> None:
    """Send the response that the path selects."""
    request.body()
    name = unquote(request.path.split("/")[1])
    if name == "no HTTP":
        request.wfile.write(f"{SECRET} {TOKEN}\r\n\r\n".encode())
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
QUICK = sorted(set(ANSWERS) - {"fault", "fault with words"})  # botocore waits and asks again after a fault
TABLE = [
    *((command, answer) for command in ("assume", "login by portal") for answer in (*QUICK, "no HTTP")),
    *((command, "cut off") for command in COMMANDS if command not in ("assume", "login by portal")),
    ("sts", "page that is XML"),
    ("whoami", "refusal without a reason"),
    ("assume", "fault"),
    ("assume", "fault with words"),
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
    said_by_sts = 4 if answer == "fault with words" else 7
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
