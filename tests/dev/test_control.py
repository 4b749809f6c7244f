"""The control endpoint of `daypass dev --control`: each call, and the callers that it refuses."""

import base64
import json
import re
import signal
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.process.daypass import BIN, clean_environment, run
from tests.saml.browser import Answer, Browser

from daypass.dev.control_calls import CALLS

_SECRET = "X-Daypass-Control-Secret"


@dataclass(frozen=True)
class Controlled:
    """A running `daypass dev --control`, as a program in another language sees it."""

    process: "subprocess.Popen[str]"
    url: str
    secret: str
    store: Path

    def send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Send one request; return the status and the JSON."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        return answer.status, told

    def call(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make a call that must succeed."""
        status, told = self.send(
            "GET" if body is None else "POST",
            path,
            None if body is None else json.dumps(body).encode(),
            {_SECRET: self.secret},
        )
        assert status == 200, told
        return told

    def client(self, service: str, credentials: Mapping[str, Any] | None = None) -> Any:
        """Return a boto3 client of the first account's root user, or of a session."""
        state = self.call("/v1/state")
        given = credentials or state["RootAccessKey"]
        return boto3.client(
            service,
            endpoint_url=state["ServerUrl"],
            region_name="us-east-1",
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}),
        )

    def assume(self, **claims: object) -> Any:
        """Assume the role of the issuer's tokens."""
        token = self.call("/v1/oidc-issuer/tokens", {"Claims": claims})["Token"]
        role = self.call("/v1/state")["Roles"]["Pipeline"]
        return self.client("sts").assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="demo", WebIdentityToken=token
        )


@contextmanager
def _started() -> Iterator[Controlled]:
    process = subprocess.Popen(
        [str(BIN), "dev", "--port", "0", "--provider-port", "0", "--control"],
        env=clean_environment({}),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("The store is"):
            break
    found = re.search(r"export DAYPASS_CONTROL_URL=(\S+) DAYPASS_CONTROL_SECRET=(\S+)\n", text)
    store = re.search(r"sqlite:///(\S+)\. ", text)
    try:
        assert found is not None, text
        assert store is not None, text
        yield Controlled(process, found[1], found[2], Path(store[1]))
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Controlled]:
    """Run one demonstration for this file."""
    with _started() as started:
        urllib.request.urlopen(f"{started.call('/v1/state')['ServerUrl']}/readyz", timeout=60).close()  # noqa: S310 - ours
        yield started


@pytest.fixture
def controlled(running: Controlled) -> Controlled:
    """Return the demonstration, as new."""
    running.call("/v1/reset", {})
    return running


def _code(refused: "pytest.ExceptionInfo[ClientError]") -> str:
    return str(refused.value.response["Error"]["Code"])


# The callers that are refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), sorted(CALLS))
@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({_SECRET: ""}, _SECRET),
        ({}, _SECRET),
        ({_SECRET: "wrong"}, _SECRET),
        ({_SECRET: "SECRET", "Origin": "http://127.0.0.1:7878"}, "browser"),
        ({_SECRET: "SECRET", "Origin": "null"}, "browser"),
        ({_SECRET: "SECRET", "Host": "evil.example.org"}, "loopback"),
        ({_SECRET: "SECRET", "Host": "127.0.0.1.evil.example.org:PORT"}, "loopback"),
        ({_SECRET: "SECRET", "Host": "127.0.0.1:1"}, "loopback"),
        ({_SECRET: "SECRET", "Host": ""}, "loopback"),
    ],
)
def test_a_caller_without_the_secret_or_from_a_page_is_refused(
    controlled: Controlled, method: str, path: str, headers: Mapping[str, str], said: str
) -> None:
    """Each call is protected in the same way, before its body is read."""
    port = str(urlsplit(controlled.url).port)
    sent = {name: value.replace("SECRET", controlled.secret).replace("PORT", port) for name, value in headers.items()}
    status, told = controlled.send(method, path, b"{}", sent)
    assert status == 403
    assert said in told["Message"]
    assert controlled.secret not in json.dumps(told)


def test_two_secrets_or_hosts_are_refused(controlled: Controlled) -> None:
    """The first of two headers must not decide while another reader takes the second."""
    netloc = urlsplit(controlled.url).netloc
    for twice in (
        f"{_SECRET}: {controlled.secret}\r\n{_SECRET}: x",
        f"Host: {netloc}\r\n{_SECRET}: {controlled.secret}",
    ):
        with socket.create_connection(
            (urlsplit(controlled.url).hostname or "", urlsplit(controlled.url).port or 0)
        ) as raw:
            raw.sendall(f"GET /v1/state HTTP/1.0\r\nHost: {netloc}\r\n{twice}\r\n\r\n".encode())
            assert b" 403 " in raw.recv(4096)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "[::1]", "127.0.0.1"])
def test_each_name_of_loopback_is_accepted(controlled: Controlled, name: str) -> None:
    """A client may use any of them."""
    host = f"{name}:{urlsplit(controlled.url).port}"
    assert controlled.send("GET", "/v1/state", None, {_SECRET: controlled.secret, "Host": host})[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/nothing", None, 404),
        ("POST", "/v1/state", b"{}", 404),
        ("GET", "/v1/clock", None, 404),
        ("POST", "/v1/clock", None, 411),
        ("POST", "/v1/clock", b"[]", 400),
        ("POST", "/v1/clock", b"{", 400),
        ("POST", "/v1/clock", b'{"Reset":true,"Reset":false}', 400),
        ("POST", "/v1/clock", b" " * 262_145, 413),
    ],
)
def test_what_is_not_a_call_is_refused(
    controlled: Controlled, method: str, path: str, body: bytes | None, status: int
) -> None:
    """Each refusal is JSON with a sentence."""
    got, told = controlled.send(method, path, body, {_SECRET: controlled.secret})
    assert got == status
    assert told["Message"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/clock", {"MoveSecond": 1}, "MoveSecond is not a member"),
        ("/v1/clock", {}, "Give one of"),
        ("/v1/clock", {"Reset": True, "MoveSeconds": 1}, "Give one of"),
        ("/v1/clock", {"MoveSeconds": 1.5}, "whole number"),
        ("/v1/clock", {"MoveSeconds": True}, "whole number"),
        ("/v1/clock", {"MoveSeconds": 10**12}, "whole number"),
        ("/v1/clock", {"Freeze": "2030-01-01"}, "time zone"),
        ("/v1/clock", {"Freeze": "soon"}, "such as"),
        ("/v1/clock", {"Freeze": "9999-01-01T00:00:00Z"}, "hundred years"),
        ("/v1/clock", {"Freeze": "0001-01-01T00:00:00+14:00"}, "hundred years"),
        ("/v1/oidc-issuer/tokens", {"Algorithm": "none"}, "Algorithm must be"),
        ("/v1/oidc-issuer/tokens", {"Claims": []}, "Claims must be an object"),
        ("/v1/oidc-issuer/answers", {"Path": "Keys"}, "Answer must be"),
        ("/v1/oidc-issuer/answers", {"Path": "keys", "Answer": "Fail"}, "Path must be"),
        ("/v1/oidc-issuer/answers", {"Path": "Keys", "Answer": "Hang", "Status": 500}, "Status is not a member"),
        ("/v1/oidc-issuer/answers", {"Path": "Keys", "Answer": "Fail", "Status": 200}, "400 to 599"),
        ("/v1/oidc-issuer/answers", {"Path": "Keys", "Answer": "Redirect", "Location": "a\r\nb"}, "Location"),
        ("/v1/oidc-issuer/keys", {"Change": "Forget"}, "Change must be"),
        ("/v1/oidc-issuer/sign-in", {"Claim": {}}, "Claim is not a member"),
        ("/v1/oidc-issuer/sign-in", {"Error": 1}, "Error must be"),
        ("/v1/saml-provider/responses", {"Email": "eve@example.com"}, "Email must be"),
        ("/v1/saml-provider/responses", {"Assertion": {"Role": []}}, "Role is not a member"),
        ("/v1/saml-provider/responses", {"Assertion": {"Roles": "x"}}, "list of strings"),
        ("/v1/saml-provider/responses", {"Assertion": {"NameId": "\u0001"}}, "XML"),
        ("/v1/saml-provider/responses", {"Assertion": {"Roles": ["\u0001"]}}, "XML"),
        ("/v1/saml-provider/responses", {"Assertion": {"Tags": {"team": "\u0001"}}}, "XML"),
        ("/v1/saml-provider/page", {"Signed": "twice"}, "Signed must be"),
        ("/v1/saml-provider/page", {"Answer": "Bomb"}, "Answer must be"),
        ("/v1/saml-provider/page", {"Fails": "yes"}, "true or false"),
        ("/v1/saml-provider/keys", {}, "Change must be"),
        ("/v1/reset", {"Clock": True}, "Clock is not a member"),
    ],
)
def test_a_wrong_member_is_named(controlled: Controlled, path: str, body: Mapping[str, Any], said: str) -> None:
    """Nothing is ignored silently, and nothing changes."""
    status, told = controlled.send("POST", path, json.dumps(body).encode(), {_SECRET: controlled.secret})
    assert status == 400
    assert said in told["Message"]


# What the calls do ----------------------------------------------------------------------------------------------


def test_the_clock_expires_a_session(controlled: Controlled) -> None:
    """A client that signs with real time sees ExpiredToken, and the reset revives the session."""
    session = controlled.assume()["Credentials"]
    controlled.client("sts", session).get_caller_identity()
    controlled.call("/v1/clock", {"MoveSeconds": 3601})
    with pytest.raises(ClientError) as refused:
        controlled.client("sts", session).get_caller_identity()
    assert _code(refused) == "ExpiredToken"
    controlled.call("/v1/clock", {"Reset": True})
    controlled.client("sts", session).get_caller_identity()


def test_the_clock_stops(controlled: Controlled) -> None:
    """A stopped clock has the given time until it is moved."""
    assert controlled.call("/v1/clock", {"Freeze": "2030-01-01T00:00:00Z"})["Time"] == "2030-01-01T00:00:00Z"
    assert controlled.call("/v1/clock", {"MoveSeconds": -60})["Time"] == "2029-12-31T23:59:00Z"
    assert controlled.call("/v1/state")["Time"] == "2029-12-31T23:59:00Z"
    assert controlled.call("/v1/clock", {"Freeze": True})["Time"] == "2029-12-31T23:59:00Z"


def test_the_issuer_signs_claims_and_fails(controlled: Controlled) -> None:
    """The trust policy judges the claims; a broken issuer is AWS's error, and a new key needs its documents."""
    assert controlled.assume(sub="demo-1")["SubjectFromWebIdentityToken"] == "demo-1"
    with pytest.raises(ClientError) as refused:
        controlled.assume(sub="other")
    assert _code(refused) == "AccessDenied"
    with pytest.raises(ClientError) as refused:
        controlled.assume(aud="other")
    assert _code(refused) == "InvalidIdentityToken"
    before = controlled.call("/v1/state")["OidcIssuer"]["Requests"]["Keys"]
    assert before >= 1


def test_a_rotated_key_is_fetched_and_an_issuer_that_is_down_is_an_error(controlled: Controlled) -> None:
    """The server asks again after ten seconds of its clock; the reset brings the first key back."""
    controlled.assume()
    controlled.call("/v1/oidc-issuer/keys", {"Change": "Rotate"})
    controlled.call("/v1/oidc-issuer/answers", {"Path": "Keys", "Answer": "Fail", "Status": 503})
    controlled.call("/v1/clock", {"MoveSeconds": 11})
    with pytest.raises(ClientError) as refused:
        controlled.assume()
    assert _code(refused) in {"IDPCommunicationError", "InvalidIdentityToken"}
    controlled.call("/v1/oidc-issuer/answers", {"Path": "Keys", "Answer": "Correct"})
    controlled.call("/v1/clock", {"MoveSeconds": 11})
    assert controlled.assume()["Credentials"]
    controlled.call("/v1/clock", {"MoveSeconds": 400})
    controlled.call("/v1/reset", {})
    controlled.call("/v1/clock", {"MoveSeconds": 800})
    assert controlled.assume()["Credentials"]


def test_the_issuer_s_documents_are_what_the_call_says(controlled: Controlled) -> None:
    """A test in any language sees the failure itself."""
    issuer = controlled.call("/v1/state")["OidcIssuer"]
    trusted = ssl.create_default_context(cadata=issuer["CaBundle"])

    def keys() -> Any:
        with urllib.request.urlopen(f"{issuer['Url']}/keys", timeout=30, context=trusted) as answer:  # noqa: S310 - ours
            return json.load(answer)["keys"]

    assert len(keys()) == 1
    controlled.call("/v1/oidc-issuer/keys", {"Change": "Lose"})
    assert keys() == []
    controlled.call("/v1/oidc-issuer/keys", {"Change": "Confuse"})
    assert len(keys()) == 2
    controlled.call("/v1/oidc-issuer/keys", {"Change": "Rotate"})
    controlled.call("/v1/oidc-issuer/answers", {"Path": "Keys", "Answer": "Document", "Document": {"keys": []}})
    assert keys() == []
    controlled.call("/v1/oidc-issuer/answers", {"Path": "Keys", "Answer": "Fail", "Status": 503})
    with pytest.raises(urllib.error.HTTPError) as refused:
        keys()
    assert refused.value.code == 503
    refused.value.close()
    controlled.call("/v1/reset", {})
    assert len(keys()) == 1


def test_a_person_signs_in_with_the_issuer(controlled: Controlled) -> None:
    """The sign-in page offers the issuer, whose claims and failures the calls change."""
    state = controlled.call("/v1/state")
    server = state["ServerUrl"]

    def sign_in() -> Answer:
        browser = Browser(state["OidcIssuer"]["CaBundle"].encode())
        browser.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https")))
        links = re.findall(r'href="(/login/oidc/[^"]+)"', browser.send(f"{server}/login").text)
        return browser.send(server + links[0])

    first = sign_in()
    assert "Pipeline" in first.text, re.sub(r"<[^>]+>|\s+", " ", first.text)
    controlled.call("/v1/oidc-issuer/sign-in", {"Claims": {"sub": "stranger"}})
    assert "Pipeline" not in sign_in().text
    controlled.call("/v1/oidc-issuer/sign-in", {"Error": "access_denied", "ErrorDescription": "not today"})
    assert "Pipeline" not in sign_in().text
    controlled.call("/v1/oidc-issuer/sign-in", {})
    controlled.call("/v1/oidc-issuer/answers", {"Path": "Token", "Answer": "Fail"})
    assert "Pipeline" not in sign_in().text
    controlled.call("/v1/reset", {})
    assert "Pipeline" in sign_in().text


def test_the_saml_provider_signs_and_misbehaves(controlled: Controlled) -> None:
    """STS accepts a person's response, and refuses one that is unsigned or signed with an unknown key."""
    given = {
        "RoleArn": "arn:aws:iam::111122223333:role/Developer",
        "PrincipalArn": "arn:aws:iam::111122223333:saml-provider/demo",
    }

    def assume(**body: object) -> Any:
        response = controlled.call("/v1/saml-provider/responses", {"Email": "dev@example.com", **body})["SAMLResponse"]
        return controlled.client("sts").assume_role_with_saml(SAMLAssertion=response, **given)

    assert assume()["AssumedRoleUser"]["Arn"].endswith("/Developer/dev@example.com")
    assert assume(Assertion={"SessionName": "other"})["AssumedRoleUser"]["Arn"].endswith("/Developer/other")
    for path, body in (
        ("/v1/saml-provider/page", {"Signed": "none"}),
        ("/v1/saml-provider/page", {"Fails": True}),
        ("/v1/saml-provider/keys", {"Change": "Rotate"}),
    ):
        controlled.call(path, body)
        with pytest.raises(ClientError) as refused:
            assume()
        assert _code(refused) in {"InvalidIdentityToken", "IDPRejectedClaim"}
        controlled.call("/v1/reset", {})
    assert assume()["Credentials"]
    controlled.call("/v1/saml-provider/page", {"OtherRequest": True})
    response = controlled.call("/v1/saml-provider/responses", {"Email": "dev@example.com"})["SAMLResponse"]
    assert b"dev@example.com" in base64.b64decode(response)


def test_the_page_of_the_provider_fails(controlled: Controlled) -> None:
    """The sign-in page is what a browser of the test meets."""
    page = controlled.call("/v1/state")["SamlProvider"]["Url"] + "/sso"
    controlled.call("/v1/saml-provider/page", {"Answer": "Fail", "Status": 502})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(page, timeout=30)  # noqa: S310 - ours
    assert refused.value.code == 502
    refused.value.close()
    controlled.call("/v1/saml-provider/page", {})
    urllib.request.urlopen(page, timeout=30).close()  # noqa: S310 - ours


# The command ------------------------------------------------------------------------------------------------------


def test_a_store_to_keep_is_refused(tmp_path: Path) -> None:
    """A moved clock must never touch a store that is kept, be it old or new."""
    for store in (tmp_path / "old.db", tmp_path / "new.db"):
        refused = run("dev", "--control", "--store", f"sqlite:///{store}", "--port", "0", "--provider-port", "0")
        assert refused.returncode == 6
        assert "--control cannot be used with --store" in refused.stderr
        assert not store.exists()


def test_a_port_without_the_endpoint_is_refused() -> None:
    """Nothing is ignored silently."""
    refused = run("dev", "--control-port", "7880")
    assert refused.returncode == 2
    assert "--control-port needs --control" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.1, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_sigterm_in_the_first_seconds_leaves_no_files(tmp_path: Path, wait: float) -> None:
    """A test runner may stop it at any time of the start."""
    process = subprocess.Popen(
        [str(BIN), "dev", "--port", "0", "--provider-port", "0", "--control"],
        env=clean_environment({"TMPDIR": str(tmp_path)}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(wait)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_the_page_lists_each_call() -> None:
    """docs/testing-control.md has the calls of the table, and no other."""
    page = (Path(__file__).parents[2] / "docs/testing-control.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(GET|POST) (/v1/\S+)`", page, flags=re.MULTILINE)) == set(CALLS)
